"""core.dht.transactions: who may answer, the second copy, time-outs, capacity."""

from random import Random

from core.dht.transactions import Outcome, Transactions
from tests.dht.net import loopback


def ignore(outcome: Outcome, now: float) -> None:
    """Take an outcome and do nothing."""


def make(capacity: int = 10) -> Transactions:
    """Return transactions with the times of the default configuration."""
    return Transactions(Random(1), capacity, timeout=2.0, resend_after=0.7)


def test_only_who_was_asked_may_answer_and_only_once() -> None:
    transactions = make()
    pending = transactions.open(loopback(1), None, ignore, 0.0)
    assert len(pending.transaction) == 2
    assert transactions.take(pending.transaction, loopback(2)) is None
    assert transactions.take(b"??", loopback(1)) is None
    assert transactions.take(pending.transaction, loopback(1)) is pending
    assert transactions.take(pending.transaction, loopback(1)) is None
    assert transactions.deadline() is None


def test_one_second_copy_then_the_time_out() -> None:
    transactions = make()
    first = transactions.open(loopback(1), None, ignore, 0.0)
    second = transactions.open(loopback(2), None, ignore, 0.5)
    assert transactions.deadline() == 0.7
    assert transactions.resend(0.69) == []
    assert transactions.resend(0.7) == [first]
    assert transactions.resend(0.8) == []
    assert transactions.resend(1.2) == [second]
    assert transactions.deadline() == 2.0
    assert transactions.expire(1.99) == []
    assert transactions.expire(2.0) == [first]
    assert transactions.expire(9.0) == [second]
    assert len(transactions) == 0


def test_an_answered_query_is_not_sent_again() -> None:
    transactions = make()
    pending = transactions.open(loopback(1), None, ignore, 0.0)
    transactions.take(pending.transaction, loopback(1))
    assert transactions.resend(1.0) == []


def test_capacity() -> None:
    transactions = make(capacity=2)
    first = transactions.open(loopback(1), None, ignore, 0.0)
    assert not transactions.full()
    transactions.open(loopback(1), None, ignore, 0.0)
    assert transactions.full()
    transactions.take(first.transaction, loopback(1))
    assert not transactions.full()


def test_transaction_ids_in_flight_differ() -> None:
    transactions = make(capacity=5000)
    ids = {transactions.open(loopback(1), None, ignore, 0.0).transaction for _ in range(5000)}
    assert len(ids) == 5000

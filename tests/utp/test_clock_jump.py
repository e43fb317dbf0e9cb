"""A machine sleeps, and its clock is hours ahead when it wakes: who is still there is not given up."""

from random import Random

import pytest

from core.errors import TransportClosed
from core.utp.config import UtpConfig
from core.utp.connection import Connection
from core.utp.mux import Mux
from core.utp.state import State
from core.wire.utp_marks import Marks
from tests.utp.pair import A, B, Closed, Pair, Side

HOURS = 4 * 3600.0
GRACE = UtpConfig().wake_grace
MARKS = [Marks(0), Marks.JOINS]


def quiet_pair(marks: Marks = Marks.JOINS) -> tuple[Pair, Connection, Connection]:
    """Return a pair with an idle connection."""
    pair = Pair(config=UtpConfig(marks=marks))
    a, b = pair.connect()
    a.write(b"before", pair.now)
    pair.run(limit=50.0)
    return pair, a, b


def one_sleeps(pair: Pair, sleeper: Side) -> None:
    """The other goes on meanwhile; nothing that is sent to the sleeper is kept."""
    awake = {address: side for address, side in pair.sides.items() if side is not sleeper}
    both, pair.sides = pair.sides, awake
    end = pair.now + HOURS
    while (at := pair.next_at()) is not None and at <= end:
        pair.run(limit=at - pair.now)
    pair.now = end
    pair.sides = both


@pytest.mark.parametrize("marks", MARKS)
@pytest.mark.parametrize("writes", [False, True], ids=["tick", "write"])
def test_both_sleep_and_go_on(marks: Marks, *, writes: bool) -> None:
    pair, a, b = quiet_pair(marks)
    pair.now += HOURS
    woke = len(pair.sent)
    if writes:  # its datagram leaves before any tick
        a.write(b" after", pair.now)
        pair.flush()
    pair.run(limit=5.0)
    assert {sent.by for sent in pair.sent[woke:] if sent.at <= pair.now - 4.9} == {A, B}, "both speak at once"
    pair.run(limit=500.0)
    assert (a.state, b.state) == (State.OPEN, State.OPEN)
    if not writes:
        a.write(b" after", pair.now)
    assert pair.run(lambda: pair.b.received(b) == b"before after", limit=5.0)


@pytest.mark.parametrize("left", ["half-closed", "unsent"])
def test_both_sleep_in_the_middle_of_something(left: str) -> None:
    """Half-closed for hours, or with data that was on its way when both fell asleep."""
    pair, a, b = quiet_pair()
    if left == "half-closed":
        a.close(pair.now)
        pair.run(limit=5.0)
    else:
        a.write(bytes(100_000), pair.now)
        pair.drop = lambda sent: True
        pair.run(limit=20.0)
        pair.drop = lambda sent: False
    pair.now += HOURS
    pair.run(limit=2.0)
    b.write(b"answer", pair.now)
    b.close(pair.now)
    a.close(pair.now)
    pair.run(limit=30.0)
    assert (pair.a.closed(a), pair.b.closed(b)) == (Closed(a, None), Closed(b, None))
    assert pair.a.received(a) == b"answer"
    assert len(pair.b.received(b)) == (6 if left == "half-closed" else 100_006)


def test_who_sleeps_alone_learns_at_once_that_it_was_given_up() -> None:
    pair, a, b = quiet_pair()
    one_sleeps(pair, pair.a)
    assert pair.b.closed(b) is not None
    pair.run(lambda: pair.a.closed(a) is not None, limit=1.0)
    closed = pair.a.closed(a)
    assert closed is not None
    assert "reset" in str(closed.error)


def test_a_peer_that_restarted_meanwhile_says_so() -> None:
    pair, a, _ = quiet_pair()
    pair.now += HOURS
    pair.b.mux = Mux(pair.config, Random(99))
    pair.run(lambda: pair.a.closed(a) is not None, limit=1.0)
    closed = pair.a.closed(a)
    assert closed is not None
    assert isinstance(closed.error, TransportClosed)
    assert "reset" in str(closed.error)


@pytest.mark.parametrize("writes", [False, True], ids=["idle", "write"])
def test_a_peer_that_is_gone_is_given_up_soon(*, writes: bool) -> None:
    pair, a, _ = quiet_pair()
    pair.drop = lambda sent: True
    pair.now = woke = pair.now + HOURS
    if writes:
        a.write(b"anybody there?", pair.now)
    pair.run(lambda: pair.a.closed(a) is not None, limit=200.0)
    closed = pair.a.closed(a)
    assert closed is not None
    assert isinstance(closed.error, TransportClosed)
    assert pair.now - woke == pytest.approx(GRACE, abs=1.0)


def test_bytes_nobody_reads_wait_no_longer_for_ever() -> None:
    """Both ended, the reader sleeps too: it has the same grace, once."""
    pair, a, b = quiet_pair()
    pair.b.reading = False
    a.write(b"unread", pair.now)
    a.close(pair.now)
    b.close(pair.now)
    pair.run(limit=5.0)
    assert b.state is State.BOTH_ENDED
    pair.now = woke = pair.now + HOURS
    pair.run(lambda: pair.b.closed(b) is not None, limit=200.0)
    closed = pair.b.closed(b)
    assert closed is not None
    assert "never read" in str(closed.error)
    assert pair.now - woke == pytest.approx(GRACE, abs=1.0)


def test_a_late_timer_is_no_sleep() -> None:
    """A loop that is seconds late does not keep a dead peer alive."""
    pair, a, _ = quiet_pair()
    pair.drop = lambda sent: True
    heard = pair.now
    while pair.a.closed(a) is None and pair.now < heard + 300:
        at = pair.next_at()
        assert at is not None
        pair.now = max(pair.now, at + 4.0)
        for side in pair.sides.values():
            side.mux.tick(pair.now)
        pair.flush()
    assert pair.now - heard < pair.config.idle_timeout + 10

"""A slow line, a busy computer, nodes that are silent for a moment: the node of the public DHT is not alone by them."""

from random import Random

import pytest

from core.mainline.config import DHT
from core.mainline.events import Ended
from core.mainline.lateness import LATE_FOR, PATIENT, STRIKES
from core.mainline.node import MainlineNode
from core.values import Address
from core.wire.compact import pack_nodes
from core.wire.krpc import Query, Reply, parse

NODE = Address("11.1.1.1", 6881)


def asked(node: MainlineNode, now: float) -> list[tuple[Address, Query]]:
    found = []
    for burst in node.transmit(now):
        for datagram in burst.datagrams:
            query = parse(datagram)
            assert isinstance(query, Query)
            found.append((burst.to, query))
    node.deadline()
    return found


def answer(node: MainlineNode, query: Query, now: float, source: Address = NODE) -> None:
    nodes = b"" if query.method == b"ping" else pack_nodes([])
    values = {b"id": bytes([int(source.host.rpartition(".")[2])]) * 20, b"nodes": nodes}
    node.receive([bytes(Reply(query.transaction, dict(values)))], source, now)
    node.deadline()


def with_one() -> MainlineNode:
    """Return a node that knows one other."""
    node = MainlineNode(Random(1), 0.0)
    node.join([NODE], 0.0)
    ((_, query),) = asked(node, 0.0)
    answer(node, query, 0.1)
    assert node.nodes() == 1
    return node


def ask(node: MainlineNode, now: float, key: bytes = b"k" * 20) -> Query:
    """Look for a key; return the question. Upkeep's are not answered here."""
    let_pass(node, now)
    node.find_peers(key, now)
    (query,) = [query for to, query in asked(node, now) if query.arguments.get(b"info_hash") == key]
    return query


def let_pass(node: MainlineNode, until: float) -> None:
    """Let time pass, with a timer that is never late."""
    while (due := node.deadline()) is not None and due <= until:
        node.tick(due)
        for _, query in asked(node, due):
            if query.method in (b"ping", b"find_node"):
                answer(node, query, due)


def pass_over(node: MainlineNode, query: Query, now: float) -> None:
    """Let a query's time pass."""
    let_pass(node, now + DHT.query_timeout + 0.01)


def test_one_silence_is_forgiven_and_a_second_in_a_row_is_not() -> None:
    assert STRIKES == 2
    node = with_one()
    pass_over(node, ask(node, 1.0), 1.0)
    assert node.nodes() == 1
    answer(node, ask(node, 2.2, b"2" * 20), 2.3)
    pass_over(node, ask(node, 2.5, b"3" * 20), 2.5)
    assert node.nodes() == 1, "it had answered in between"
    pass_over(node, ask(node, 3.7, b"4" * 20), 3.7)
    assert node.nodes() == 0


def test_an_answer_that_comes_late_shows_that_its_node_is_there() -> None:
    node = with_one()
    for number in range(4):
        now = 1.0 + 10.0 * number
        query = ask(node, now, bytes([number]) * 20)
        pass_over(node, query, now)
        answer(node, query, now + 2.0)
        assert node.nodes() == 1
    before = node.statistics().dropped_unexpected
    answer(node, query, now + 2.1)
    assert node.statistics().dropped_unexpected == before + 1, "once"


@pytest.mark.parametrize(("source", "after"), [(Address("11.1.1.2", 6881), 2.0), (NODE, LATE_FOR + 0.1)])
def test_late_from_elsewhere_or_too_late_counts_nothing(source: Address, after: float) -> None:
    node = with_one()
    query = ask(node, 1.0)
    pass_over(node, query, 1.0)
    before = node.statistics().dropped_unexpected
    answer(node, query, 1.0 + after, source)
    assert node.statistics().dropped_unexpected == before + 1
    assert node.nodes() == 1


def test_who_wakes_late_reads_first_what_has_come() -> None:
    """A computer was busy for two seconds: the answer lies in the socket, and the timer fires first."""
    node = with_one()
    operation = node.find_peers(b"k" * 20, 1.0)
    ((_, query),) = asked(node, 1.0)
    node.tick(3.0)
    assert node.events() == [], "not given up"
    answer(node, query, 3.01)
    ended = [each for each in node.events() if each.operation == operation]
    assert [getattr(each, "answered", None) for each in ended] == [1]


def test_who_is_late_each_time_gives_up_in_the_end() -> None:
    node = with_one()
    node.find_peers(b"k" * 20, 1.0)
    asked(node, 1.0)
    for second in range(3, 10):
        node.tick(float(second))
        node.deadline()
    assert [getattr(each, "answered", None) for each in node.events()] == [0]


def wait_of(node: MainlineNode, now: float) -> float:
    """Return how long a query waits, to half a second."""
    node.events()
    ask(node, now, b"w" * 20)
    ended, at = False, now
    while not ended:
        at += 0.5
        let_pass(node, at + 0.01)
        ended = any(isinstance(each, Ended) for each in node.events())
    return at - now


def test_where_most_answers_are_slow_queries_wait_longer_and_a_few_slow_nodes_change_nothing() -> None:
    node = with_one()
    now = 1.0
    for number in range(40):  # one of ten is slow
        query = ask(node, now, b"a" + bytes([number]) * 19)
        if number % 10:
            answer(node, query, now + 0.1)
        else:
            pass_over(node, query, now)
            answer(node, query, now + 1.5)
        now += 5.0
    assert wait_of(node, now) == DHT.query_timeout
    now += 10.0
    for number in range(10):
        query = ask(node, now, b"b" + bytes([number]) * 19)
        let_pass(node, now + 1.8)
        answer(node, query, now + 1.8)
        now += 5.0
    assert wait_of(node, now) == PATIENT

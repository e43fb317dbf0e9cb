"""Many connections that send at once: what one `transmit` returns is bounded, and they take turns."""

import itertools
from collections import Counter

import pytest

from core.utp.config import UtpConfig
from core.utp.connection import Connection
from core.wire.utp_marks import Marks
from core.wire.utp_packet import HEADER_BYTES, parse
from tests.support.samples import some
from tests.utp.pair import B, Link, Pair

CROWD = UtpConfig(  # equal packets: turns, not paths, are looked at
    marks=Marks.JOINS, connections=2000, connections_per_host=2000, half_open=2000, initial_window_packets=500
)
MOST = 128 + 64  # datagrams of one call: the last share may go past the bound
MOST_BYTES = 256 * 1024
BYTES = 100_000  # written to each connection


def crowd(count: int, size: int = BYTES, packet: int = 1402) -> tuple[Pair, list[Connection]]:
    """Return a pair and `count` connections from `a` to `b`, each with `size` bytes to send and a wide window.

    Their packets have `packet` bytes, as if probes had found that size.
    """
    pair = Pair(3, config=CROWD, link=Link(delay=0.01))
    connections = [pair.a.mux.connect(B, pair.now) for _ in range(count)]
    assert pair.run(lambda: len(pair.b.incoming) == count, limit=10.0)
    pair.run(limit=1.0)  # all acks have left
    for connection in connections:
        connection.path._search.size = packet
        connection._sender.resize(packet - HEADER_BYTES)
        assert connection.write(bytes(size), pair.now) == size
    return pair, connections


@pytest.mark.parametrize("packet", [1402, 16_356])
@pytest.mark.parametrize("count", some([1, 1000, 64], 2))
def test_one_call_is_bounded_and_the_next_is_due_at_once(count: int, packet: int) -> None:
    pair, _ = crowd(count, packet=packet)
    calls = 0
    while True:
        datagrams = [datagram for burst in pair.a.mux.transmit(pair.now) for datagram in burst.datagrams]
        assert len(datagrams) <= MOST
        assert sum(map(len, datagrams)) <= MOST_BYTES
        calls += 1
        deadline = pair.a.mux.deadline()
        assert deadline is not None
        if deadline > pair.now:
            break
        assert datagrams
    if count > 1:
        assert calls > count // 64  # it was not all in one


@pytest.mark.parametrize("count", some([64, 1000], 2))
def test_nobody_has_a_second_turn_before_everybody_had_one(count: int) -> None:
    pair, connections = crowd(count)
    sent: Counter[int] = Counter()
    while True:
        for burst in pair.a.mux.transmit(pair.now):
            sent.update(parse(datagram).connection_id for datagram in burst.datagrams)
        counts = [sent[connection.send_id] for connection in connections]
        assert max(counts) - min(counts) <= 64, "more than a share between the first and the last"
        deadline = pair.a.mux.deadline()
        if deadline is None or deadline > pair.now:
            break
    assert min(counts) > 0


def test_shares_of_64_connections_are_within_a_tenth() -> None:
    """At any time, not only in the end; the link takes what one call gives every millisecond."""
    pair, connections = crowd(64, 1_000_000)
    while sum(map(len, itertools.chain(*pair.b.chunks.values()))) < 64 * 640_000:
        for burst in pair.a.mux.transmit(pair.now):
            for datagram in burst.datagrams:
                pair.b.mux.receive([datagram], pair.a.address, pair.now)
        pair.b.take_events(pair.now)
        for burst in pair.b.mux.transmit(pair.now):
            pair.a.mux.receive(burst.datagrams, pair.b.address, pair.now)
        pair.now += 0.001
        pair.a.mux.tick(pair.now)
    received = [len(pair.b.received(connection)) for connection in pair.b.incoming]
    assert len(received) == len(connections)
    mean = sum(received) / len(received)
    assert max(abs(each - mean) for each in received) <= mean / 10

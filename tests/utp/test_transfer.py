"""Data both ways: whole and in order through loss, duplicates and reordering; then an orderly end."""

from random import Random

import pytest

from core.utp.events import Closed, Connected, Ended, Incoming
from tests.support.samples import some
from tests.utp.pair import Link, Pair, Writer

LOSSES = [0.0, 0.05, 0.1, 0.2, 0.3, 0.4]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("seed", some(range(12), 4))
def test_both_streams_arrive_whole_and_in_order(seed: int, loss: float) -> None:
    pair = Pair(seed, link=Link(loss=0.0, jitter=0.03, duplicate=loss / 2))
    a, b = pair.connect()
    pair.link = Link(loss=loss, jitter=0.03, duplicate=loss / 2)
    there, back = Random(seed).randbytes(60_000), Random(-seed).randbytes(25_000)
    Writer(pair, a, there, close=True).start()
    Writer(pair, b, back, close=True).start()
    assert pair.run(lambda: bool(pair.a.closed(a) and pair.b.closed(b)), limit=3000.0)
    assert pair.b.received(b) == there
    assert pair.a.received(a) == back
    for side, connection, first in ((pair.a, a, Connected), (pair.b, b, Incoming)):
        kinds = side.kinds(connection)
        assert kinds[0] is first
        assert kinds[-2:] == [Ended, Closed]
        assert kinds.count(Closed) == 1
        closed = side.closed(connection)
        assert closed is not None
        assert closed.error is None


@pytest.mark.parametrize("seed", some(range(10), 5))
def test_reordering_alone_costs_no_timeout(seed: int) -> None:
    pair = Pair(seed, link=Link(delay=0.05, jitter=0.02))
    a, b = pair.connect()
    data = Random(seed).randbytes(500_000)
    Writer(pair, a, data).start()
    assert pair.run(lambda: len(pair.b.received(b)) == len(data), limit=60.0)
    assert pair.b.received(b) == data
    assert pair.a.mux.statistics().timeouts == 0


def test_a_clean_link_needs_no_retransmission() -> None:
    pair = Pair()
    a, b = pair.connect()
    Writer(pair, a, bytes(3_000_000)).start()
    assert pair.run(lambda: len(pair.b.received(b)) == 3_000_000, limit=60.0)
    statistics = pair.a.mux.statistics()
    assert (statistics.retransmitted, statistics.timeouts, statistics.fast_losses) == (0, 0, 0)
    assert pair.b.mux.statistics().duplicates == 0


def test_one_chunk_for_each_data_packet() -> None:
    pair = Pair()
    a, b = pair.connect()
    Writer(pair, a, bytes(10_000)).start()
    pair.run(lambda: len(pair.b.received(b)) == 10_000)
    sizes = [len(packet.payload) for packet in pair.packets(pair.a) if packet.payload]
    assert [len(chunk) for chunk in pair.b.chunks[b]] == sizes
    assert max(sizes) == pair.config.payload_bytes == 1382


def test_a_reply_carries_the_ack() -> None:
    pair = Pair()
    a, b = pair.connect()
    pair.run(limit=1.0)
    pair.on_event = lambda side, event: None
    start = len(pair.sent)
    a.write(b"request", pair.now, boundary=True)
    pair.run(lambda: pair.b.received(b) == b"request")
    b.write(b"reply", pair.now, boundary=True)
    pair.run(lambda: pair.a.received(a) == b"reply")
    assert [bool(sent.packet.payload) for sent in pair.sent[start:]] == [True, True]
    pair.run(limit=0.5)
    assert len(pair.sent) == start + 3  # the ack of the reply


def test_a_lone_packet_is_acked_soon_and_two_at_once() -> None:
    pair = Pair()
    a, _ = pair.connect()
    pair.run(limit=1.0)
    start = pair.now
    a.write(b"one", pair.now, boundary=True)
    pair.run(lambda: bool(pair.packets(pair.b, since=start)))
    assert pair.now - start == pytest.approx(pair.link.delay + pair.config.ack_delay)
    start = pair.now = pair.now + 0.5
    a.write(b"two", pair.now, boundary=True)
    a.write(b"three", pair.now, boundary=True)
    pair.run(lambda: bool(pair.packets(pair.b, since=start)))
    assert pair.now - start == pytest.approx(pair.link.delay)


def test_plain_small_writes_are_joined_while_a_packet_is_in_flight() -> None:
    pair = Pair()
    a, b = pair.connect()
    for _ in range(50):
        a.write(b"0123456789", pair.now)
        pair.flush()
    pair.run(lambda: len(pair.b.received(b)) == 500)
    assert [len(chunk) for chunk in pair.b.chunks[b]] == [10, 490]


def test_writable_comes_when_half_of_the_buffer_is_free() -> None:
    pair = Pair()
    a, _ = pair.connect()
    size = pair.config.send_buffer
    assert a.write(bytes(size + 1000), pair.now) == size
    assert a.writable() == 0
    free: list[int] = []
    pair.on_event = lambda side, event: free.append(a.writable()) if type(event).__name__ == "Writable" else None
    pair.run(lambda: bool(free))
    assert size // 2 <= free[0] < size
    pair.run(limit=20.0)
    assert len(free) == 1
    assert a.writable() == size

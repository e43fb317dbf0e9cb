"""Boundary writes: one message, its own packets, at once; plain writes are joined."""

from hypothesis import given
from hypothesis import strategies as st

from core.utp.config import UtpConfig
from core.utp.send_queue import SendQueue
from tests.utp.pair import Link, Pair


def drain(queue: SendQueue) -> list[bytes]:
    """Return all packets of a queue."""
    pieces = []
    while len(queue):
        pieces.append(queue.pop())
    return pieces


def test_each_message_is_one_chunk_though_others_are_in_flight() -> None:
    pair = Pair()
    a, b = pair.connect()
    messages = [b"[%d]" % number * (number % 7 + 1) for number in range(300)]
    for message in messages:
        assert a.write(message, pair.now, boundary=True) == len(message)
    pair.run(lambda: len(pair.b.received(b)) == sum(map(len, messages)), limit=30.0)
    assert pair.b.chunks[b] == messages


def test_small_messages_leave_in_the_same_instant() -> None:
    pair = Pair()
    a, _ = pair.connect()
    pair.run(limit=1.0)
    start = pair.now
    for _ in range(4):
        a.write(b"now", pair.now, boundary=True)
        pair.flush()
    assert len(pair.packets(pair.a, since=start)) == 4


def test_messages_survive_loss_packet_by_packet() -> None:
    pair = Pair(9)
    a, b = pair.connect()
    pair.link = Link(loss=0.2, jitter=0.02)
    messages = [b"%04d" % number for number in range(200)]
    for message in messages:
        a.write(message, pair.now, boundary=True)
    assert pair.run(lambda: len(pair.b.received(b)) == 800, limit=300.0)
    assert pair.b.chunks[b] == messages


def test_plain_writes_join_neither_the_message_before_nor_after() -> None:
    queue = SendQueue(10, 100)
    queue.push(b"ab", 1000, boundary=False)
    queue.push(b"MESSAGE", 1000, boundary=True)
    queue.push(b"cd", 1000, boundary=False)
    queue.push(b"ef", 1000, boundary=False)
    queue.push(b"LONG MESSAGE", 1000, boundary=True)
    queue.push(b"gh", 1000, boundary=False)
    assert drain(queue) == [b"ab", b"MESSAGE", b"cdef", b"LONG MESSA", b"GE", b"gh"]


def test_a_message_that_fits_a_packet_is_taken_whole_or_not_at_all() -> None:
    queue = SendQueue(10, 100)
    assert queue.push(b"MESSAGE", 6, boundary=True) == 0
    assert len(queue) == 0
    assert queue.push(b"MESSAGE", 7, boundary=True) == 7


def test_the_rest_of_a_short_message_is_closed_off_boundary_or_not() -> None:
    queue = SendQueue(10, 100)
    message = bytes(range(65, 65 + 25))
    assert queue.push(message, 17, boundary=True) == 10
    assert queue.push(message[10:], 1000, boundary=False) == 15
    queue.push(b"next", 1000, boundary=False)
    assert drain(queue) == [message[:10], message[10:20], message[20:], b"next"]


def test_a_message_refused_whole_keeps_its_boundary_for_the_second_try() -> None:
    queue = SendQueue(10, 100)
    queue.push(b"ab", 1000, boundary=False)
    assert queue.push(b"MESSAGE", 3, boundary=True) == 0
    assert queue.push(b"MESSAGE", 1000, boundary=False) == 7
    queue.push(b"cd", 1000, boundary=False)
    assert drain(queue) == [b"ab", b"MESSAGE", b"cd"]


WRITES = st.lists(st.tuples(st.binary(min_size=1, max_size=40), st.booleans(), st.integers(1, 50)), max_size=30)


@given(WRITES)
def test_nothing_is_lost_and_no_message_shares_a_packet(writes: list[tuple[bytes, bool, int]]) -> None:
    queue = SendQueue(10, 1000)
    expected: list[list[bytes]] = []
    everything = b""
    for data, boundary, room in writes:
        offset, repeat = 0, boundary
        while offset < len(data):
            taken = queue.push(data[offset:], max(room, 10), boundary=repeat)
            assert taken <= max(room, 10)
            offset += taken
            repeat = repeat and not taken
        everything += data
        if boundary:
            expected.append([data[at : at + 10] for at in range(0, len(data), 10)])
    assert queue.size == len(everything)
    pieces = drain(queue)
    assert b"".join(pieces) == everything
    assert all(0 < len(piece) <= 10 for piece in pieces)
    at = 0
    for packets in expected:
        while pieces[at : at + len(packets)] != packets:
            at += 1
            assert at < len(pieces)
        at += len(packets)
    assert queue.size == 0


def test_a_packet_carries_no_more_than_the_mtu_allows() -> None:
    config = UtpConfig()
    pair = Pair()
    a, b = pair.connect()
    a.write(bytes(config.payload_bytes), pair.now, boundary=True)
    a.write(bytes(config.payload_bytes + 1), pair.now, boundary=True)
    pair.run(limit=1.0)
    assert [len(chunk) for chunk in pair.b.chunks[b]] == [1382, 1382, 1]
    assert max(len(bytes(packet)) for packet in pair.packets(pair.a)) == config.mtu == 1402

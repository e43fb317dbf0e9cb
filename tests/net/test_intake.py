"""What arrives joined is taken apart: sizes, sources, bounds, and what makes no sense, on a socket made of a list."""

import errno
import socket
import struct
from collections.abc import Sequence
from typing import Any, cast

import pytest

from core.net.intake import (
    DATAGRAM_MAX,
    DRAIN_BYTES,
    DRAIN_MAX,
    DRAIN_MIN,
    DRAIN_SECONDS,
    LONE_BYTES,
    LOOK_EVERY,
    Intake,
    JoinedIntake,
    PlainIntake,
)
from core.net.segmentation import SOL_UDP, UDP_GRO
from core.net.udp_socket import Received, Tally
from tests.net.fakes import A, B

pytestmark = pytest.mark.skipif(not hasattr(socket, "MSG_CTRUNC"), reason="this system has no recvmsg")

Ancillary = list[tuple[int, int, bytes]]


def joined(size: int) -> Ancillary:
    return [(SOL_UDP, UDP_GRO, struct.pack("=i", size))]


class Arrivals:
    """A socket that gives what it was filled with, then nothing."""

    def __init__(self) -> None:
        self.waiting: list[tuple[bytes, Ancillary, int, tuple[str, int]] | OSError] = []
        self.tally = Tally()
        self.now = 0.0
        self.cost = 0.0  # seconds that the receiver takes for one datagram
        self.intake: Intake = JoinedIntake(cast(socket.socket, cast(Any, self)), self.tally, lambda: self.now)
        self.batches: list[list[tuple[object, list[bytes]]]] = []

    def add(self, data: bytes, ancillary: Ancillary | None = None, flags: int = 0, source: tuple[str, int] = A) -> None:
        self.waiting.append((data, ancillary or [], flags, tuple(source)))  # type: ignore[arg-type]

    def recvmsg_into(self, buffers: Sequence[memoryview], room: int) -> tuple[int, Ancillary, int, tuple[str, int]]:
        if not self.waiting:
            raise BlockingIOError
        found = self.waiting.pop(0)
        if isinstance(found, OSError):
            raise found
        data, *rest = found
        assert len(buffers[0]) >= DATAGRAM_MAX  # else a long one would be cut off
        assert room >= socket.CMSG_SPACE(4)
        buffers[0][: len(data)] = data
        return (len(data), *rest)  # type: ignore[return-value]

    def recvfrom(self, room: int) -> tuple[bytes, tuple[str, int]]:
        if not self.waiting:
            raise BlockingIOError
        found = self.waiting.pop(0)
        assert not isinstance(found, OSError)
        return found[0], found[3]

    def take(self, batch: Sequence[Received]) -> None:
        self.now += self.cost * sum(len(datagrams) for _, datagrams in batch)
        self.batches.append([(source, [bytes(each) for each in datagrams]) for source, datagrams in batch])

    def drain(self) -> list[list[tuple[object, list[bytes]]]]:
        self.batches = []
        self.intake.drain(self.take)
        return self.batches


@pytest.mark.parametrize(
    ("size", "segment", "pieces"),
    [(9, 3, [3, 3, 3]), (10, 3, [3, 3, 3, 1]), (4, 3, [3, 1]), (3, 3, [3]), (2, 3, [2]), (3, 1, [1, 1, 1])],
)
def test_a_joined_arrival_is_cut_where_its_datagrams_end(size: int, segment: int, pieces: list[int]) -> None:
    arrivals = Arrivals()
    data = bytes(range(size))
    arrivals.add(data, joined(segment))
    [[(source, datagrams)]] = arrivals.drain()
    assert source == A
    assert [len(each) for each in datagrams] == pieces
    assert b"".join(datagrams) == data
    assert arrivals.tally.received == len(pieces)
    assert arrivals.tally.batches_received == (len(pieces) > 1)


def test_each_source_has_its_group_and_no_arrival_overwrites_another_of_the_same_wake_up() -> None:
    arrivals = Arrivals()
    arrivals.add(b"aabb", joined(2))
    arrivals.add(b"c")
    arrivals.add(b"ddee", joined(2), source=B)
    arrivals.add(b"")
    assert arrivals.drain() == [[(A, [b"aa", b"bb", b"c"]), (B, [b"dd", b"ee"]), (A, [b""])]]
    assert arrivals.tally.received == 6
    assert arrivals.tally.bytes_received == len(b"aabbcddee")


@pytest.mark.parametrize(
    ("ancillary", "flags"),
    [
        (joined(0), 0),
        ([(SOL_UDP, UDP_GRO, b"\xff\xff\xff\xff")], 0),
        ([(SOL_UDP, UDP_GRO, b"\x02\x00")], 0),
        ([(SOL_UDP, UDP_GRO + 1, b"\x02\x00\x00\x00")], 0),
        ([(0, UDP_GRO, b"\x02\x00\x00\x00")], 0),
        (joined(2), socket.MSG_TRUNC),
        ([], socket.MSG_CTRUNC),
    ],
)
def test_what_cannot_be_told_apart_is_dropped_and_counted(ancillary: Ancillary, flags: int) -> None:
    arrivals = Arrivals()
    arrivals.add(b"aabb", ancillary, flags)
    arrivals.add(b"next")
    assert arrivals.drain() == [[(A, [b"next"])]]
    assert (arrivals.tally.receive_dropped, arrivals.tally.received) == (1, 1)


def test_errors_about_earlier_sends_hide_nothing_and_cannot_hold_the_loop() -> None:
    arrivals = Arrivals()
    arrivals.waiting = [OSError(errno.ECONNREFUSED, "refused") for _ in range(DRAIN_MAX + 5)]
    arrivals.add(b"x")
    assert arrivals.drain() == []
    assert arrivals.tally.icmp_errors == DRAIN_MAX
    assert arrivals.drain() == [[(A, [b"x"])]]


def test_a_wake_up_ends_at_its_number_of_datagrams() -> None:
    arrivals = Arrivals()
    for _ in range(DRAIN_MAX // 2):
        arrivals.add(b"aabb", joined(2))
    arrivals.add(b"rest")
    [[(_, datagrams)]] = arrivals.drain()
    assert len(datagrams) == DRAIN_MAX
    assert arrivals.drain() == [[(A, [b"rest"])]]


def test_a_wake_up_ends_at_its_number_of_bytes() -> None:
    arrivals = Arrivals()
    for _ in range(4):
        arrivals.add(bytes(40000), joined(20000))
    assert [len(datagrams) for _, datagrams in arrivals.drain()[0]] == [4]
    assert [len(datagrams) for _, datagrams in arrivals.drain()[0]] == [4]
    arrivals.add(bytes(DRAIN_BYTES - 1))
    arrivals.add(bytes(DATAGRAM_MAX))
    assert [len(datagrams) for _, datagrams in arrivals.drain()[0]] == [2]


def test_the_plain_way_has_the_same_bound_of_bytes() -> None:
    class Endless:
        def recvfrom(self, size: int) -> tuple[bytes, tuple[str, int]]:
            return bytes(30000), ("192.0.2.1", 1000)

    tally = Tally()
    seen: list[int] = []
    intake = PlainIntake(cast(socket.socket, cast(Any, Endless())), tally)
    intake.drain(lambda batch: seen.extend(len(datagrams) for _, datagrams in batch))
    assert seen == [3]


@pytest.mark.parametrize("plain", [False, True])
def test_a_wake_up_takes_what_fits_its_time_by_what_the_newest_datagrams_cost(plain: bool) -> None:
    arrivals = Arrivals()
    if plain:
        arrivals.intake = PlainIntake(cast(socket.socket, cast(Any, arrivals)), arrivals.tally, lambda: arrivals.now)
    for _ in range(3000):
        arrivals.add(bytes(600))

    def drained(cost: float, times: int = 2) -> list[int]:
        arrivals.cost = cost
        return [sum(len(datagrams) for _, datagrams in arrivals.drain()[0]) for _ in range(times)]

    assert drained(cost=0.0) == [DRAIN_MAX, DRAIN_MAX]
    assert drained(cost=DRAIN_SECONDS / 8.5) == [DRAIN_MAX, 8]  # fewer at once
    assert drained(cost=DRAIN_SECONDS * 10) == [8, DRAIN_MIN]
    assert drained(cost=DRAIN_SECONDS / 6.5, times=6) == [DRAIN_MIN, 3, 4, 6, 6, 6]  # more by and by
    assert drained(cost=0.0, times=20)[-1] == DRAIN_MAX


def test_a_receiver_that_comes_back_within_its_call_keeps_what_it_was_given() -> None:
    arrivals = Arrivals()
    arrivals.add(b"outer")
    seen: list[bytes] = []

    def nested(batch: Sequence[Received]) -> None:
        arrivals.add(b"inner")
        arrivals.intake.drain(lambda inner: seen.append(bytes(inner[0][1][0])))
        seen.append(bytes(batch[0][1][0]))

    arrivals.intake.drain(nested)
    assert seen == [b"inner", b"outer"]


def test_one_buffer_serves_all_wake_ups_even_after_a_receiver_failed() -> None:
    arrivals = Arrivals()
    kept: list[Any] = []

    def failing(batch: Sequence[Received]) -> None:
        kept.append(batch[0][1][0])
        raise ValueError("bug")

    arrivals.add(b"one")
    with pytest.raises(ValueError, match="bug"):
        arrivals.intake.drain(failing)
    arrivals.add(b"two")
    arrivals.drain()
    assert bytes(kept[0]) == b"two"  # the contract: valid only during the call


def test_short_datagrams_that_come_alone_cost_one_call_each_and_now_and_then_a_look_for_more() -> None:
    arrivals = Arrivals()
    calls = 0
    receive = arrivals.recvmsg_into

    def counted(buffers: Sequence[memoryview], room: int) -> tuple[int, Ancillary, int, tuple[str, int]]:
        nonlocal calls
        calls += 1
        return receive(buffers, room)

    arrivals.recvmsg_into = counted  # type: ignore[method-assign]
    for _ in range(4 * LOOK_EVERY):
        arrivals.add(b"x")
        assert arrivals.drain() == [[(A, [b"x"])]]
    assert calls == 4 * LOOK_EVERY + 4
    for _ in range(LOOK_EVERY + 2):  # a crowd is found out by the next look, and then taken whole
        arrivals.add(b"y")
    while arrivals.waiting:
        found = arrivals.drain()
    assert len(found[0][0][1]) > 1
    for _ in range(5):
        arrivals.add(b"z")
    assert arrivals.drain() == [[(A, [b"z"] * 5)]]


def test_of_those_that_come_alone_few_are_timed_and_a_dear_one_still_makes_the_next_crowd_small() -> None:
    arrivals, reads = Arrivals(), 0

    def clock() -> float:
        nonlocal reads
        reads += 1
        return arrivals.now

    arrivals.intake = JoinedIntake(cast(socket.socket, cast(Any, arrivals)), arrivals.tally, clock)
    for _ in range(20 * LOOK_EVERY):
        arrivals.add(b"x")
        arrivals.drain()
    assert reads == 20 * 2
    arrivals.cost = DRAIN_SECONDS
    for _ in range(LOOK_EVERY):
        arrivals.add(b"dear")
        arrivals.drain()
    for _ in range(DRAIN_MAX):
        arrivals.add(b"y" * (LONE_BYTES + 1))
    assert len(arrivals.drain()[0][0][1]) == DRAIN_MIN


def test_after_a_long_datagram_there_is_always_a_look_for_more() -> None:
    arrivals = Arrivals()
    for _ in range(3):
        arrivals.add(b"x")
        arrivals.drain()
    arrivals.add(b"x" * (LONE_BYTES + 1))
    arrivals.add(b"x")
    assert [len(each) for each in arrivals.drain()[0][0][1]] == [LONE_BYTES + 1, 1]

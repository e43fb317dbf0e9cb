"""The other side of a session is hostile: what it can make this side hold, and what it can make readers believe."""

import asyncio

import pytest

from core.streams.config import FIRST_WINDOW, StreamConfig
from core.tunnel.session import Session
from core.tunnel.stream import ByteStream
from core.wire.stream_frame import DATAGRAM_MAX, FrameParser, Kind, Reason, pack_frame, parse_reason
from tests.tunnel.wire import End, wire

pytestmark = pytest.mark.asyncio
MB = 1_000_000


class Victim:
    """A session whose other end says what the test wants; it accepts all, and reads nothing by itself."""

    def __init__(self) -> None:
        self.far: End
        self.far, near = wire()
        self.near = near
        self.streams: list[ByteStream] = []
        self.session = Session(near, initiator=False, on_opening=self._take, config=StreamConfig())
        self.session.start()

    def _take(self, stream: ByteStream) -> None:
        stream.accept()
        self.streams.append(stream)

    def hears(self, *frames: bytes) -> None:
        self.session.received(b"".join(frames))


def opened(number: int) -> bytes:
    return pack_frame(Kind.OPEN, number, b"x")


async def test_a_frame_without_bytes_is_no_end() -> None:
    victim = Victim()
    victim.hears(opened(1), pack_frame(Kind.DATA, 1), pack_frame(Kind.DATA, 1, b"more"))
    assert await victim.streams[0].read() == b"more"
    victim.hears(*[pack_frame(Kind.DATA, 1)] * 10_000, pack_frame(Kind.DATA, 1, b"last"), pack_frame(Kind.END, 1))
    assert await victim.streams[0].read() == b"last"
    assert await victim.streams[0].read() == b""
    victim.session.abort()


async def test_single_bytes_cost_about_as_much_as_bytes_in_one_piece() -> None:
    victim = Victim()
    victim.hears(opened(1))
    victim.hears(*[pack_frame(Kind.DATA, 1, b"x")] * FIRST_WINDOW)
    pieces: list[bytes] = []
    while sum(map(len, pieces)) < FIRST_WINDOW:
        pieces.append(await victim.streams[0].read())
    assert b"".join(pieces) == b"x" * FIRST_WINDOW
    assert len(pieces) <= 64
    victim.session.abort()


@pytest.mark.parametrize("size", [1, 1000, DATAGRAM_MAX])
async def test_datagrams_that_nobody_reads_have_a_bound_for_all_streams_together(size: int) -> None:
    victim = Victim()
    for number in range(1, 400, 2):
        victim.hears(opened(number), *[pack_frame(Kind.DATAGRAM, number, bytes(size))] * 100)
    assert victim.session.held <= 2 * MB
    held = victim.session.held
    for _ in range(4):
        assert await asyncio.wait_for(victim.streams[0].read_datagram(), 1.0) == bytes(size)
    assert victim.session.held < held
    for stream in victim.streams[::2]:
        stream.reset()
    for number in range(3, 400, 4):
        victim.hears(pack_frame(Kind.END, number))
    for stream in victim.streams:
        stream.end()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert victim.session.held <= 64 * 1024  # what is said of the resets
    victim.session.abort()


async def test_datagrams_that_do_not_leave_have_a_bound_for_all_streams_together() -> None:
    victim = Victim()
    for number in range(1, 400, 2):
        victim.hears(opened(number))
    for stream in victim.streams:
        for _ in range(100):
            stream.send_datagram(bytes(DATAGRAM_MAX))
    assert victim.session.held <= 2 * MB
    victim.session.abort()


async def test_what_a_session_holds_is_counted_both_ways() -> None:
    victim = Victim()
    victim.hears(opened(1), pack_frame(Kind.DATA, 1, bytes(50_000)))
    assert 50_000 <= victim.session.held < 60_000
    victim.streams[0].offer(bytes(100_000))
    assert 150_000 <= victim.session.held < 160_000
    victim.streams[0].reset()
    assert victim.session.held < 10_000
    victim.session.abort()


async def test_many_openings_and_resets_leave_nothing() -> None:
    victim = Victim()
    for number in range(1, 20_001, 2):
        victim.hears(opened(number), pack_frame(Kind.DATA, number, bytes(1000)), pack_frame(Kind.RESET, number))
        victim.streams.clear()
    assert len(victim.session) == 0
    assert victim.session.held <= 2 * 64 * 1024 + 20 * 10_000  # what it was answered with and does not read
    victim.session.abort()


async def test_what_is_refused_after_it_was_taken_is_reset_and_the_opener_hears_of_it() -> None:
    victim = Victim()
    victim.hears(opened(1))
    victim.streams[0].refuse(Reason("ERR_SERVICE_OFF", "it was switched off"))
    for _ in range(5):
        await asyncio.sleep(0)
    frames = list(FrameParser().feed(b"".join(victim.far._arrived)))
    assert [frame.kind for frame in frames] == [Kind.ACCEPT, Kind.RESET]
    assert parse_reason(frames[1].payload).name == "ERR_SERVICE_OFF"
    victim.session.abort()


async def test_lies_of_credit_send_nothing_that_was_not_written() -> None:
    victim = Victim()
    victim.hears(opened(1), *[pack_frame(Kind.CREDIT, 1, b"\xff" * 4)] * 1000)
    assert victim.streams[0].offer(bytes(MB)) <= 128 * 1024
    assert victim.session.held <= 130 * 1024
    victim.session.abort()

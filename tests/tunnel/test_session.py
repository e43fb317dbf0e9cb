"""Sessions on the loop: opening, bytes with back-pressure, half-close, reset, and how a connection's end is told."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from random import Random

import pytest
import pytest_asyncio

from core.errors import PeerError, RefusedError, RequestTimeout, TransportClosed
from core.streams.config import FIRST_WINDOW, StreamConfig
from core.tunnel.session import Session
from core.tunnel.stream import ByteStream, StreamReset
from core.wire.stream_frame import Reason
from tests.tunnel.wire import End, wire

pytestmark = pytest.mark.asyncio
WHY = Reason("ERR_NOT_TRUSTED", "this service is for people its owner trusts")


class Two:
    """Two sessions; `taken` are the streams that `b` accepted."""

    def __init__(self) -> None:
        self.ends: tuple[End, End] = wire()
        self.taken: asyncio.Queue[ByteStream] = asyncio.Queue()
        self.decide: Callable[[ByteStream], None] = self.take
        self.over: list[Session] = []
        config = StreamConfig()
        self.a = Session(self.ends[0], initiator=True, on_opening=self.take, on_over=self.over.append, config=config)
        self.b = Session(self.ends[1], initiator=False, on_opening=lambda s: self.decide(s), config=config)
        self.a.start()
        self.b.start()

    def take(self, stream: ByteStream) -> None:
        stream.accept(b"welcome")
        self.taken.put_nowait(stream)

    async def stream(self) -> tuple[ByteStream, ByteStream]:
        ours = await self.a.open_accepted(b"ssh", 5.0)
        return ours, await self.taken.get()


@pytest_asyncio.fixture
async def two() -> AsyncIterator[Two]:
    two = Two()
    yield two
    await two.a.close()
    await two.b.close()


async def read_all(stream: ByteStream) -> bytes:
    parts = []
    while data := await stream.read():
        parts.append(data)
    return b"".join(parts)


async def test_a_stream_that_was_taken_and_is_refused_then_ends_with_that_reason(two: Two) -> None:
    ours, theirs = await two.stream()
    await theirs.write(b"values")
    assert await ours.read() == b"values"
    theirs.refuse(WHY)
    with pytest.raises(StreamReset, match="trusts"):
        await ours.read()
    assert len(two.a) == len(two.b) == 0


async def test_a_stream_carries_bytes_both_ways_and_ends_in_order(two: Two) -> None:
    ours, theirs = await two.stream()
    assert theirs.payload == b"ssh"
    assert await ours.accepted() == b"welcome"
    sent = Random(1).randbytes(3_000_000)
    back = Random(2).randbytes(2_000_000)

    async def say(stream: ByteStream, data: bytes) -> None:
        await stream.write(data)
        stream.end()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(say(ours, sent))
        tasks.create_task(say(theirs, back))
        there = tasks.create_task(read_all(theirs))
        here = tasks.create_task(read_all(ours))
    assert hashlib.sha256(there.result()).digest() == hashlib.sha256(sent).digest()
    assert here.result() == back
    await ours.wait_over()
    await theirs.wait_over()
    assert len(two.a) == len(two.b) == 0
    assert (ours.bytes_sent, theirs.bytes_received) == (3_000_000, 3_000_000)


async def test_a_refusal_is_an_error_with_the_owners_words(two: Two) -> None:
    two.decide = lambda stream: stream.refuse(WHY)
    with pytest.raises(RefusedError, match="people its owner trusts") as caught:
        await two.a.open_accepted(b"ssh", 5.0)
    assert caught.value.name == "ERR_NOT_TRUSTED"
    assert len(two.a) == len(two.b) == 0


async def test_a_stream_that_was_taken_is_given_up_with_the_reason(two: Two) -> None:
    ours, theirs = await two.stream()
    theirs.refuse(WHY)
    with pytest.raises(StreamReset, match="people its owner trusts"):
        await ours.read()
    assert len(two.a) == len(two.b) == 0


async def test_nobody_waits_for_an_answer_longer_than_it_wants(two: Two) -> None:
    two.decide = lambda stream: None
    with pytest.raises(RequestTimeout, match="did not take"):
        await two.a.open_accepted(b"ssh", 0.001)
    assert len(two.a) == 0


async def test_a_reset_reaches_readers_and_writers_at_once(two: Two) -> None:
    ours, theirs = await two.stream()
    writing = asyncio.ensure_future(ours.write(bytes(10_000_000)))  # noqa: TID251
    theirs.reset(Reason("ERR_GONE", "the local port closed"))
    with pytest.raises(StreamReset, match="local port closed") as caught:
        await writing
    assert caught.value.name == "ERR_GONE"
    with pytest.raises(StreamReset):
        await ours.read()
    with pytest.raises(TransportClosed):
        await theirs.write(b"x")


async def test_a_slow_reader_holds_its_own_stream_up_and_no_other(two: Two) -> None:
    slow, idle = await two.stream()
    quick, busy = await two.stream()
    assert slow.offer(bytes(1_000_000)) == StreamConfig().send_buffer
    sent = Random(3).randbytes(1_000_000)
    got = asyncio.ensure_future(read_all(busy))  # noqa: TID251
    await quick.write(sent)
    quick.end()
    assert await got == sent
    assert idle.bytes_received == FIRST_WINDOW


async def test_what_is_written_in_one_turn_leaves_in_one_piece(two: Two) -> None:
    ours, theirs = await two.stream()
    before = two.ends[0].written
    for _ in range(20):
        ours.offer(b"x")
    assert two.ends[0].written == before
    assert await theirs.read() == b"x" * 20
    assert two.ends[0].written - before == 8 + 20  # one frame


async def test_datagrams_cross_and_too_many_drop_the_oldest(two: Two) -> None:
    ours, theirs = await two.stream()
    assert ours.send_datagram(b"one")
    assert await theirs.read_datagram() == b"one"
    for at in range(300):
        theirs.on_datagram(at.to_bytes(2, "big"))
    assert theirs.datagrams_dropped == 44
    assert await theirs.read_datagrams() == [at.to_bytes(2, "big") for at in range(44, 300)]


class Ear:
    """A listener that notes what it hears; `full`: it pauses after each piece."""

    def __init__(self, stream: ByteStream, *, full: bool = False) -> None:
        self.stream, self.full = stream, full
        self.heard: list[object] = []

    def received(self, data: bytes) -> None:
        self.heard.append(data)
        if self.full:
            self.stream.pause()

    def ended(self) -> None:
        self.heard.append("ended")

    def closed(self, error: PeerError | None) -> None:
        self.heard.append(error if error is None else error.name)

    def writable(self) -> None:
        self.heard.append("writable")


async def test_a_listener_hears_bytes_then_the_end_then_that_it_is_over(two: Two) -> None:
    ours, theirs = await two.stream()
    ear = Ear(theirs)
    theirs.listen(ear)
    await ours.write(b"all")
    ours.end()
    theirs.end()
    await theirs.wait_over()
    assert ear.heard == [b"all", "ended", None]


async def test_a_paused_listener_hears_nothing_until_it_resumes(two: Two) -> None:
    ours, theirs = await two.stream()
    ear = Ear(theirs, full=True)
    theirs.listen(ear)
    await ours.write(b"1")
    await asyncio.sleep(0.001)
    await ours.write(b"2")
    ours.end()
    await asyncio.sleep(0.001)
    assert ear.heard == [b"1"]
    theirs.resume()
    assert ear.heard == [b"1", b"2"]
    theirs.resume()
    assert ear.heard == [b"1", b"2", "ended"]


async def test_the_end_of_the_connection_ends_every_stream_with_its_reason(two: Two) -> None:
    ours, theirs = await two.stream()
    ear = Ear(theirs)
    theirs.listen(ear)
    two.a.abort()
    with pytest.raises(TransportClosed, match="given up here"):
        await ours.read()
    await two.b.wait_over()
    assert ear.heard == ["ERR_TRANSPORT_CLOSE"]
    assert two.over == [two.a]
    assert not two.a.usable


async def test_closing_tells_the_other_side_why(two: Two) -> None:
    ours, _ = await two.stream()
    await two.b.close()
    with pytest.raises(StreamReset, match="closing"):
        await ours.read()
    assert not two.a.usable


async def test_who_breaks_the_rules_is_cut_off(two: Two) -> None:
    await two.stream()
    two.ends[0].offer(b"\x63" + bytes(7))
    await two.b.wait_over()
    assert two.ends[1].closed

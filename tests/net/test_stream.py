"""Streams on loopback: order, whole messages, back-pressure, cancellation, and every way to end."""

import asyncio
import gc
import hashlib
from collections.abc import Awaitable, Callable
from random import Random

import pytest

from core.errors import TransportClosed
from core.net import stream as stream_module
from core.net.endpoint import Endpoint, EndpointConfig
from core.net.stream import Stream
from core.utp.config import UtpConfig
from core.wire.utp_marks import Marks
from tests.net.waiting import eventually

pytestmark = pytest.mark.asyncio

OpenEndpoint = Callable[..., Awaitable[Endpoint]]
SMALL = EndpointConfig(utp=UtpConfig(send_buffer=8192, receive_window=16384))


async def connected(
    open_endpoint: OpenEndpoint, config: EndpointConfig | None = None
) -> tuple[Stream, Stream, Endpoint, Endpoint]:
    """Return both ends of a stream that the acceptor has noticed, and their endpoints."""
    a, b = await open_endpoint(config=config), await open_endpoint(config=config)
    accepted: list[Stream] = []
    b.on_stream = accepted.append
    here = await a.connect(b.address, timeout=5)
    await here.write(b"hello")
    await eventually(lambda: bool(accepted))
    b.on_stream = None  # forgets the list
    there = accepted.pop()
    assert await there.read() == b"hello"
    return here, there, a, b


async def read_exactly(stream: Stream, size: int) -> bytes:
    """Read chunks until there are `size` bytes."""
    chunks: list[bytes] = []
    while size > 0:
        chunks.append(await stream.read())
        assert chunks[-1], "the stream ended too soon"
        size -= len(chunks[-1])
    return b"".join(chunks)


async def keep_writing(stream: Stream) -> None:
    """Write until it fails."""
    while True:
        await stream.write(b"is anybody there?")
        await asyncio.sleep(0.001)


async def test_each_message_is_one_chunk_in_order(open_endpoint: OpenEndpoint, config: EndpointConfig) -> None:
    here, there, *_ = await connected(open_endpoint, config)
    messages = [b"%d" % n for n in range(200)]
    for message in messages:
        await here.write(message)
    assert [await there.read() for _ in messages] == messages


async def test_writes_without_a_boundary_may_be_joined_but_keep_their_order(open_endpoint: OpenEndpoint) -> None:
    here, there, *_ = await connected(open_endpoint)
    for n in range(500):
        await here.write(b"%03d" % n, boundary=False)
    await here.write(b"")
    assert await read_exactly(there, 1500) == b"".join(b"%03d" % n for n in range(500))


async def test_a_read_that_opens_a_closed_window_says_so_at_once(open_endpoint: OpenEndpoint) -> None:
    here, there, _, b = await connected(open_endpoint, SMALL)
    async with asyncio.TaskGroup() as group:
        group.create_task(here.write(bytes(20000)))  # more than the window of 16384
        await asyncio.sleep(0.1)  # it fills, and the last delayed ack leaves
        before = b.statistics().sent
        await there.read()
        for _ in range(3):  # turns of the loop; the other side's probe would take 0.5 s
            await asyncio.sleep(0)
        assert b.statistics().sent > before
        await read_exactly(there, 20000 - 1382)


async def test_echo(open_endpoint: OpenEndpoint, config: EndpointConfig) -> None:
    here, there, *_ = await connected(open_endpoint, config)
    for n in range(50):
        await here.write(b"%d" % n)
        await there.write(await there.read() + b"!")
        assert await here.read() == b"%d!" % n


async def test_five_megabytes_both_ways_at_once(open_endpoint: OpenEndpoint) -> None:
    here, there, *_ = await connected(open_endpoint)
    data = {here: Random(1).randbytes(5_000_000), there: Random(2).randbytes(5_000_000)}

    async def send(stream: Stream) -> None:
        for start in range(0, 5_000_000, 250_000):
            await stream.write(data[stream][start : start + 250_000])

    _, _, at_there, at_here = await asyncio.gather(
        send(here), send(there), read_exactly(there, 5_000_000), read_exactly(here, 5_000_000)
    )
    assert hashlib.sha256(at_there).digest() == hashlib.sha256(data[here]).digest()
    assert hashlib.sha256(at_here).digest() == hashlib.sha256(data[there]).digest()


async def test_messages_of_concurrent_writers_never_interleave(open_endpoint: OpenEndpoint) -> None:
    here, there, *_ = await connected(open_endpoint, SMALL)
    messages = [bytes([65 + n]) * 30_000 for n in range(8)]  # each is more than all buffers together
    writing = asyncio.gather(*(here.write(message) for message in messages))
    assert await read_exactly(there, 240_000) == b"".join(messages)  # first come, first served
    await writing


async def test_a_writer_waits_while_nobody_reads_and_memory_stays_bounded(open_endpoint: OpenEndpoint) -> None:
    here, there, *_ = await connected(open_endpoint, SMALL)
    written = 0

    async def pour() -> None:
        nonlocal written
        while written < 500_000:
            await here.write(bytes(1000))
            written += 1000

    pouring = asyncio.gather(pour())
    await asyncio.sleep(0.05)
    assert written < 8192 + 2 * 16384
    assert len(await read_exactly(there, 500_000)) == 500_000
    await pouring


async def test_a_cancelled_write_sends_its_whole_message_or_nothing(open_endpoint: OpenEndpoint) -> None:
    here, there, *_ = await connected(open_endpoint, SMALL)
    begun = asyncio.gather(here.write(b"a" * 60_000))
    waiting = asyncio.gather(here.write(b"b" * 60_000))
    last = asyncio.gather(here.write(b"c" * 10))
    await asyncio.sleep(0.01)
    for each in (begun, waiting):
        each.cancel()
        with pytest.raises(asyncio.CancelledError):
            await each
    assert not last.done()
    assert await read_exactly(there, 60_010) == b"a" * 60_000 + b"c" * 10
    await last


async def test_a_cancelled_read_loses_nothing(open_endpoint: OpenEndpoint) -> None:
    here, there, *_ = await connected(open_endpoint)
    reading = asyncio.gather(there.read())
    await asyncio.sleep(0)
    await here.write(b"one")
    await here.write(b"two")
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert [await there.read(), await there.read()] == [b"one", b"two"]


async def test_closing_delivers_everything_then_the_end(open_endpoint: OpenEndpoint) -> None:
    here, there, a, b = await connected(open_endpoint)
    await here.write(b"x" * 100_000)
    closing = asyncio.gather(here.close())
    assert await read_exactly(there, 100_000) == b"x" * 100_000
    assert await there.read() == b""
    assert await there.read() == b""
    await there.close()
    await closing
    assert here.closed
    assert there.closed
    assert a.statistics().streams == b.statistics().streams == 0


async def test_closing_lets_writers_before_it_finish(open_endpoint: OpenEndpoint) -> None:
    here, there, *_ = await connected(open_endpoint, SMALL)
    writing = asyncio.gather(here.write(b"a" * 40_000), here.write(b"b" * 40_000))
    await asyncio.sleep(0)
    closing = asyncio.gather(here.close())
    await asyncio.sleep(0)
    with pytest.raises(TransportClosed, match="was closed here"):
        await here.write(b"too late")
    assert await read_exactly(there, 80_000) == b"a" * 40_000 + b"b" * 40_000
    await writing
    assert await there.read() == b""
    await there.close()
    await closing


async def test_closing_ends_a_pending_read_and_drops_what_comes_later(open_endpoint: OpenEndpoint) -> None:
    here, there, a, _ = await connected(open_endpoint)
    reading = asyncio.gather(here.read())
    await asyncio.sleep(0)
    closing = asyncio.gather(here.close())
    assert list(await reading) == [b""]
    await there.write(b"y" * 3_000_000)  # more than all buffers: it only fits because it is dropped at the other end
    await there.close()
    await closing
    assert await here.read() == b""
    assert a.statistics().streams == 0


async def test_closing_drops_what_was_received_and_never_read(open_endpoint: OpenEndpoint) -> None:
    here, there, *_ = await connected(open_endpoint, SMALL)
    writing = asyncio.gather(there.write(bytes(200_000)))
    await asyncio.sleep(0.01)  # the window is full and the other side knows: only our reading opens it again
    assert not writing.done()
    closing = asyncio.gather(here.close())
    await asyncio.wait_for(writing, 2)
    await there.close()
    await closing


async def test_a_peer_that_never_says_goodbye_is_reset(
    open_endpoint: OpenEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_module, "CLOSE_TIMEOUT", 0.03)
    here, there, a, _ = await connected(open_endpoint)
    await asyncio.gather(here.close(), here.close())
    await here.close()
    assert a.statistics().streams == 0
    with pytest.raises(TransportClosed):
        await keep_writing(there)


async def test_a_cancelled_close_resets(open_endpoint: OpenEndpoint) -> None:
    here, there, a, _ = await connected(open_endpoint)
    closing = asyncio.gather(here.close())
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert a.statistics().streams == 0
    assert there.remote == a.address


async def test_abort_breaks_the_other_end_after_what_it_had(open_endpoint: OpenEndpoint) -> None:
    here, there, a, b = await connected(open_endpoint)
    await here.write(b"last")
    await eventually(lambda: a.statistics().utp.sent == b.statistics().utp.received)
    here.abort()
    here.abort()
    await eventually(lambda: b.statistics().streams == 0)
    assert await there.read() == b"last"
    for _ in range(2):
        with pytest.raises(TransportClosed):
            await there.read()
    with pytest.raises(TransportClosed):
        await there.write(b"x")
    with pytest.raises(TransportClosed):
        await here.write(b"x")
    assert await here.read() == b""
    assert a.statistics().streams == 0


async def test_abort_wakes_who_waits(open_endpoint: OpenEndpoint) -> None:
    here, there, *_ = await connected(open_endpoint, SMALL)
    waiting = asyncio.gather(
        there.read(), here.write(bytes(100_000)), here.write(b"next"), here.close(), return_exceptions=True
    )
    await asyncio.sleep(0)
    here.abort()
    there.abort()
    outcomes = await asyncio.wait_for(waiting, 5)
    assert [type(each) for each in outcomes] == [bytes, TransportClosed, TransportClosed, type(None)]


async def test_the_end_of_the_other_side_leaves_ours_open(open_endpoint: OpenEndpoint) -> None:
    here, there, *_ = await connected(open_endpoint)
    closing = asyncio.gather(here.close())
    assert await there.read() == b""
    await there.write(b"reply to nobody")
    await there.close()
    await closing


async def test_a_stream_that_nobody_holds_is_closed(open_endpoint: OpenEndpoint) -> None:
    here, there, a, _ = await connected(open_endpoint)
    await here.write(b"bye")
    del here
    gc.collect()
    assert await there.read() == b"bye"
    assert await asyncio.wait_for(there.read(), 5) == b""
    await there.close()
    await eventually(lambda: a.statistics().streams == 0)


async def test_a_stream_is_a_context_manager(open_endpoint: OpenEndpoint) -> None:
    here, there, a, _ = await connected(open_endpoint)
    async with there:
        async with here:
            await here.write(b"inside")
            leaving = asyncio.gather(there.close())
        assert here.closed
        await leaving
    assert repr(here) == f"<Stream {here.remote} closed>"
    assert a.statistics().streams == 0


async def test_both_ends_say_whether_the_other_joins_messages(open_endpoint: OpenEndpoint) -> None:
    plain = EndpointConfig(utp=UtpConfig(marks=Marks(0)))
    here, there, *_ = await connected(open_endpoint)
    assert (here.joins_messages, there.joins_messages) == (True, True)
    here, there, *_ = await connected(open_endpoint, plain)
    assert (here.joins_messages, there.joins_messages) == (False, False)


async def test_a_kept_stream_makes_room_for_nobody(open_endpoint: OpenEndpoint) -> None:
    """The owner says so once it knows who is there; a stranger's goes, and hears of it."""
    here, there, a, b = await connected(open_endpoint, EndpointConfig(utp=UtpConfig(connections=2)))
    there.keep()
    there.keep()
    accepted: list[Stream] = []
    b.on_stream = accepted.append
    strangers = [await a.connect(b.address, timeout=5)]
    await eventually(lambda: len(accepted) == 1)
    c = await open_endpoint()
    strangers.append(await c.connect(b.address, timeout=5))
    await eventually(lambda: len(accepted) == 2)
    with pytest.raises(TransportClosed):
        await strangers[0].read()
    await here.write(b"still here")
    assert await there.read() == b"still here"
    statistics = b.statistics().utp
    assert (statistics.evicted, statistics.kept, statistics.connections) == (1, 1, 2)
    there.abort()
    there.keep()
    assert b.statistics().utp.kept == 0

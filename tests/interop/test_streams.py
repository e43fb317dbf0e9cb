"""Our uTP against libutp: 20 MB each way, whichever side connected, whole by its checksum.

`GRAPEVINE_STREAM_BYTES=1000000000` makes it a gigabyte.
"""

import asyncio
import hashlib
import os
import random
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from core.net.endpoint import Endpoint
from core.net.stream import Stream
from core.values import Address
from tests.support.process import Program, node

pytestmark = [pytest.mark.interop, pytest.mark.asyncio]

BYTES = int(os.environ.get("GRAPEVINE_STREAM_BYTES", "20_000_000"))
CHUNK = 65_536  # bytes per write, as the Node side does
TRANSFER = 110.0 * max(1.0, BYTES / 50e6)  # seconds; libutp itself needs one per 50 MB on loopback, a busy machine many


@pytest_asyncio.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    async with await Endpoint.open(Address("127.0.0.1", 0)) as endpoint:
        yield endpoint


def address(program: Program) -> Address:
    """Return where a Node peer listens."""
    return Address("127.0.0.1", program.events[0]["port"])


async def pour(stream: Stream, count: int) -> str:
    """Write `count` bytes that do not repeat; return their SHA-256."""
    noise, digest = random.Random(count), hashlib.sha256()
    for start in range(0, count, CHUNK):
        chunk = noise.randbytes(min(CHUNK, count - start))
        digest.update(chunk)
        await stream.write(chunk, boundary=False)
    return digest.hexdigest()


async def swallow(stream: Stream) -> tuple[int, str]:
    """Read to the end; return how many bytes came, and their SHA-256."""
    digest, count = hashlib.sha256(), 0
    while chunk := await stream.read():
        digest.update(chunk)
        count += len(chunk)
    return count, digest.hexdigest()


def accepted(endpoint: Endpoint) -> "asyncio.Queue[Stream]":
    """Collect the streams that others open to us."""
    streams: asyncio.Queue[Stream] = asyncio.Queue(maxsize=8)
    endpoint.on_stream = streams.put_nowait
    return streams


async def test_we_connect_and_send(endpoint: Endpoint) -> None:
    async with node("peer", {"role": "sink"}) as sink:
        async with await endpoint.connect(address(sink), timeout=5) as stream:
            sent = await pour(stream, BYTES)
        swallowed = await sink.event("swallowed", timeout=TRANSFER)
        assert (swallowed["bytes"], swallowed["sha256"]) == (BYTES, sent)


async def test_we_connect_and_receive(endpoint: Endpoint) -> None:
    async with (
        node("peer", {"role": "source"}) as source,
        await endpoint.connect(address(source), timeout=5) as stream,
    ):
        await stream.write(b'{"bytes": %d}' % BYTES)
        count, digest = await swallow(stream)
        poured = await source.event("poured")
        assert (count, digest) == (BYTES, poured["sha256"])


async def test_libutp_connects_and_sends(endpoint: Endpoint) -> None:
    streams = accepted(endpoint)
    async with node("peer", {"role": "client"}) as client, asyncio.TaskGroup() as group:
        order = client.command("send", address=str(endpoint.address), bytes=BYTES, patience=TRANSFER)
        sending = group.create_task(order)
        async with await streams.get() as stream:
            count, digest = await swallow(stream)
        assert (count, digest) == (BYTES, (await sending)["sha256"])


async def test_libutp_connects_and_receives(endpoint: Endpoint) -> None:
    streams = accepted(endpoint)
    async with node("peer", {"role": "client"}) as client, asyncio.TaskGroup() as group:
        order = client.command("fetch", address=str(endpoint.address), order={"go": 1}, patience=TRANSFER)
        fetching = group.create_task(order)
        async with await streams.get() as stream:
            assert await stream.read() == b'{"go":1}'
            sent = await pour(stream, BYTES)
        received = await fetching
        assert (received["bytes"], received["sha256"]) == (BYTES, sent)


async def test_libutp_takes_our_marked_syn_and_has_no_marks_itself(endpoint: Endpoint) -> None:
    """What we add to a SYN costs a plain peer nothing: data both ways, and it is known as a plain one."""
    async with (
        node("peer", {"role": "mirror"}) as mirror,
        await endpoint.connect(address(mirror), timeout=5) as stream,
    ):
        assert not stream.joins_messages
        await stream.write(b"there and back")
        assert await stream.read() == b"there and back"
    streams = accepted(endpoint)
    async with node("peer", {"role": "client"}) as client, asyncio.TaskGroup() as group:
        order = client.command("fetch", address=str(endpoint.address), order={"go": 1}, patience=TRANSFER)
        fetching = group.create_task(order)
        async with await streams.get() as stream:
            assert not stream.joins_messages
            assert await stream.read() == b'{"go":1}'
            await stream.write(b"answer")
        assert (await fetching)["bytes"] == len(b"answer")


async def test_both_directions_at_once(endpoint: Endpoint) -> None:
    """The mirror sends back while we still send: data and acks share every packet, both windows are in use."""
    async with node("peer", {"role": "mirror"}) as mirror:
        stream = await endpoint.connect(address(mirror), timeout=5)
        digest, count = hashlib.sha256(), 0
        async with asyncio.TaskGroup() as group:
            sending = group.create_task(pour(stream, BYTES // 10))
            while count < BYTES // 10:
                chunk = await stream.read()
                assert chunk, f"ended after {count} bytes"
                digest.update(chunk)
                count += len(chunk)
        assert digest.hexdigest() == sending.result()
        await stream.close()


async def test_a_closed_side_is_noticed(endpoint: Endpoint) -> None:
    """FIN both ways: the mirror ends when we do, and our stream ends with what it still sent."""
    async with node("peer", {"role": "mirror"}) as mirror:
        stream = await endpoint.connect(address(mirror), timeout=5)
        await stream.write(b"last words")
        assert await stream.read() == b"last words"
        await stream.close()
        assert await stream.read() == b""
        assert endpoint.statistics().utp.timeouts == 0, "the other side's FIN has to come at once, not by a time-out"

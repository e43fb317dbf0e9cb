"""A local program on each side of a pair of sessions: bytes, ends and breaks pass as over one TCP connection."""

import asyncio
import functools
import hashlib
import socket
import struct
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from random import Random

import pytest
import pytest_asyncio

from core.streams.config import FIRST_WINDOW, StreamConfig
from core.tunnel.session import Session
from core.tunnel.splice import Splice
from core.tunnel.stream import ByteStream
from tests.tunnel.wire import wire

pytestmark = pytest.mark.asyncio
Program = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Through:
    """A listening port whose connections come out at `program`, with two sessions between."""

    def __init__(self) -> None:
        ends = wire()
        self.tasks: set[asyncio.Task[None]] = set()
        self.program: Program
        self.a = Session(ends[0], initiator=True, on_opening=lambda stream: None)
        self.b = Session(ends[1], initiator=False, on_opening=self.serve)
        self.splices: list[Splice] = []
        self.taken: list[ByteStream] = []

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        self.far = await asyncio.start_server(lambda r, w: self.program(r, w), "127.0.0.1", 0)
        self.near = await loop.create_server(self.spliced, "127.0.0.1", 0)
        self.a.start()
        self.b.start()

    def spliced(self) -> Splice:
        self.splices.append(Splice(self.a.open(b"tcp")))
        return self.splices[-1]

    def serve(self, stream: ByteStream) -> None:
        stream.accept()
        if not hasattr(self, "program"):  # the test joins it
            self.taken.append(stream)
            return
        task = asyncio.get_running_loop().create_task(self.join(stream))
        self.tasks.add(task)

    async def join(self, stream: ByteStream) -> None:
        port = self.far.sockets[0].getsockname()[1]
        _, splice = await asyncio.get_running_loop().create_connection(lambda: Splice(stream), "127.0.0.1", port)
        await splice.wait_over()

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.near.sockets[0].getsockname()[1])

    async def close(self) -> None:
        await self.a.close()
        await self.b.close()
        await asyncio.gather(*self.tasks)
        self.near.close()
        self.far.close()


@pytest_asyncio.fixture
async def through() -> AsyncIterator[Through]:
    through = Through()
    await through.open()
    yield through
    await through.close()


async def hang_up(writer: asyncio.StreamWriter) -> None:
    writer.close()
    await writer.wait_closed()


async def test_bytes_and_ends_pass_both_ways(through: Through) -> None:
    question, answer = Random(1).randbytes(5_000_000), Random(2).randbytes(3_000_000)
    heard: list[bytes] = []

    async def program(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read())  # to the end of that direction: only then it answers
        writer.write(answer)
        await hang_up(writer)

    through.program = program
    reader, writer = await through.connect()
    writer.write(question)
    writer.write_eof()
    assert hashlib.sha256(await reader.read()).digest() == hashlib.sha256(answer).digest()
    assert heard == [question]
    await hang_up(writer)
    await through.splices[0].wait_over()
    assert len(through.a) == 0


async def test_a_program_that_speaks_first_is_heard_at_once(through: Through) -> None:
    async def program(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-test\r\n")
        await reader.read()
        await hang_up(writer)

    through.program = program
    reader, writer = await through.connect()
    assert await reader.readline() == b"SSH-2.0-test\r\n"
    await hang_up(writer)


async def test_a_reset_is_a_reset_on_the_other_side(through: Through) -> None:
    async def program(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        local: socket.socket = writer.get_extra_info("socket")
        local.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    through.program = program
    reader, writer = await through.connect()
    writer.write(b"x")
    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.close()


async def test_a_program_that_does_not_read_holds_only_its_sender_up(through: Through) -> None:
    waiting = asyncio.Event()

    async def program(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await waiting.wait()
        writer.write(hashlib.sha256(await reader.read()).digest())
        await hang_up(writer)

    through.program = program
    reader, writer = await through.connect()
    data = Random(4).randbytes(20_000_000)
    writer.write(data)
    writer.write_eof()
    for _ in range(200):
        await asyncio.sleep(0)
    assert through.b._engine.unread <= 2_000_000
    waiting.set()
    assert await reader.read() == hashlib.sha256(data).digest()
    await hang_up(writer)


def _same(splice: Splice) -> Splice:
    return splice


async def test_readers_that_never_read_hold_one_send_buffer_each(through: Through) -> None:
    readers, buffer, loop = 24, StreamConfig().send_buffer, asyncio.get_running_loop()
    kept = readers * (buffer + FIRST_WINDOW)  # at the one side, and at the other
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        accepted: list[socket.socket] = []
        data = bytes(1 << 20)
        streams = [through.a.open(b"tcp") for _ in range(readers)]
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            for stream in streams:
                await stream.accepted()
                splice = Splice(through.taken.pop(0))
                await loop.create_connection(functools.partial(_same, splice), *listener.getsockname())
                accepted.append((await loop.sock_accept(listener))[0])
                accepted[-1].send(data)
            async with asyncio.timeout(20):
                while through.b.held < readers * buffer * 0.8:  # noqa: ASYNC110  nobody tells of it
                    await asyncio.sleep(0.01)
            held = tracemalloc.get_traced_memory()[0] - before
        finally:
            tracemalloc.stop()
            for each in accepted:
                each.close()
    assert held < kept * 1.15

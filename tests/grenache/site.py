"""A server with a service of the test's own, and bare connections to it."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from core.grenache.config import WebConfig
from core.grenache.server import WebServer
from core.limits import bounds
from core.rpc.memory import Memory, Standing
from core.rpc.slices import Slices
from core.tunnel.stream import ByteStream
from core.values import Caller, JsonValue, Outcome


@dataclass
class FakeCall:
    site: "FakeSite"
    key: str

    def answer(self, payload: JsonValue, /) -> Outcome:
        return self.site.handle(self.key, payload)

    def ended(self, seconds: float, error: str | None, sent: int, /) -> None:
        self.site.ended.append((self.key, error, sent))


@dataclass
class FakeSite:
    """`handle` answers, `stream` serves streams of the key "stream"."""

    handle: Callable[[str, JsonValue], Outcome] = lambda key, payload: payload
    stream: Callable[[ByteStream], object] | None = None
    transports: tuple[str, ...] = ("http", "ws")
    message_bytes: int = bounds.OPEN_MESSAGE
    ended: list[tuple[str, str | None, int]] = field(default_factory=list)
    callers: list[Caller] = field(default_factory=list)

    def receive(self, transport: str, key: str, payload: JsonValue, caller: Caller, size: int) -> FakeCall:
        self.callers.append(caller)
        return FakeCall(self, key)

    def standing(self, caller: Caller) -> Standing:
        return Standing(caller.address.host, False, self.message_bytes)

    def stream_name(self, key: str) -> str | None:
        return key if key == "stream" else None

    def open_stream(self, stream: ByteStream) -> None:
        assert self.stream is not None
        self.stream(stream)

    def open_over(self, transport: str) -> bool:
        return transport in self.transports

    def subscribed(self, stream: ByteStream) -> bool:
        self.open_stream(stream)
        return True


@asynccontextmanager
async def serving(site: FakeSite, config: WebConfig | None = None, *, per_host: int = 512) -> AsyncIterator[WebServer]:
    server = WebServer(config or WebConfig(), site, Memory(), Slices(), per_host=per_host)
    await server.start()
    try:
        yield server
    finally:
        await server.aclose()


class Bare:
    """A TCP connection that says what it likes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def say(self, text: bytes) -> None:
        self.writer.write(text)

    async def head(self) -> bytes:
        async with asyncio.timeout(5):
            return await self.reader.readuntil(b"\r\n\r\n")

    async def answer(self) -> tuple[int, bytes]:
        """Return status and body of a response with a length."""
        head = await self.head()
        length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
        return int(head.split(b" ")[1]), await self.reader.readexactly(length)

    async def ask(self, body: bytes, *headers: bytes, method: bytes = b"POST") -> tuple[int, bytes]:
        self.say(request(body, *headers, method=method))
        return await self.answer()

    def reset(self) -> None:
        """Go by RST: an end alone may be a caller that has sent all it wants, and waits."""
        taken = self.writer.get_extra_info("socket")
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def gone(self) -> bool:
        """Wait until the other side has closed."""
        async with asyncio.timeout(5):
            try:
                return await self.reader.read() is not None
            except ConnectionError:
                return True


def request(body: bytes, *headers: bytes, method: bytes = b"POST") -> bytes:
    lines = [b"%b / HTTP/1.1" % method, b"Host: 127.0.0.1", b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


@asynccontextmanager
async def connected(server: WebServer) -> AsyncIterator[Bare]:
    bare = Bare(*await asyncio.open_connection(*server.address))
    try:
        yield bare
    finally:
        bare.writer.transport.abort()

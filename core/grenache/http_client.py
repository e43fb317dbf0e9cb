"""Requests and streams over HTTP, as a client: kept connections, one request at a time on each.

Connections are kept for less than the 5 s after which the Node server closes them, since a request that meets the
closing fails. Redirects are not followed. Nothing is asked twice by itself: a service may have done it already.
"""

import asyncio
import gzip
from collections.abc import Callable
from typing import Final, cast

from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import HttpResponseParser, RawResponseMessage
from aiohttp.streams import StreamReader

from core.aio.goodbye import farewell
from core.errors import PeerError, RefusedError, RemoteError, RequestTimeout, TransportClosed
from core.grenache.client_tls import ClientTls, Verified
from core.grenache.config import GENERIC
from core.grenache.heads import unpack
from core.limits.table import BoundedTable
from core.values import Address
from core.wire.rpc_message import MAX_BYTES

KEPT: Final = 4.0  # seconds a connection is kept unused: the Node server closes it at 5
AT_ONCE: Final = 64  # connections to one destination; more requests wait
DESTINATIONS: Final = 256  # that connections are kept to; the one used longest ago is forgotten
_PAUSE: Final = 256 * 1024  # bytes of a stream that nobody has read yet


class _Source(BaseProtocol):
    """Where the parser believes its bytes come from."""

    def pause_reading(self) -> None:
        """Bodies are taken out after each piece."""

    def resume_reading(self, resume_parser: bool = True) -> None:
        """See above."""


class Connection(asyncio.Protocol):
    """One connection. `ask` is called when no answer is due on it."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.verified = Verified(None)
        self.used_at = 0.0
        self.open = False  # and nothing is wrong with it
        self._loop = asyncio.get_running_loop()
        self.closed: asyncio.Future[None] = self._loop.create_future()
        self._transport: asyncio.Transport | None = None
        self._parser = HttpResponseParser(
            _Source(self._loop), self._loop, 2**16, auto_decompress=False, read_until_eof=True
        )
        self._message: RawResponseMessage | None = None
        self._body: StreamReader | None = None
        self._parts: list[bytes] = []
        self._size = 0
        self._answer: asyncio.Future[tuple[RawResponseMessage, bytes]] | None = None
        self._most = MAX_BYTES
        self._hear: StreamSide | None = None

    # -- what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Be ready."""
        self._transport = cast(asyncio.Transport, transport)
        self.open = True

    def data_received(self, data: bytes) -> None:
        """Take a piece of the answer."""
        try:
            messages, _, _ = self._parser.feed_data(data)
        except Exception:  # whatever the parser did not foresee
            self._fail(RemoteError(f"{self.address} does not speak HTTP", name=GENERIC))
            return
        for message, body in messages:
            if message.code == 100 or (self._message is not None and self._answer is None and self._hear is None):
                continue
            self._message, self._body = message, body
            if self._hear is not None:
                self._hear.began(message.code)
        if self._body is not None:
            self._take(self._body.read_nowait(), self._body.is_eof())

    def eof_received(self) -> None:
        """Take an answer that ends with the connection."""
        self.open = False
        try:
            self._parser.feed_eof()
        except Exception:  # it was cut
            self._fail(TransportClosed(f"{self.address} closed the connection within its answer"))
            return
        if self._body is not None and self._message is not None:
            self._take(self._body.read_nowait(), self._body.is_eof())

    def connection_lost(self, exc: Exception | None) -> None:
        """Whatever is due will not come."""
        self.open = False
        self._transport = None
        self._fail(TransportClosed(f"{self.address} closed the connection before it answered"))
        if not self.closed.done():
            self.closed.set_result(None)

    def pause_writing(self) -> None:
        """The other side reads slowly."""
        if self._hear is not None:
            self._hear.writable.clear()

    def resume_writing(self) -> None:
        """It has read."""
        if self._hear is not None:
            self._hear.writable.set()

    # -- what the pool calls

    def ask(self, request: bytes, most: int) -> "asyncio.Future[tuple[RawResponseMessage, bytes]]":
        """Send a request; return the future of its answer."""
        self._answer = self._loop.create_future()
        self._most = most
        self.used_at = self._loop.time()
        if self._transport is None or not self.open:
            self._fail(TransportClosed(f"{self.address} closed the connection"))
        else:
            self._transport.write(request)
        return self._answer or _failed(self._loop, TransportClosed(f"{self.address} closed the connection"))

    def listen(self, side: "StreamSide") -> asyncio.Transport:
        """Use the connection for one stream. Raises TransportClosed."""
        if self._transport is None:
            raise TransportClosed(f"{self.address} closed the connection")
        self._hear = side
        return self._transport

    def abort(self) -> None:
        """Close at once."""
        self.open = False
        if self._transport is not None:
            self._transport.abort()

    # -- within

    def _take(self, data: bytes, whole: bool) -> None:
        if self._hear is not None:
            self._hear.received(data)
            if whole:
                self._hear.ended()
            return
        if self._message is None or self._answer is None:
            return
        self._parts.append(data)
        self._size += len(data)
        if self._size > self._most:
            sentence = f"the answer of {self.address} is longer than {self._most:,} bytes: take it as a stream"
            self._fail(RemoteError(sentence, name="ERR_MESSAGE_SIZE"))
            self.abort()
        elif whole:
            answer, message, body = self._answer, self._message, b"".join(self._parts)
            self._answer = self._message = self._body = None
            self._parts, self._size = [], 0
            self.open = self.open and not message.should_close
            if not answer.done():
                answer.set_result((message, body))
            if not self.open and self._transport is not None:
                self._transport.close()

    def _fail(self, error: PeerError) -> None:
        self.open = False
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)
        self._answer = None
        if self._hear is not None:
            self._hear.broke(error)
        if self._transport is not None:
            self._transport.close()


def _failed(loop: asyncio.AbstractEventLoop, error: PeerError) -> "asyncio.Future[tuple[RawResponseMessage, bytes]]":
    future: asyncio.Future[tuple[RawResponseMessage, bytes]] = loop.create_future()
    future.set_exception(error)
    return future


class StreamSide:
    """What a stream over HTTP has of its connection: what came, and whether more can be sent."""

    def __init__(self) -> None:
        self.writable = asyncio.Event()
        self.writable.set()
        self.news = asyncio.Event()
        self.status: int | None = None
        self.parts: list[bytes] = []
        self.waiting = 0  # bytes of them
        self.over = False
        self.error: PeerError | None = None
        self.pause: Callable[[], None] = lambda: None

    def began(self, status: int) -> None:
        """Hear the response's head."""
        self.status = status
        self.news.set()

    def received(self, data: bytes) -> None:
        """Take a piece."""
        if data:
            self.parts.append(data)
            self.waiting += len(data)
            if self.waiting > _PAUSE:
                self.pause()
            self.news.set()

    def ended(self) -> None:
        """Hear that it was the last."""
        self.over = True
        self.news.set()

    def broke(self, error: PeerError) -> None:
        """Hear that the connection is gone."""
        if not self.over:
            self.over, self.error = True, error
        self.writable.set()
        self.news.set()


class HttpClient:
    """Connections to servers, by address and TLS. Raises only PeerError."""

    def __init__(self) -> None:
        self._kept: BoundedTable[tuple[Address, ClientTls | None], list[Connection]] = BoundedTable(
            DESTINATIONS, lambda _, gone: _end(gone)
        )
        self._open: set[Connection] = set()  # all that are not gone yet; AT_ONCE to each destination
        self._places: BoundedTable[tuple[Address, ClientTls | None], asyncio.Semaphore] = BoundedTable(DESTINATIONS)

    async def aclose(self) -> None:
        """Cut off all connections."""
        self._kept.clear()
        for each in self._open:
            each.abort()
        await farewell(self._open)

    async def post(
        self, address: Address, body: bytes, *, timeout: float, tls: ClientTls | None = None, compress: bool = False,
        most: int = MAX_BYTES, path: str = "/",
    ) -> tuple[bytes, Verified]:  # fmt: skip
        """Send a request; return the answer's body, unpacked, and who answered.

        Raises RequestTimeout, TransportClosed, RemoteError, and RefusedError (ERR_REQUEST_GENERIC) for a status
        other than 200.
        """
        packed = gzip.compress(body, 6) if compress else body
        place = self._places.use((address, tls), lambda: asyncio.Semaphore(AT_ONCE))
        try:
            async with asyncio.timeout(timeout), place:
                connection = await self._connection(address, tls)
                try:
                    message, answer = await connection.ask(_head(address, packed, compress, path) + packed, most)
                except BaseException:
                    connection.abort()
                    raise
        except TimeoutError:
            raise RequestTimeout(f"{address}: no answer within {round(timeout, 2):g} s") from None
        self._keep(connection, tls)
        if not 200 <= message.code < 300:
            said = answer[:200].decode(errors="replace")
            error = RefusedError(f"{address} answered HTTP {message.code}: {said}", name=GENERIC)
            error.add_note(str(message.code))
            raise error
        if not compress:
            return answer, connection.verified
        if answer[:2] != b"\x1f\x8b":
            raise RemoteError("the answer is not packed, though it should be", name="ERR_REPLY_ENCODING_COMPRESSION")
        return unpack(answer, most), connection.verified

    async def open(self, address: Address, tls: ClientTls | None) -> Connection:
        """Return a new connection. Raises TransportClosed and RemoteError."""
        loop = asyncio.get_running_loop()
        context = None if tls is None else tls.context()
        try:
            transport, connection = await loop.create_connection(
                lambda: Connection(address), address.host, address.port, ssl=context,
                server_hostname="" if context is not None else None,
            )  # fmt: skip
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise TransportClosed(f"{address} cannot be reached: {why}", name=GENERIC) from None
        self._open.add(connection)
        connection.closed.add_done_callback(lambda _: self._open.discard(connection))
        if tls is not None:
            connection.verified = tls.verify(transport, address)
        return connection

    async def _connection(self, address: Address, tls: ClientTls | None) -> Connection:
        kept = self._kept.get((address, tls), [])
        now = asyncio.get_running_loop().time()
        while kept:
            connection = kept.pop()
            if connection.open and now - connection.used_at < KEPT:
                return connection
            connection.abort()
        return await self.open(address, tls)

    def _keep(self, connection: Connection, tls: ClientTls | None) -> None:
        if connection.open:
            connection.used_at = asyncio.get_running_loop().time()
            self._kept.use((connection.address, tls), list).append(connection)


def _head(address: Address, body: bytes, compress: bool, path: str) -> bytes:
    kind = b"" if compress else b"Content-Type: text/plain;charset=UTF-8\r\n"
    return (
        b"POST %b HTTP/1.1\r\nHost: %b\r\ngrc-compress: %b\r\n%bAccept: */*\r\nContent-Length: %d\r\n"
        b"Connection: keep-alive\r\n\r\n"
    ) % (path.encode(), str(address).encode(), b"gzip" if compress else b"none", kind, len(body))


def _end(connections: list[Connection]) -> None:
    for each in connections:
        each.abort()

"""Requests over WebSocket, as a client: one connection to each server, any number of requests under way on it.

When a connection ends, all that wait are told at once; the Node client lets them wait for their time-out.
"""

import asyncio
import base64
import os
from collections.abc import Callable
from functools import partial
from typing import Final, cast

from core.aio.goodbye import farewell
from core.errors import PeerError, RemoteError, RequestTimeout, TransportClosed
from core.grenache.client_tls import ClientTls, Verified
from core.grenache.config import GENERIC
from core.limits.table import BoundedTable
from core.rpc.deadlines import Deadlines, Limit
from core.values import Address
from core.wire.grenache_message import Reply, parse_reply
from core.wire.rpc_message import MAX_BYTES
from core.wire.websocket_frame import (
    GOING_AWAY,
    FrameError,
    FrameReader,
    Kind,
    accept_key,
    close_frame,
    frame,
)

KEPT: Final = 110.0  # seconds a connection is kept unused: sooner than any server closes it
DESTINATIONS: Final = 256  # that connections are kept to; the one used longest ago is closed
ASKED: Final = 1024  # requests under way on one connection; as many more, and then they wait
PONGS: Final = 64 * 1024  # bytes that wait for a server that asks whether we are there, and reads nothing
HEAD_MAX: Final = 16 * 1024  # bytes of the answer to the upgrade


class Socket(asyncio.Protocol):
    """One connection, from its upgrade on. `on_message` hears what is no reply to anybody: a publisher's messages."""

    def __init__(
        self,
        address: Address,
        on_message: Callable[[bytes], None] | None = None,
        *,
        path: str = "/ws",
        longest: int = MAX_BYTES,
    ) -> None:
        self.address = address
        self._path = path
        self.verified = Verified(None)
        self.used_at = 0.0
        self.turns = asyncio.Semaphore(ASKED)  # of those beyond ASKED: they wait for one another
        self.waiting: dict[str, asyncio.Future[Reply]] = {}
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._on_message = on_message
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._key = base64.b64encode(os.urandom(16)).decode()
        self._head = b""
        self._reader = FrameReader(longest, masked=False)
        self._writable = asyncio.Event()
        self._writable.set()
        self._chance, self._chance_at = b"", 0
        self._together: list[bytes] = []  # requests of one turn of the loop, which leave in one system call

    @property
    def usable(self) -> bool:
        """Whether it is open."""
        return self._transport is not None and not self._transport.is_closing()

    @property
    def free(self) -> bool:
        """Whether a request can be sent at once."""
        transport = self._transport
        return (
            transport is not None
            and len(self.waiting) < ASKED
            and not transport.is_closing()
            and self._writable.is_set()
            and (bool(self.waiting) or self._loop.time() - self.used_at < KEPT)
        )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(
            f"GET {self._path} HTTP/1.1\r\nHost: {self.address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {self._key}\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        if not self.opened.done():
            self._head += data
            head, end, rest = self._head.partition(b"\r\n\r\n")
            if not end:
                if len(head) > HEAD_MAX:
                    self.fail(RemoteError(f"{self.address} does not speak WebSocket", name="ERR_WEBSOCKET"))
                return
            if not self._upgraded(head):
                status = head.split(b"\r\n")[0][:80].decode(errors="replace")
                self.fail(RemoteError(f"{self.address} refused a WebSocket: {status}", name="ERR_WEBSOCKET"))
                return
            self._head = b""
            self.opened.set_result(None)
            data = rest
        try:
            for kind, message in self._reader.feed(data):
                self._take(kind, message)
        except FrameError as error:
            if self._transport is not None:
                self._transport.write(close_frame(error.code, os.urandom(4)))
            self.fail(error)

    def _upgraded(self, head: bytes) -> bool:
        status, *lines = head.split(b"\r\n")
        fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
        return (
            status.split(b" ")[1:2] == [b"101"]
            and fields.get(b"sec-websocket-accept") == accept_key(self._key).encode()
        )

    def _take(self, kind: Kind, message: bytes) -> None:
        if kind is Kind.PING and self._transport is not None:
            if self._transport.get_write_buffer_size() > PONGS:
                self.fail(TransportClosed(f"{self.address} asks whether we are there, and takes no answer"))
                self._transport.abort()  # it would wait for its buffer to empty
            else:
                self._transport.write(frame(Kind.PONG, message, os.urandom(4)))
        elif kind is Kind.CLOSE:
            if self._transport is not None:
                self._transport.write(frame(Kind.CLOSE, message[:2], os.urandom(4)))
            self.fail(TransportClosed(f"{self.address} closed the connection"))
        elif kind is Kind.TEXT or kind is Kind.BINARY:
            if self._on_message is not None:
                self._on_message(message)
                return
            try:
                reply = parse_reply(message)
            except RemoteError:
                return  # as the Node client: what is no reply is nobody's
            found = self.waiting.get(reply.rid) if isinstance(reply.rid, str) else None
            if found is not None and not found.done():
                found.set_result(reply)

    def pause_writing(self) -> None:
        """The server reads slowly."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """It has read."""
        self._writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell everybody who waits."""
        self._transport = None
        self.fail(TransportClosed(f"the connection to {self.address} ended before the answer came"))
        if not self.closed.done():
            self.closed.set_result(None)

    def fail(self, error: PeerError) -> None:
        """End, and say why."""
        self._writable.set()
        if not self.opened.done():
            self.opened.set_exception(error.again())
        for waiting in self.waiting.values():
            if not waiting.done():
                waiting.set_exception(error.again())
        if self._transport is not None:
            self._transport.close()

    async def ask(self, rid: str, request: bytes) -> Reply:
        """Send a request and wait for its reply. Raises PeerError."""
        await self._writable.wait()
        if self._transport is None:
            raise TransportClosed(f"{self.address} closed the connection")
        try:
            return await self.post(rid, request)
        finally:
            self.forget(rid)

    def post(self, rid: str, request: bytes) -> asyncio.Future[Reply]:
        """Send a request; return the future of its reply. The socket is open and writable; `forget` follows."""
        answer: asyncio.Future[Reply] = self._loop.create_future()
        self.waiting[rid] = answer
        framed = frame(Kind.TEXT, request, self._mask())
        if self._together:
            self._together.append(framed)
        elif len(self.waiting) > 1:
            self._loop.call_soon(self._write_together)
            self._together.append(framed)
        elif self._transport is not None:
            self._transport.write(framed)  # alone: there is nothing to wait for
        return answer

    def forget(self, rid: str) -> None:
        """Wait for a reply no longer."""
        self.waiting.pop(rid, None)
        if not self.waiting:
            self.used_at = self._loop.time()

    def send(self, data: bytes) -> None:
        """Send one binary message, of which nobody says anything."""
        if self._transport is not None:
            self._transport.write(frame(Kind.BINARY, data, self._mask()))

    def unsent(self) -> int:
        """Return how many bytes wait for the network."""
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def _mask(self) -> bytes:
        """Return four bytes that nobody can foresee; asking the system for each would cost as much as all the rest."""
        if self._chance_at >= len(self._chance):
            self._chance, self._chance_at = os.urandom(4096), 0
        self._chance_at += 4
        return self._chance[self._chance_at - 4 : self._chance_at]

    def _write_together(self) -> None:
        together, self._together = self._together, []
        if self._transport is not None:
            self._transport.write(b"".join(together))

    def close(self) -> None:
        """Say goodbye, and close."""
        if self._transport is not None:
            self._transport.write(close_frame(GOING_AWAY, os.urandom(4)))
            self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()


async def open_socket(
    address: Address, tls: ClientTls | None = None, on_message: Callable[[bytes], None] | None = None, *,
    path: str = "/ws", longest: int = MAX_BYTES,
) -> Socket:  # fmt: skip
    """Connect and upgrade. Raises TransportClosed and RemoteError."""
    loop = asyncio.get_running_loop()
    context = None if tls is None else tls.context()
    try:
        transport, socket = await loop.create_connection(
            lambda: Socket(address, on_message, path=path, longest=longest), address.host, address.port, ssl=context,
            server_hostname="" if context is not None else None,
        )  # fmt: skip
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise TransportClosed(f"{address} cannot be reached: {why}", name=GENERIC) from None
    try:
        if tls is not None:
            socket.verified = tls.verify(transport, address)
        await socket.opened
    except BaseException:
        socket.opened.cancel()  # nobody waits for it any longer
        transport.abort()
        await farewell([socket])
        raise
    return socket


class WsClient:
    """Connections to servers, by address and TLS. Raises only PeerError."""

    def __init__(self) -> None:
        self._kept: BoundedTable[tuple[Address, ClientTls | None], Socket] = BoundedTable(
            DESTINATIONS, lambda _, gone: gone.close()
        )
        self._deadlines = Deadlines()
        self._open_ones: set[Socket] = set()  # all that are not gone yet
        self._opening = asyncio.Lock()

    async def aclose(self) -> None:
        """Close what is kept."""
        self._deadlines.close()
        self._kept.clear()
        for socket in self._open_ones:
            socket.close()
        await farewell(self._open_ones)

    async def ask(
        self, address: Address, rid: str, request: bytes, *, timeout: float, tls: ClientTls | None = None
    ) -> tuple[Reply, Verified]:
        """Send a request; return its reply, and who answered. Raises PeerError."""
        socket = self._kept.find((address, tls))
        if socket is None or not socket.free:
            return await self._ask_later(address, rid, request, timeout, tls)
        answer = socket.post(rid, request)
        deadline = self._deadlines.set(timeout, partial(_expire, answer), answer.get_loop())
        try:
            return await answer, socket.verified
        except TimeoutError:
            raise _too_late(address, timeout) from None
        finally:
            self._deadlines.lift(deadline)
            socket.forget(rid)

    async def _ask_later(
        self, address: Address, rid: str, request: bytes, timeout: float, tls: ClientTls | None
    ) -> tuple[Reply, Verified]:
        """Ask where a connection has to be opened first, or to be waited for."""
        try:
            with Limit(self._deadlines, timeout):
                socket = self._kept.find((address, tls))
                if socket is None or not self._alive(socket):
                    socket = await self.open(address, tls)
                if len(socket.waiting) < ASKED:
                    return await socket.ask(rid, request), socket.verified
                async with socket.turns:
                    return await socket.ask(rid, request), socket.verified
        except TimeoutError:
            raise _too_late(address, timeout) from None

    async def open(self, address: Address, tls: ClientTls | None) -> Socket:
        """Return the connection to a server, a new one where there is none. Raises TransportClosed and RemoteError."""
        async with self._opening:
            kept = self._kept.find((address, tls))
            if kept is not None and self._alive(kept):
                return kept
            socket = self._kept[address, tls] = await open_socket(address, tls)
            socket.used_at = asyncio.get_running_loop().time()
            self._open_ones.add(socket)
            socket.closed.add_done_callback(lambda _: self._open_ones.discard(socket))
            return socket

    def _alive(self, socket: Socket) -> bool:
        if socket.usable and (socket.waiting or asyncio.get_running_loop().time() - socket.used_at < KEPT):
            return True
        socket.close()
        return False


def _expire(answer: asyncio.Future[Reply]) -> None:
    if not answer.done():
        answer.set_exception(TimeoutError())


def _too_late(address: Address, timeout: float) -> RequestTimeout:
    return RequestTimeout(f"{address}: no answer within {round(timeout, 2):g} s")

"""The HTTP server of a grape: it takes connections, bounds their number and their patience, and closes them."""

import asyncio
import contextlib
import logging
import math
import socket
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, cast

from core.aio.aside import aside
from core.aio.descriptors import part
from core.aio.tasks import TaskSet
from core.aio.turns import Turns
from core.frozen import frozen
from core.grape.api import Api, HttpReply, forbidden
from core.grape.config import GrapeConfig
from core.grape.forgeries import ForgeryCheck
from core.grape.listening import BACKLOG
from core.grape.local_address import is_this_machine
from core.limits.budget import Budget
from core.limits.fair import FairTable
from core.scope import network

if TYPE_CHECKING:  # brings aiohttp along: 10 MB and 0.1 s that a grape without HTTP clients does without
    from core.grape.http_connection import HttpConnection
    from core.grape.parser_source import Request

log = logging.getLogger(__name__)

SHUTDOWN_WAIT = 0.2  # seconds for answers under way; quitting ends within 1 s in all
SWEEPS_PER_TIMEOUT = 4  # a connection is closed at most a quarter of its time-out late
KEPT_PART = 16  # of the connections the 16th part is kept for this machine
HELD, HELD_HOST = 32_000_000, 4_000_000  # bytes that came and wait for their turn, in all and of one host: each read
# brings 256 KB, of which a request has 300 bytes
LOADING_PATIENCE = 30.0  # seconds to load the HTTP parser; 0.1 on a desktop, some on a board that is busy starting


@frozen
class HttpStatistics:
    """Counts since the server opened."""

    connections: int  # open now
    requests: int
    refused_connections: int  # closed, as too many were open
    timed_out: int  # connections closed because no whole request came
    forbidden: Mapping[str, int]  # requests that a web page may have forged, by the header field that told


class ApiServer:
    """Serves an Api. ONE timer looks after all time-outs. Full: the host with most connections loses the quietest.

    The HTTP parser is loaded by `load`, or when the first connection arrives: connections wait unread meanwhile.
    """

    def __init__(self, api: Api, config: GrapeConfig) -> None:
        self.api = api
        self.config = config
        self.loop = asyncio.get_running_loop()
        self.turns = Turns()
        self._requests = 0
        most = part(config.max_connections)
        # by the client's host; some places are kept for this machine
        self._connections: FairTable[HttpConnection, None, str] = FairTable(most, most, kept=most // KEPT_PART)
        self._held: Budget[str] = Budget(HELD, HELD_HOST, kept=HELD // KEPT_PART)
        self._deserted = asyncio.Event()  # the last connection is gone
        self._sweep_every = min(config.idle_timeout, config.body_timeout) / SWEEPS_PER_TIMEOUT
        self._sweep_timer: asyncio.TimerHandle | None = None
        self._refused = 0
        self._forgeries = ForgeryCheck(config.api_hosts)
        self._forbidden: Counter[str] = Counter()
        self._timed_out = 0
        self._connection_type: type[HttpConnection] | None = None
        self._arriving: dict[_Arriving, None] = {}
        self._tasks = TaskSet("HTTP API")

    # -- connections that arrive

    async def load(self) -> None:
        """Load the HTTP parser now, beside the loop; then let in those that wait for it. Idempotent."""
        if self._connection_type is None:
            self._connection_type = await aside(_load, LOADING_PATIENCE)
        arriving, self._arriving = self._arriving, {}
        for connection in arriving:
            connection.hand_over(cast(asyncio.Protocol, self._connection_type(self)))

    def make_connection(self) -> asyncio.Protocol:
        """Return the protocol of a connection that has just been accepted."""
        if self._connection_type is None:
            return _Arriving(self)
        return cast(asyncio.Protocol, self._connection_type(self))  # machine code derives from no class of Python's

    def arrived(self, connection: "_Arriving") -> None:
        """Let a connection wait for the parser; the first one has it loaded."""
        if len(self._arriving) >= self.config.max_connections:
            self._refused += 1
            connection.abort()
            return
        self._arriving[connection] = None
        if len(self._arriving) == 1:
            self._tasks.spawn(self._load_for_arriving(), name="load the HTTP parser")

    def left(self, connection: "_Arriving") -> None:
        """Forget a connection that waited for the parser."""
        self._arriving.pop(connection, None)

    async def _load_for_arriving(self) -> None:
        try:
            await self.load()
        finally:  # it could not be loaded, or the server stops
            self._abort_arriving()

    def _abort_arriving(self) -> None:
        arriving, self._arriving = self._arriving, {}
        for connection in arriving:
            connection.abort()

    # -- what connections call

    def connected(self, connection: "HttpConnection", host: str) -> None:
        """Take a connection from a host. When there are too many, the host with most loses its oldest."""
        for gone in self._connections.put(connection, None, network(host), kept=is_this_machine(host)):
            self._refused += 1
            gone.key.abort()
        if self._sweep_timer is None:
            self._sweep_later()

    def asked(self, connection: "HttpConnection") -> None:
        """Count a request; who asks is the last of its host to make room."""
        self._requests += 1
        self._connections.use(connection)

    def hold(self, client: str, before: int, now: int) -> bool:
        """Count bytes that are held for a client, in place of `before`; False: there is no room for more."""
        if now > before:
            return self._held.take(network(client), now - before, trusted=is_this_machine(client))
        self._held.give(network(client), before - now)
        return True

    def disconnected(self, connection: "HttpConnection") -> None:
        """Forget a connection."""
        self._connections.pop(connection)
        if not len(self._connections):
            self._deserted.set()

    def forbids(self, request: "Request") -> HttpReply | None:
        """Return the answer to a request that a web page may have forged, None for any other."""
        forgery = self._forgeries.forgery(request.headers)
        if forgery is None:
            return None
        self._forbidden[forgery.field] += 1
        if self._forbidden[forgery.field] == 1:  # a page could fill the log
            log.warning("an HTTP request was refused, as further ones will be: %s", forgery.sentence)
        return forbidden(forgery.sentence)

    def _sweep_later(self) -> None:
        self._sweep_timer = self.loop.call_later(self._sweep_every, self._sweep)

    def _sweep(self) -> None:
        self._sweep_timer = None
        now = self.loop.time()
        for connection in [connection for connection in self._connections if connection.due_at < now]:
            self._timed_out += 1
            connection.due_at = math.inf
            connection.abort()  # `close` would wait for a client that does not read
        if len(self._connections):
            self._sweep_later()

    def statistics(self) -> HttpStatistics:
        """Return the counts so far."""
        return HttpStatistics(
            len(self._connections), self._requests, self._refused, self._timed_out, dict(self._forbidden)
        )

    async def stop(self) -> None:
        """Close all connections, after a moment for the answers under way."""
        await self._tasks.aclose()
        self._abort_arriving()
        if self._sweep_timer is not None:
            self._sweep_timer.cancel()
            self._sweep_timer = None
        for connection in list(self._connections):
            connection.finish()
        if len(self._connections):
            self._deserted.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SHUTDOWN_WAIT):
                    await self._deserted.wait()
        for connection in list(self._connections):
            connection.abort()


class _Arriving(asyncio.Protocol):
    """A connection that came before the HTTP parser was loaded: it waits, unread, and is handed over then."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server
        self._transport: asyncio.Transport | None = None
        self._unread = b""  # what the transport had read before it paused
        self._ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.pause_reading()
        self._server.arrived(self)

    def data_received(self, data: bytes) -> None:
        """Keep what came all the same."""
        self._unread += data

    def eof_received(self) -> bool:
        """Keep the connection open for the answer."""
        self._ended = True
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._transport = None
        self._server.left(self)

    def hand_over(self, connection: asyncio.Protocol) -> None:
        """Let the connection proper take over."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        transport.set_protocol(connection)
        connection.connection_made(transport)
        if transport.is_closing():
            return
        transport.resume_reading()
        if self._unread:
            connection.data_received(self._unread)
        if self._ended and not connection.eof_received():
            transport.close()

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()


def _load() -> "type[HttpConnection]":
    from core.grape.http_connection import HttpConnection

    return HttpConnection


@contextlib.asynccontextmanager
async def serve_http(api: Api, config: GrapeConfig, sock: socket.socket) -> AsyncIterator[ApiServer]:
    """Serve `api` on a bound socket until the block ends; the socket is closed then."""
    server = ApiServer(api, config)
    if not config.lazy_http:
        await server.load()
    listener = await server.loop.create_server(server.make_connection, sock=sock, backlog=BACKLOG)
    try:
        yield server
    finally:
        listener.close()
        await server.stop()

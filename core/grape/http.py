"""The HTTP server of a grape: it takes connections, bounds their number and their patience, and closes them."""

import asyncio
import contextlib
import logging
import math
import socket
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from aiohttp.http import RawRequestMessage

from core.grape.api import Api, HttpReply, forbidden
from core.grape.config import GrapeConfig
from core.grape.http_connection import HttpConnection
from core.grape.web_guard import WebGuard

log = logging.getLogger(__name__)

SHUTDOWN_WAIT = 0.2  # seconds for answers under way; quitting ends within 1 s in all
SWEEPS_PER_TIMEOUT = 4  # a connection is closed at most a quarter of its time-out late


@dataclass(frozen=True, slots=True)
class HttpStatistics:
    """Counts since the server opened."""

    connections: int  # open now
    requests: int
    refused_connections: int  # closed at once, too many were open
    timed_out: int  # connections closed because no whole request came
    forbidden: Mapping[str, int]  # requests that a web page may have forged, by the header field that told


class ApiServer:
    """Serves an Api. Full: a connection over the bound is closed at once. ONE timer looks after all time-outs."""

    def __init__(self, api: Api, config: GrapeConfig) -> None:
        self.api = api
        self.config = config
        self.loop = asyncio.get_running_loop()
        self.requests = 0
        self._connections: set[HttpConnection] = set()
        self._deserted = asyncio.Event()  # the last connection is gone
        self._sweep_every = min(config.idle_timeout, config.body_timeout) / SWEEPS_PER_TIMEOUT
        self._sweep_timer: asyncio.TimerHandle | None = None
        self._refused = 0
        self._guard = WebGuard(config.api_hosts)
        self._forbidden: Counter[str] = Counter()
        self._timed_out = 0

    def connected(self, connection: HttpConnection) -> bool:
        """Take a connection; False when there are too many."""
        if len(self._connections) >= self.config.max_connections:
            self._refused += 1
            return False
        self._connections.add(connection)
        if self._sweep_timer is None:
            self._sweep_later()
        return True

    def disconnected(self, connection: HttpConnection) -> None:
        """Forget a connection."""
        self._connections.discard(connection)
        if not self._connections:
            self._deserted.set()

    def forbids(self, request: RawRequestMessage) -> HttpReply | None:
        """Return the answer to a request that a web page may have forged, None for any other."""
        forgery = self._guard.forgery(request.headers)
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
        if self._connections:
            self._sweep_later()

    def statistics(self) -> HttpStatistics:
        """Return the counts so far."""
        return HttpStatistics(
            len(self._connections), self.requests, self._refused, self._timed_out, dict(self._forbidden)
        )

    async def stop(self) -> None:
        """Close all connections, after a moment for the answers under way."""
        if self._sweep_timer is not None:
            self._sweep_timer.cancel()
            self._sweep_timer = None
        for connection in list(self._connections):
            connection.finish()
        if self._connections:
            self._deserted.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SHUTDOWN_WAIT):
                    await self._deserted.wait()
        for connection in list(self._connections):
            connection.abort()


@contextlib.asynccontextmanager
async def serve_http(api: Api, config: GrapeConfig, sock: socket.socket) -> AsyncIterator[ApiServer]:
    """Serve `api` on a bound socket until the block ends; the socket is closed then."""
    server = ApiServer(api, config)
    listener = await server.loop.create_server(lambda: HttpConnection(server), sock=sock)
    try:
        yield server
    finally:
        listener.close()
        await server.stop()

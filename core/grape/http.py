"""The HTTP side of a grape: aiohttp's low-level server, bounded in connections, bytes and patience."""

import asyncio
import contextlib
import errno
import functools
import logging
import os
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass

from aiohttp import web

from core.errors import LocalError
from core.grape.api import PAYLOAD_INVALID, PAYLOAD_TOO_LARGE, Api, HttpReply
from core.grape.config import ANY_HOST, GrapeConfig

BACKLOG = 128  # connections the kernel keeps for us; listen(2)'s usual bound
LINGER = 1.0  # seconds to read the rest of a request that was answered early (413), so that the answer arrives
SHUTDOWN_WAIT = 0.2  # seconds for answers under way; quitting ends within 1 s in all


@dataclass(frozen=True, slots=True)
class HttpStatistics:
    """Counts since the server opened."""

    connections: int  # open now
    requests: int
    refused_connections: int  # closed at once, too many were open
    timed_out: int  # connections closed because no whole request came


def _demote(record: logging.LogRecord) -> bool:
    """aiohttp logs strangers' malformed HTTP as errors with a traceback; here it is news for those who debug."""
    record.levelno, record.levelname = logging.DEBUG, "DEBUG"
    return _aiohttp_log.isEnabledFor(logging.DEBUG)


_aiohttp_log = logging.getLogger(f"{__name__}.aiohttp")
_aiohttp_log.addFilter(_demote)


class _Request(web.BaseRequest):
    """Answers without the headers that the Node grape does not send either."""

    async def _prepare_hook(self, response: web.StreamResponse) -> None:
        # aiohttp's only place to take headers away; should it move, clients see a Content-Type and work as well.
        response.headers.pop("Content-Type", None)
        response.headers.pop("Server", None)


class ApiServer(web.Server):
    """Serves an Api. Full: a connection over the bound is closed at once; idle and slow ones are closed by a sweep."""

    def __init__(self, api: Api, config: GrapeConfig) -> None:
        super().__init__(
            self._handle,
            request_factory=functools.partial(_Request, loop=asyncio.get_running_loop()),
            access_log=None,
            logger=_aiohttp_log,
            keepalive_timeout=2 * config.idle_timeout,  # not in use: the sweep is sooner
            lingering_time=LINGER,
            auto_decompress=False,  # the Node grape reads the body as it came; and there are no bombs
        )
        self._api = api
        self._config = config
        self._waiting: dict[web.RequestHandler, float] = {}  # since when each connection owes us a request
        self._sweep_timer: asyncio.TimerHandle | None = None
        self._refused = 0
        self._timed_out = 0
        self._loop_clock = asyncio.get_running_loop()

    # -- connections

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        """Take a connection, or close it when there are too many."""
        super().connection_made(handler, transport)
        if len(self.connections) > self._config.max_connections:
            self._refused += 1
            transport.abort()
            return
        self._waiting[handler] = self._loop_clock.time()
        if self._sweep_timer is None:
            self._sweep_later()

    def connection_lost(self, handler: web.RequestHandler, exc: BaseException | None = None) -> None:
        """Forget a connection."""
        super().connection_lost(handler, exc)
        self._waiting.pop(handler, None)

    def _sweep_later(self) -> None:
        self._sweep_timer = self._loop_clock.call_later(self._config.idle_timeout / 4, self._sweep)

    def _sweep(self) -> None:
        self._sweep_timer = None
        oldest = self._loop_clock.time() - self._config.idle_timeout
        for handler in [handler for handler, since in self._waiting.items() if since < oldest]:
            del self._waiting[handler]
            self._timed_out += 1
            if handler.transport is not None:
                handler.transport.abort()  # `close` would wait for a client that does not read
        if self.connections:
            self._sweep_later()

    # -- requests

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        connection = request.protocol
        self._waiting.pop(connection, None)
        try:
            reply = await self._answer(request)
        finally:
            if connection.transport is not None:
                self._waiting[connection] = self._loop_clock.time()
        return web.Response(status=reply.status, body=reply.body)

    async def _answer(self, request: web.BaseRequest) -> HttpReply:
        try:
            async with asyncio.timeout(self._config.body_timeout):
                body = await self._body(request)
        except TimeoutError:
            self._timed_out += 1
            if request.transport is not None:
                request.transport.abort()  # an answer would first wait for the rest of the body
            return PAYLOAD_INVALID
        if body is None:
            return PAYLOAD_TOO_LARGE
        return await self._api.answer(request.raw_path, body, request.remote)

    async def _body(self, request: web.BaseRequest) -> bytes | None:
        """Return the body, or None when it is over the limit."""
        limit = self._config.check_max_payload_size
        if (request.content_length or 0) > limit:
            return None
        if request.headers.get("Expect", "").lower() == "100-continue":
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")  # else older curls wait a second
            request.writer.output_size = 0
        body = bytearray()
        async for chunk in request.content.iter_any():
            body += chunk
            if len(body) > limit:
                return None
        return bytes(body)

    def statistics(self) -> HttpStatistics:
        """Return the counts so far."""
        return HttpStatistics(len(self.connections), self.requests_count, self._refused, self._timed_out)

    async def stop(self) -> None:
        """Close all connections, after a moment for the answers under way."""
        if self._sweep_timer is not None:
            self._sweep_timer.cancel()
            self._sweep_timer = None
        self.pre_shutdown()
        await self.shutdown(SHUTDOWN_WAIT)


def bind_tcp(host: str, port: int) -> socket.socket:
    """Return a socket bound to `host`; 0.0.0.0 takes IPv6 clients as well where there is IPv6, as Node does.

    Raises LocalError that names the port, the flag and what to do.
    """
    try:
        if host == ANY_HOST and socket.has_dualstack_ipv6():
            with contextlib.suppress(OSError):
                return _bind_dual_stack(port)
        return _bind(socket.AF_INET, host, port)
    except (OSError, UnicodeError) as error:
        raise LocalError(_advice(host, port, error)) from error


def _bind_dual_stack(port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        return _finish(sock, "::", port)
    except OSError:
        sock.close()
        raise


def _bind(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        return _finish(sock, host, port)
    except BaseException:
        sock.close()
        raise


def _finish(sock: socket.socket, host: str, port: int) -> socket.socket:
    if os.name == "posix":
        # A port whose connections linger after a restart (TIME_WAIT) is ours again; elsewhere this would let two share.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((host, port))
    sock.listen(BACKLOG)  # at once: with SO_REUSEADDR, Linux reports a port in use only here
    sock.setblocking(False)
    return sock


def _advice(host: str, port: int, error: Exception) -> str:
    number = getattr(error, "errno", None)
    if number == errno.EADDRINUSE:
        return f"TCP port {port} is in use by another program: close it or choose another port with --aph"
    if number == errno.EACCES:
        return f"TCP port {port} is forbidden here: choose one from 1024 to 65535, or 0 for any free one, with --aph"
    return f"TCP port {port} on {host} cannot be opened ({error}): choose another with --aph, or another host with -b"


@contextlib.asynccontextmanager
async def serve_http(api: Api, config: GrapeConfig, sock: socket.socket) -> AsyncIterator[ApiServer]:
    """Serve `api` on a bound socket until the block ends; the socket is closed then."""
    server = ApiServer(api, config)
    listener = await asyncio.get_running_loop().create_server(server, sock=sock)
    try:
        yield server
    finally:
        listener.close()
        await server.stop()

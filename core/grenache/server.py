"""The HTTP and WebSocket server of a peer: one TCP port, its connections, and what they may hold in all.

A request is a call as any other: `receive` makes it, the service answers it, and it hears how it ended. What strangers
may hold is in `core.limits.bounds`; memory is counted in the same budget as that of uTP.
"""

import asyncio
import contextlib
import logging
import socket
from collections import Counter
from collections.abc import Callable
from typing import Protocol, TypeAlias

from core.aio.descriptors import part
from core.aio.goodbye import CUT_OFF
from core.aio.listening import listening
from core.aio.tasks import TaskSet
from core.aio.turns import Turns
from core.errors import LocalError
from core.frozen import frozen
from core.grenache.config import HTTP, PUB, WS, WebConfig
from core.grenache.origins import OriginCheck
from core.grenache.packing import Packing
from core.limits import bounds
from core.limits.budget import Budget
from core.limits.fair import FairTable
from core.rpc.deadlines import Deadlines
from core.rpc.memory import Held, Memory, Owner, Standing
from core.rpc.received import Received
from core.rpc.slices import Slices
from core.tunnel.stream import ByteStream
from core.values import Address, Caller, JsonValue

BACKLOG = 1024  # connections the kernel keeps for us while we work: as many as one host may have
SWEEP_EVERY = 1.0  # seconds between looks at all connections

Receive: TypeAlias = Callable[[str, str, JsonValue, Caller, int], Received]  # (transport, key, payload, caller, bytes)

_log = logging.getLogger(__name__)


class Site(Protocol):
    """What a server serves, by the peer that it belongs to."""

    def receive(self, transport: str, key: str, payload: JsonValue, caller: Caller, size: int) -> Received:
        """Decide what a request is; one for a service that is not open over this transport is for nobody."""

    def standing(self, caller: Caller) -> Standing:
        """Return what a caller may hold."""

    def stream_name(self, key: str) -> str | None:
        """Return the service that takes streams of bytes under a key, None when there is none over HTTP."""

    def open_stream(self, stream: ByteStream) -> None:
        """Take a stream."""

    def open_over(self, transport: str) -> bool:
        """Return whether anything is open over a transport."""

    def subscribed(self, stream: ByteStream) -> bool:
        """Take a subscriber of the service that is published on this port; False: nothing is."""


@frozen
class WebStatistics:
    """`connections` is now; the others count since the server was made."""

    connections: int
    requests: int
    refused_connections: int
    forbidden: int  # requests that a web page may have forged


class WebServer:
    """Serves a site on one port, over HTTP and WebSocket. `start` and `aclose` are called once each."""

    def __init__(
        self, config: WebConfig, site: Site, memory: Memory, slices: Slices, *,
        per_host: int = bounds.WEB_CONNECTIONS_HOST,
    ) -> None:  # fmt: skip
        self.config = config
        self.site = site
        self.memory = memory
        self.slices = slices
        self.deadlines = Deadlines()
        self.origins = OriginCheck(config.origins)
        self.tasks = TaskSet("web server")
        self.packing = Packing()
        self.turns = Turns()
        self.count: Counter[str] = Counter()
        self.requests: Budget[Owner] = Budget(
            bounds.REQUESTS, bounds.REQUESTS_HOST, kept=bounds.REQUESTS_KEPT, per_trusted=bounds.REQUESTS_TRUSTED
        )
        most = part(bounds.WEB_CONNECTIONS)
        self._connections: FairTable[Connected, None, str] = FairTable(
            most, per_host, kept=min(bounds.CONNECTIONS_KEPT, most // 8)
        )
        self._waiting: dict[Connected, tuple[Standing, Callable[[], None]]] = {}  # in their order; one of each
        self._letting_in = False  # in the loop's next turn
        self._deserted = asyncio.Event()  # the last connection is gone
        self._listener: asyncio.Server | None = None
        self._sweeper: asyncio.TimerHandle | None = None
        self.address = Address(config.host, config.port)

    async def start(self) -> None:
        """Listen. Raises LocalError for a port that is taken, or TLS files that cannot be used."""
        from core.grenache.connection import HttpConnection  # brings aiohttp along, which most peers do without

        loop = asyncio.get_running_loop()
        if self.config.tls is not None:
            from core.grenache.tls import TlsProtocol, server_context

            context = await asyncio.to_thread(server_context, self.config.tls)
            sock = _bind(self.config)
            self._listener = await loop.create_server(
                lambda: TlsProtocol(context, lambda: HttpConnection(self), self), sock=sock, backlog=BACKLOG
            )
        else:
            sock = _bind(self.config)
            self._listener = await loop.create_server(lambda: HttpConnection(self), sock=sock, backlog=BACKLOG)
        self.address = Address(*sock.getsockname()[:2])
        self._sweep_later()

    async def aclose(self) -> None:
        """End everything. Idempotent."""
        if self._listener is not None:
            self._listener.close()
        if self._sweeper is not None:
            self._sweeper.cancel()
        for connection in list(self._connections):
            connection.abort()
        self.deadlines.close()
        if len(self._connections):
            self._deserted.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CUT_OFF):
                    await self._deserted.wait()
        await self.tasks.aclose()
        self.packing.close()

    def statistics(self) -> WebStatistics:
        """Return the counts so far."""
        count = self.count
        return WebStatistics(len(self._connections), count["requests"], self._connections.evicted, count["forbidden"])

    # -- connections --------------------------------------------------------------------------------------------------

    def connected(self, connection: "Connected", host: str, *, trusted: bool) -> None:
        """Take a connection; the oldest one of the host that has most makes room."""
        for gone in self._connections.put(connection, None, host, kept=trusted):
            gone.key.abort()

    def used(self, connection: "Connected") -> None:
        """Note that it asked something."""
        self.count["requests"] += 1
        self._connections.use(connection)

    def disconnected(self, connection: "Connected") -> None:
        """Forget a connection."""
        self._connections.pop(connection)
        self._waiting.pop(connection, None)
        if not len(self._connections):
            self._deserted.set()

    # -- requests that wait for others of their host ------------------------------------------------------------------

    def full(self, whose: Standing) -> bool:
        """Return whether a caller has as many requests under way as it may."""
        return not self.requests.fits(whose.owner, 1, trusted=whose.trusted)

    def in_turn(
        self, connection: "Connected", whose: Standing, begin: Callable[[], None], held: Held, size: int
    ) -> bool:
        """Call `begin` once there is room for the request of a connection; not if that is gone before.

        `held` counts the request's `size` bytes while it waits. False: there is no room for them.
        """
        if not self.full(whose):
            begin()
        elif held.grow(size):
            self._waiting[connection] = whose, begin
        else:
            return False
        return True

    def give_back(self, whose: Standing) -> None:
        """Give a request's place back, and let in who waits, all of this turn of the loop together."""
        self.requests.give(whose.owner, 1)
        if self._waiting and not self._letting_in:
            self._letting_in = True
            asyncio.get_running_loop().call_soon(self._let_in)

    def _let_in(self) -> None:
        self._letting_in = False
        full: set[Owner] = set()
        for connection, (whose, begin) in list(self._waiting.items()):
            if whose.owner in full or self.full(whose):
                full.add(whose.owner)
            elif self._waiting.pop(connection, None) is not None:
                begin()

    def refuses_plain(self) -> bool:
        """Return whether plain HTTP is not spoken here, only WebSocket."""
        return not self.site.open_over(HTTP)

    def upgrades(self) -> bool:
        """Return whether WebSocket is spoken here."""
        return self.site.open_over(WS) or self.site.open_over(PUB)

    def _sweep_later(self) -> None:
        self._sweeper = asyncio.get_running_loop().call_later(SWEEP_EVERY, self._sweep)

    def _sweep(self) -> None:
        now = asyncio.get_running_loop().time()
        for connection in list(self._connections):
            connection.look(now)
        self._sweep_later()


class Connected(Protocol):
    """A connection, as its server sees it."""

    def look(self, now: float) -> None:
        """Close it if it stalls, or was unused for too long."""

    def abort(self) -> None:
        """Close it at once."""

    def __hash__(self) -> int: ...


def _bind(config: WebConfig) -> socket.socket:
    try:
        return listening(config.host, config.port, BACKLOG)
    except (OSError, UnicodeError, OverflowError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise LocalError(
            f"TCP port {config.port} of {config.host} cannot be opened: {why}; choose another with --listen",
            name="ERR_PORT",
        ) from None

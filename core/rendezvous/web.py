"""Services that are offered over HTTP and WebSocket: their ports are opened, and announced under their names.

The port is announced under the service's own name ("fibonacci"), as every Grenache service is; what is announced as
`fibonacci_worker` is a uTP port, and a listing does not say which is which.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeAlias

from core.aio.tasks import TaskSet
from core.directory.announcer import Announcer
from core.directory.names import Directory
from core.errors import PeerError
from core.grenache.config import HTTP, PUB, WS, WebConfig
from core.grenache.server import Site, WebServer
from core.news.events import Announced, ErrorRaised
from core.news.hub import Hub
from core.news.network import PortOpen
from core.news.web import WebPortMapped, WebRow
from core.services.intents import Intent, Intents
from core.services.names import Role
from core.trust.audience import Audience

PATIENCE: Final = 10.0  # seconds for a port to open: TLS files are read in a thread

_log = logging.getLogger(__name__)


class WebSite(Site, Protocol):
    """What a port serves; `core.serving.web_site.WebSite`."""

    def open(self, service: str, transports: tuple[str, ...]) -> None:
        """Open a service."""

    def close(self, service: str) -> None:
        """Open it no longer."""

    def __len__(self) -> int: ...


class Mapper(Protocol):
    """Keeps a port of the router open for one of ours; `core.mapping.mapper.PortMapper`."""

    status: PortOpen

    def look_again(self) -> None:
        """Ask at once: our addresses are others."""

    def begin_again(self) -> None:
        """Ask as if it had just begun."""

    async def aclose(self) -> None:
        """Give the port back."""


OpenPort: TypeAlias = Callable[[int, Callable[[PortOpen], None]], Mapper | None]  # (our port, who is told)


@dataclass(slots=True, eq=False)
class _Port:
    server: WebServer
    site: WebSite
    mapper: Mapper | None = None

    @property
    def opened(self) -> PortOpen:
        """What the router does for it."""
        return PortOpen() if self.mapper is None else self.mapper.status

    def announced(self) -> int:
        """Return the port under which others reach it: the router's, where it opened one."""
        outside = self.opened.address
        return self.server.address.port if outside is None else outside.port

    async def aclose(self) -> None:
        """Close it, and the router's."""
        if self.mapper is not None:
            await self.mapper.aclose()
        await self.server.aclose()


@dataclass(slots=True)
class _Open:
    """One service: the transports it is open over, and where; None until its port is open."""

    transports: tuple[str, ...]
    ports: list[_Port] = field(default_factory=list)
    announcers: list[Announcer] = field(default_factory=list)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    nodes: int = 0


class WebRoles:
    """Opens what the intents have for HTTP and WebSocket. Requests share one port; what is published has its own."""

    def __init__(
        self,
        hub: Hub,
        config: WebConfig,
        intents: Intents,
        directory: Directory,
        audience: Callable[[str], Audience],
        make_site: Callable[[], WebSite],
        make_server: Callable[[WebConfig, WebSite], WebServer],
        open_port: OpenPort,
    ) -> None:
        """`open_port` asks the router for a port, where its owner wants that."""
        self._hub = hub
        self._config = config
        self._directory = directory
        self._audience = audience
        self._make_site = make_site
        self._make_server = make_server
        self._open_port = open_port
        self._shared: _Port | None = None  # of HTTP and WebSocket
        self._turn = asyncio.Lock()  # ports are opened one after the other
        self._open: dict[str, _Open] = {}
        self._problem: PeerError | None = None
        self._opening = TaskSet("web ports")
        self._ending = TaskSet("web ports that close")
        self._announcing = TaskSet("web announces")
        intents.subscribe(self._on_intent)

    async def aclose(self) -> None:
        """Close every port."""
        await self._announcing.aclose()
        await self._opening.aclose()
        await self._ending.settle(PATIENCE)
        await self._ending.aclose()
        for port in self._ports():
            await port.aclose()

    async def settled(self) -> None:
        """Wait until the ports are open. Raises LocalError for one that could not be opened."""
        await self._opening.settle(PATIENCE)
        if self._problem is not None:
            raise self._problem.again()

    def rows(self) -> tuple[WebRow, ...]:
        """Return what is open where."""
        return tuple(
            WebRow(
                name,
                tuple(each for each in entry.transports if (each == PUB) == port.site.open_over(PUB)),
                port.server.address,
                self._config.tls is not None and not port.site.open_over(PUB),
                self._audience(name),
                port.opened.address,
                port.opened.words,
            )
            for name, entry in self._open.items()
            for port in entry.ports
        )

    def publish(self) -> None:
        """Announce again now: the grapes around us have changed."""
        for port in self._ports():
            if port.mapper is not None:
                port.mapper.look_again()
        for entry in self._open.values():
            for announcer in entry.announcers:
                announcer.nudge()

    def begin_again(self) -> None:
        """Ask the router again: we slept, or are on another network."""
        for port in self._ports():
            if port.mapper is not None:
                port.mapper.begin_again()
        self.publish()

    # -- within -------------------------------------------------------------------------------------------------------

    def _ports(self) -> list[_Port]:
        found = [port for entry in self._open.values() for port in entry.ports]
        return list(dict.fromkeys([*found, *([self._shared] if self._shared else [])]))

    def _on_intent(self, intent: Intent, on: bool) -> None:
        if intent.role is not Role.WORKER:
            return
        name = intent.service
        if not on:
            self._close(name)
        elif over := tuple(each for each in intent.over if each in (HTTP, WS, PUB)):
            self._open[name] = _Open(over)
            self._opening.spawn(self._begin(name, self._open[name]), name=f"open {name} over {', '.join(over)}")

    async def _begin(self, name: str, entry: _Open) -> None:
        try:
            async with self._turn:
                await self._open_ports(name, entry)
            self._problem = None
        except PeerError as error:
            self._problem = error
            self._hub.emit(ErrorRaised(self._hub.now(), error.name, str(error)))

    async def _open_ports(self, name: str, entry: _Open) -> None:
        requests = tuple(each for each in entry.transports if each != PUB)
        if requests:
            await self._join(name, entry, requests)
        if PUB in entry.transports:
            site = self._make_site()
            site.open(name, (PUB,))
            await self._listen(name, entry, await self._start(self._config.published(), site))

    async def _join(self, name: str, entry: _Open, transports: tuple[str, ...]) -> None:
        """Open a service on the port that those for requests share."""
        port = self._shared
        if port is None:
            site = self._make_site()
            port = self._shared = await self._start(self._config, site)
        port.site.open(name, transports)
        await self._listen(name, entry, port)

    async def _start(self, config: WebConfig, site: WebSite) -> _Port:
        port = _Port(self._make_server(config, site), site)
        await port.server.start()
        port.mapper = self._open_port(port.server.address.port, lambda opened: self._opened(port, opened))
        return port

    def _opened(self, port: _Port, opened: PortOpen) -> None:
        """Announce the port that the router opened, or no longer does."""
        for entry in self._open.values():
            if port in entry.ports:
                for announcer in entry.announcers:
                    announcer.nudge()
        self._hub.emit(WebPortMapped(self._hub.now(), port.server.address.port, opened))
        self._hub.touch()

    async def _listen(self, name: str, entry: _Open, port: _Port) -> None:
        if self._open.get(name) is not entry:  # closed meanwhile
            port.site.close(name)
            if not len(port.site):
                await self._end(port)
            return
        entry.ports.append(port)
        announcer = Announcer(
            name, port.announced, self._directory,
            lambda nodes, error: self._announced(name, entry, nodes),
        )  # fmt: skip
        entry.announcers.append(announcer)
        entry.tasks.append(self._announcing.spawn(announcer.run(), name=f"announce {name}"))
        self._hub.touch()

    def _announced(self, name: str, entry: _Open, nodes: int) -> None:
        if nodes and nodes != entry.nodes:
            self._hub.emit(Announced(self._hub.now(), name, nodes))
        entry.nodes = nodes

    def _close(self, name: str) -> None:
        entry = self._open.pop(name, None)
        if entry is None:
            return
        for task in entry.tasks:
            task.cancel()
        for port in entry.ports:
            port.site.close(name)
            if not len(port.site):
                self._shared = None if self._shared is port else self._shared
                self._ending.spawn(self._end(port), name=f"close {name}")

    async def _end(self, port: _Port) -> None:
        if self._shared is port:
            self._shared = None
        await port.aclose()
        if port.opened.address is not None:
            given_back = PortOpen(words="The port of HTTP and WebSocket is closed, and the router has its own back.")
            self._hub.emit(WebPortMapped(self._hub.now(), port.server.address.port, given_back))

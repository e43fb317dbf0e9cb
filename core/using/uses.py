"""Services of other peers that are open here, each as a local port or page, until they are closed."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Protocol

from core.errors import LocalError, PeerError
from core.news.events import UseRow
from core.peer_id import PeerId
from core.tunnel.stream import ByteStream
from core.using.tcp import TcpUse
from core.using.udp import UdpUse
from core.values import Address, JsonValue
from core.wire.stream_opening import DATAGRAMS, DATAGRAMS_VERSION, Opening

MAX_USES: Final = 64
WAYS: Final = {"tcp": "tcp", "http": "http", "folder": "http", "udp": "udp"}  # how a kind is used from here

_log = logging.getLogger(__name__)

Open = Callable[[PeerId, Opening], Awaitable[ByteStream]]  # raises PeerError


class Port(Protocol):
    """A local port."""

    @property
    def address(self) -> Address:
        """Where local programs connect to."""

    async def start(self) -> None:
        """Begin to listen. Raises LocalError."""

    async def aclose(self) -> None:
        """Stop."""


@dataclass(eq=False, slots=True)
class _Use:
    peer_id: PeerId
    peer: str  # its name here
    service: str
    kind: str
    where: str  # a URL, or HOST:PORT
    port: Port | None  # None: one of the pages
    problem: str = ""


class Uses:
    """Opens services. `open_stream` opens a stream to a service of a peer."""

    def __init__(self, open_stream: Open, touch: Callable[[], None] = lambda: None) -> None:
        self._open_stream = open_stream
        self._touch = touch
        self._uses: dict[str, _Use] = {}
        self._pages: Pages | None = None

    async def aclose(self) -> None:
        """Close everything."""
        for where in list(self._uses):
            await self.close(where)
        if self._pages is not None:
            await self._pages.aclose()

    def rows(self) -> tuple[UseRow, ...]:
        """Return what the window shows."""
        return tuple(
            UseRow(use.where, use.peer_id, use.peer, use.service, use.kind, use.problem) for use in self._uses.values()
        )

    async def open(self, peer_id: PeerId, peer: str, service: str, kind: str, port: int = 0) -> str:
        """Open a service here; return a URL, or HOST:PORT. One that is open already is returned as it is.

        `peer` is the peer's name here, which a page's address has. Raises LocalError for a kind that cannot be used so.
        """
        for use in self._uses.values():
            if (use.peer_id, use.service) == (peer_id, service) and (not port or use.where.endswith(f":{port}")):
                return use.where
        if len(self._uses) >= MAX_USES:
            raise LocalError(f"{MAX_USES} services are open here: close one first", name="ERR_TOO_MANY")
        way = WAYS.get(kind)
        if way is None:
            verb = "grapevine watch" if kind == "values" else "grapevine request"
            raise LocalError(
                f"{service} is no port and no page: use '{verb} {peer}/{service}'", name="ERR_NOT_A_STREAM"
            )
        use = await (self._open_page if way == "http" else self._open_port)(peer_id, peer, service, kind, port)
        self._uses[use.where] = use
        self._touch()
        return use.where

    async def close(self, where: str) -> None:
        """Close a service that is open here. Idempotent."""
        use = self._uses.pop(where, None)
        if use is None:
            return
        if use.port is not None:
            await use.port.aclose()
        elif self._pages is not None:
            await self._pages.remove(use.where)
        self._touch()

    async def _open_port(self, peer_id: PeerId, peer: str, service: str, kind: str, port: int) -> _Use:
        use = _Use(peer_id, peer, service, kind, "", None)

        def on_problem(error: PeerError | None) -> None:
            self._note(use, error)

        async def open_stream() -> ByteStream:
            return await self._open_stream(peer_id, Opening(service, details))

        details: dict[str, JsonValue] = {DATAGRAMS: DATAGRAMS_VERSION} if kind == "udp" else {}
        opened: Port = (UdpUse if kind == "udp" else TcpUse)(open_stream, port=port, on_problem=on_problem)
        await opened.start()
        use.port, use.where = opened, str(opened.address)
        return use

    async def _open_page(self, peer_id: PeerId, peer: str, service: str, kind: str, port: int) -> _Use:
        if self._pages is None:
            from core.using.http import LocalPages  # 20 MB of aiohttp, only for pages

            pages = LocalPages(port=port)
            await pages.start()
            self._pages = pages
        use = _Use(peer_id, peer, service, kind, "", None)

        async def open_stream() -> ByteStream:
            try:
                stream = await self._open_stream(peer_id, Opening(service, {}))
            except PeerError as error:
                self._note(use, error)
                raise
            self._note(use, None)
            return stream

        use.where = self._pages.add(service, peer, open_stream)
        return use

    def _note(self, use: _Use, error: PeerError | None) -> None:
        problem = "" if error is None else f"{error}"
        if problem != use.problem:
            use.problem = problem
            self._touch()


class Pages(Protocol):
    """What is needed of `core.using.http.LocalPages`."""

    def add(self, service: str, peer: str, open_stream: Callable[[], Awaitable[ByteStream]]) -> str:
        """Open a page; return its URL."""

    async def remove(self, url: str) -> None:
        """Close a page."""

    async def aclose(self) -> None:
        """Close all."""

"""Keeps one port of the router open for this peer: asked by all protocols at once, renewed, given back at the end.

What a router answers is believed only as far as it may be true: an outside address that is itself private has another
router before it, and opens nothing.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Final, Protocol

from core.aio.aside import aside
from core.aio.tasks import TaskSet
from core.aio.waiting import wait_for
from core.mapping.asking import Mapped
from core.mapping.gateway import gateway
from core.mapping.status import PortOpen
from core.mapping.upnp import Upnp
from core.mapping.ways import ByPacket, ByUpnp
from core.scope import Scope, scope
from core.values import Address
from core.wire import port_mapping as wire

LOOK: Final = 60.0  # seconds between looks which router is ours; a change of our addresses is told at once
ASK_SYSTEM: Final = 3.0  # seconds for the system to name the router
_log = logging.getLogger(__name__)


class Own(Protocol):
    """What is needed of our own addresses."""

    def local(self, toward: Address) -> str | None:
        """Return our host toward another."""

    def is_beside(self, address: Address) -> bool:
        """Return whether another is on a network of ours."""

    def hosts_6(self) -> tuple[str, ...]:
        """Return our IPv6 hosts, the one first that the system would leave from."""

    def map_to(self, address: Address | None) -> None:
        """Take what a router forwards to us."""

    def let_in(self, address: Address | None) -> None:
        """Take where a router lets IPv6 packets for us in."""

    def subscribe(self, listener: Callable[[], None]) -> None:
        """Call `listener` when our addresses are others."""


class PortMapper:
    """Owns the mapping of port `port`, of UDP unless `tcp`. `tell` is called whenever `status` is another."""

    _nobody = "This network has no router that could open a port."

    def __init__(
        self, own: Own, port: int, tell: Callable[[PortOpen], None],
        find_gateway: Callable[[], str | None] = gateway, at: int = wire.PORT,
        upnp: Callable[[str, str, bool], Upnp] = Upnp, *, tcp: bool = False,
    ) -> None:  # fmt: skip
        """`at`: the router's UDP port for PCP and NAT-PMP."""
        self._own = own
        self._port = port
        self._tcp = tcp
        self._kind = "TCP port" if tcp else "port"
        self._at = at
        self._tell = tell
        self._find = find_gateway
        self._upnp = upnp
        self._wanted: Address | None = None
        self._nudge = asyncio.Event()
        self._afresh = False
        self._tasks = TaskSet("port mapping")
        self._ways: tuple[ByPacket | ByUpnp, ...] = ()
        self.status = PortOpen()
        own.subscribe(self.look_again)

    def start(self) -> None:
        """Ask from now on."""
        self._tasks.spawn(self._run(), name="open a port of the router")

    def look_again(self) -> None:
        """Ask at once: the network, or the router's clock, is another."""
        self._nudge.set()

    def begin_again(self) -> None:
        """Ask as if we had just begun: we slept, and what was open may be closed."""
        self._afresh = True
        self._nudge.set()

    async def aclose(self) -> None:
        """Give the port back, and end."""
        await self._tasks.aclose()
        self._told(None)

    # -- the loop ----------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        place: tuple[str, str] | None = None
        async with AsyncExitStack() as asked:
            while True:
                found = await self._place()
                if found is None:
                    self._say(PortOpen(words=self._nobody))
                if found != place or self._afresh:
                    await asked.aclose()
                    place, self._afresh = found, False
                    if found is not None:
                        await self._ask_on(*found, asked)
                await wait_for(self._nudge, LOOK)

    async def _place(self) -> tuple[str, str] | None:
        """Return our host and the router's on the network between them, or None when there is none to ask."""
        try:
            router = await aside(self._find, ASK_SYSTEM)
        except TimeoutError:
            return None
        if router is None or not self._own.is_beside(Address(router, self._at)):
            return None
        host = self._host_toward(Address(router, self._at))
        return None if host is None else (host, router)

    def _host_toward(self, router: Address) -> str | None:
        """Return our host on the network of a router; None where that needs no port opened."""
        host = self._own.local(router)
        return None if host is None or scope(host) is Scope.PUBLIC else host

    async def _ask_on(self, host: str, router: str, asked: AsyncExitStack) -> None:
        """Begin to ask on a network, by all protocols; `asked` ends it and gives the port back."""

        def changed() -> None:
            if by_packet.mapped is None:
                by_upnp.take_over()
            self._choose()

        client, at = Address(host, self._port), Address(router, self._at)
        by_packet = ByPacket(client, at, self._wanted, changed, tcp=self._tcp)
        upnp = self._upnp(host, router, self._tcp)
        by_upnp = ByUpnp(upnp, self._port, lambda: by_packet.mapped is not None, self._choose)
        self._ways = (by_packet, by_upnp)
        asked.push_async_callback(self._leave)
        for way in self._ways:
            asked.push_async_callback(way.aclose)
            await way.start()

    async def _leave(self) -> None:
        self._ways = ()
        self._told(None)

    def _choose(self) -> None:
        """Take the best mapping of those that there are: PCP or NAT-PMP, whose router tells of its own restart."""
        for way in self._ways:
            if way.mapped is not None:
                return self._take(way.mapped)
        self._told(None)
        if all(way.words is not None for way in self._ways):
            why = dict.fromkeys(way.words for way in self._ways if way.words)
            self._say(PortOpen(words=self._refusal("; ".join(why))))
        return None

    # -- what is so --------------------------------------------------------------------------------------------------

    def _take(self, mapped: Mapped) -> None:
        self._wanted = mapped.address
        if scope(mapped.address.host) is not Scope.PUBLIC:
            self._told(None)
            words = f"Your router opened a port, but another router is before it: {mapped.address.host} is not public."
            self._say(PortOpen(how=mapped.how, words=words))
            return
        self._told(mapped.address)
        self._say(PortOpen(mapped.address, mapped.how, self._success(mapped)))

    def _told(self, address: Address | None) -> None:
        """Hand on where the Internet reaches us."""
        self._own.map_to(address)

    def _success(self, mapped: Mapped) -> str:
        return f"Your router opened {self._kind} {mapped.address.port} ({mapped.how})."

    def _refusal(self, why: str) -> str:
        """Return that nothing was opened, and why; "": nobody answered."""
        if not why:
            return "Your router opens no ports by itself: it answers neither PCP, NAT-PMP nor UPnP."
        return f"Your router did not open a {self._kind}: {why}."

    def _say(self, status: PortOpen) -> None:
        if status == self.status:
            return
        self.status = status
        _log.info("port mapping: %s", status.words)
        self._tell(status)

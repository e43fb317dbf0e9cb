"""mDNS on one of our networks, by python-zeroconf, which is loaded when it is first used.

One instance for each host of ours: so a network hears the address that we have there, and no other.
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Protocol

from core.aio.aside import aside
from core.aio.tasks import TaskSet
from core.errors import LocalError
from core.lan.instance import SERVICE, Instance, Offer, label, read
from core.scope import is_six, network

if TYPE_CHECKING:
    from zeroconf import ServiceStateChange, Zeroconf
    from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

LOADING_PATIENCE = 30.0  # seconds to import it; 0.04 on a desktop
RESOLVE = 3.0  # seconds for an instance's records; mostly they came with its name
MOST_RESOLVING = 16  # at once; more are let go, and heard again with their next announcement
MOST_TXT = 400  # bytes that are looked at; ours has 70 to 265
FAREWELL = 0.05  # seconds: the first packet of it leaves at once, and nobody waits for the other two
_OWN_LINK_6 = (  # linux/in6.h: IPV6_MULTICAST_ALL; linux/in.h: IP_MULTICAST_ALL; Python has no names for them
    (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, 1),
    (socket.IPPROTO_IPV6, 29, 0),
    (socket.IPPROTO_IP, 49, 0),
)
_log = logging.getLogger(__name__)

OnSeen = Callable[[Instance], None]
OnGone = Callable[[str], None]


class Wire(Protocol):
    """Our presence on one network."""

    async def tell(self, offer: Offer) -> None:
        """Tell something else of us, under the same name."""

    async def aclose(self) -> None:
        """Say that we leave, and end."""


OpenWire = Callable[[Offer, OnSeen, OnGone], Awaitable[Wire]]


class NotInstalled(LocalError):
    """The package is missing."""

    name = "ERR_LAN"


async def open_wire(offer: Offer, on_seen: OnSeen, on_gone: OnGone) -> Wire:
    """Be there, and listen who else is. Raises NotInstalled, and LocalError where this network takes no multicast."""
    try:
        await aside(_load, LOADING_PATIENCE)
    except ImportError:
        raise NotInstalled("the package zeroconf is not installed") from None
    except TimeoutError:
        raise LocalError("the package zeroconf did not load", name="ERR_LAN") from None
    wire = _ZeroconfWire(offer, on_seen, on_gone)
    try:
        await wire.start()
    except asyncio.CancelledError:
        await wire.aclose()
        raise
    except Exception as error:  # of a library and of the system: no multicast there costs nothing else
        await wire.aclose()
        raise LocalError(f"{offer.host}: {error}", name="ERR_LAN") from error
    return wire


def _load() -> None:
    import zeroconf.asyncio  # noqa: F401

    # it logs each malformed packet of anybody as a warning, with a traceback
    logging.getLogger("zeroconf").setLevel(logging.CRITICAL)


def _stay_on_link(mdns: "Zeroconf") -> None:
    """Have the system send nothing of mDNS through a router, whatever source a query claims: it would be reflected.

    Of IPv6 Linux has no such option: a single hop ends at the router, and see `_mdns_6`. There it hears its own link
    only, not what other sockets of this machine wait for on others, nor IPv4.
    """
    for wrapped in {*mdns.engine.readers, *mdns.engine.senders}:
        sock = wrapped.transport.get_extra_info("socket")
        six = sock.family == socket.AF_INET6
        for level, option, value in _OWN_LINK_6 if six else ((socket.SOL_SOCKET, socket.SO_DONTROUTE, 1),):
            with contextlib.suppress(OSError):  # a system without this option
                sock.setsockopt(level, option, value)


def _mdns_4(offer: Offer) -> "AsyncZeroconf":
    from zeroconf import IPVersion
    from zeroconf.asyncio import AsyncZeroconf

    return AsyncZeroconf(interfaces=[offer.host], ip_version=IPVersion.V4Only)


def _mdns_6(offer: Offer) -> "AsyncZeroconf":
    """Return mDNS on the link of our host. It answers who is on that link, and sends nothing to any other source."""
    from zeroconf import IPVersion, Zeroconf
    from zeroconf.asyncio import AsyncZeroconf

    near = {network(host) for host in offer.more}

    class OnLink(Zeroconf):
        def async_send(self, out: Any, addr: str | None = None, *rest: Any, **more: Any) -> None:  # noqa: ANN401
            if addr is None or addr.startswith("fe80:") or network(addr) in near:
                super().async_send(out, addr, *rest, **more)

    own = OnLink(interfaces=[offer.host.partition("%")[0]], ip_version=IPVersion.V6Only)
    return AsyncZeroconf(zc=own)


async def _told(telling: Awaitable[None]) -> None:
    with contextlib.suppress(OSError):  # a network that went meanwhile
        await telling


def _info(offer: Offer) -> "AsyncServiceInfo":
    from zeroconf.asyncio import AsyncServiceInfo

    return AsyncServiceInfo(
        SERVICE, f"{offer.name}.{SERVICE}", offer.peer_port, properties=offer.properties(),
        server=f"{offer.name}.local.", parsed_addresses=offer.told,
    )  # fmt: skip


class _ZeroconfWire:
    def __init__(self, offer: Offer, on_seen: OnSeen, on_gone: OnGone) -> None:
        self._offer = offer
        self._on_seen = on_seen
        self._on_gone = on_gone
        self._resolving: set[str] = set()
        self._tasks = TaskSet(f"mDNS on {offer.host}")
        self._mdns: AsyncZeroconf | None = None
        self._browser: AsyncServiceBrowser | None = None
        self._info: AsyncServiceInfo | None = None

    async def start(self) -> None:
        from zeroconf.asyncio import AsyncServiceBrowser

        offer = self._offer
        self._mdns = mdns = _mdns_6(offer) if is_six(offer.host) else _mdns_4(offer)
        await mdns.zeroconf.async_wait_for_start()
        _stay_on_link(mdns.zeroconf)
        self._browser = AsyncServiceBrowser(mdns.zeroconf, SERVICE, handlers=[self._on_change])
        self._info = _info(offer)
        # a random name needs no probing whether somebody has it
        telling = await mdns.async_register_service(self._info, cooperating_responders=True)
        self._tasks.spawn(_told(telling), name="tell the network that we are here")

    async def tell(self, offer: Offer) -> None:
        """See Wire."""
        if self._mdns is not None:
            self._offer, self._info = offer, _info(offer)
            self._tasks.spawn(_told(await self._mdns.async_update_service(self._info)), name="tell the network")

    async def aclose(self) -> None:
        """See Wire."""
        await self._tasks.aclose()
        mdns, self._mdns = self._mdns, None
        if mdns is None:
            return
        with contextlib.suppress(Exception):  # of a network that is gone
            if self._browser is not None:
                await self._browser.async_cancel()
            if self._info is not None:
                rest = asyncio.ensure_future(await mdns.async_unregister_service(self._info))  # noqa: TID251
                await asyncio.wait([rest], timeout=FAREWELL)
                rest.cancel()
        with contextlib.suppress(Exception):
            await mdns.async_close()

    def _on_change(
        self, zeroconf: "Zeroconf", service_type: str, name: str, state_change: "ServiceStateChange"
    ) -> None:
        """Resolve an instance that is new or another than before. Called on the loop."""
        instance = label(name)
        if instance is None or instance == self._offer.name:
            return
        if state_change.name == "Removed":
            self._on_gone(instance)
        elif instance not in self._resolving and len(self._resolving) < MOST_RESOLVING:
            self._resolving.add(instance)
            task = self._tasks.spawn(self._resolve(instance, name), name="resolve a peer on the network")
            task.add_done_callback(lambda _: self._resolving.discard(instance))

    async def _resolve(self, instance: str, name: str) -> None:
        from zeroconf import IPVersion
        from zeroconf.asyncio import AsyncServiceInfo

        if self._mdns is None:
            return
        info = AsyncServiceInfo(SERVICE, name)
        try:
            answered = await info.async_request(self._mdns.zeroconf, RESOLVE * 1000)
        except Exception as error:  # of a library that reads what anybody sent
            _log.debug("an instance could not be resolved: %s", error)
            return
        if not answered or len(info.text or b"") > MOST_TXT:
            return
        kind = IPVersion.V6Only if is_six(self._offer.host) else IPVersion.V4Only
        zone = self._offer.host.partition("%")[2]
        found = read(instance, info.port, info.properties, info.parsed_addresses(kind), zone)
        if found is not None:
            self._on_seen(found)

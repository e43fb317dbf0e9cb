"""Keeps our port open in the router's firewall for IPv6: a pinhole, asked for, renewed and given back as a port is.

Most routers let in answers only. What is opened is one port of one address of ours. A router that translates IPv6 all
the same (NPTv6, NAT66) says at which address the Internet reaches us.
"""

from collections.abc import Callable
from contextlib import AsyncExitStack

from core.mapping.asking import Mapped
from core.mapping.gateway import gateway_6
from core.mapping.mapper import Own, PortMapper
from core.mapping.status import PortOpen
from core.mapping.upnp import Upnp
from core.mapping.upnp_6 import UpnpPinhole
from core.values import Address
from core.wire import port_mapping as wire


class PinholeKeeper(PortMapper):
    """See PortMapper; of IPv6."""

    _nobody = ""  # most networks have no IPv6, and that is said elsewhere

    def __init__(
        self, own: Own, port: int, tell: Callable[[PortOpen], None],
        find_gateway: Callable[[], str | None] = gateway_6, at: int = wire.PORT,
        upnp: Callable[[str, str, bool], Upnp] = UpnpPinhole,
    ) -> None:  # fmt: skip
        super().__init__(own, port, tell, find_gateway, at, upnp)

    def _host_toward(self, router: Address) -> str | None:
        return next(iter(self._own.hosts_6()), None)

    async def _ask_on(self, host: str, router: str, asked: AsyncExitStack) -> None:
        self._wanted = None  # what was let in before is another address of ours
        await super()._ask_on(host, router, asked)

    def _told(self, address: Address | None) -> None:
        self._own.let_in(address)

    def _success(self, mapped: Mapped) -> str:
        at = f"Your router lets IPv6 packets for port {mapped.address.port} in ({mapped.how})."
        if mapped.address.host in self._own.hosts_6():
            return at
        return f"{at} It translates IPv6: the Internet reaches this computer at {mapped.address.host}."

    def _refusal(self, why: str) -> str:
        if not why:
            return "Your router does not let IPv6 packets in by itself: it answers neither PCP nor UPnP."
        return f"Your router does not let IPv6 packets in: {why}."

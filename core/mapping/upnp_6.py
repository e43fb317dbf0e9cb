"""Asking the router to let IPv6 packets for our port in, by UPnP: WANIPv6FirewallControl:1 of IGD 2.

The router is asked over IPv6 from the address that is to be let in, as it opens pinholes for the asker alone. It is
looked for with datagrams to the default gateway and nowhere else; what answers is on our network, and is the machine
that describes itself.
"""

import asyncio
from typing import Any

from core.mapping.asking import LEAST, LIFETIME, Mapped
from core.mapping.upnp import Upnp, UpnpError, refusals, troubles
from core.scope import network
from core.values import Address
from core.wire import igd

_UDP = "17"  # IANA's protocol number, as the service takes it


class UpnpPinhole(Upnp):
    """One router's firewall for IPv6. `host`: ours, to be reached; `gateway`: its link-local one, with zone."""

    kinds = igd.PINHOLES

    def __init__(self, host: str, gateway: str, tcp: bool = False) -> None:
        super().__init__(host, gateway, tcp)
        self._pinhole: str | None = None  # its number at the router

    async def _map(self, port: int, now: float) -> Mapped:
        where = await self._where()
        try:
            async with self._session() as session:
                to = self._service = self._service or await self._find(session, where)
                if self._pinhole is None or not await self._renewed(session, to):
                    self._pinhole = await self._opened(session, to, port)
        except troubles() as error:
            self._service = self._pinhole = None
            raise UpnpError(str(error) or "it did not answer in time") from error
        self._mapped = Address(self._host, port)
        return Mapped(self._mapped, "UPnP", now + max(float(LIFETIME), LEAST))

    async def holds(self) -> bool:
        """Return whether the router still has the pinhole; False too where it does not answer, or is another by now."""
        service, pinhole = self._service, self._pinhole
        if service is None or pinhole is None:
            return False
        try:
            async with self._session() as session:
                return await self._renewed(session, service)
        except refusals():
            return False

    async def unmap(self) -> None:
        """Close the pinhole; a router that does not answer is left alone."""
        service, pinhole = self._service, self._pinhole
        self._mapped = self._pinhole = None
        if service is None or pinhole is None:
            return
        try:
            async with self._session() as session:
                await self._call(session, service, "DeletePinhole", {"UniqueID": pinhole})
        except refusals():
            return

    async def _renewed(self, session: Any, to: igd.Service) -> bool:  # noqa: ANN401 - aiohttp's, loaded late
        asked = {"UniqueID": self._pinhole or "", "NewLeaseTime": str(LIFETIME)}
        return not isinstance(await self._call(session, to, "UpdatePinhole", asked), igd.Refused)

    async def _opened(self, session: Any, to: igd.Service, port: int) -> str:  # noqa: ANN401
        """Open a pinhole and return its number. Raises UpnpError."""
        status = await self._call(session, to, "GetFirewallStatus", {})
        if not isinstance(status, igd.Refused) and status.get("InboundPinholeAllowed") == "0":
            raise UpnpError(igd.PINHOLE_WORDS[703])
        asked = {
            "RemoteHost": "", "RemotePort": "0", "InternalClient": self._host, "InternalPort": str(port),
            "Protocol": "6" if self._protocol == "TCP" else _UDP, "LeaseTime": str(LIFETIME),
        }  # fmt: skip
        done = await self._call(session, to, "AddPinhole", asked)
        if isinstance(done, igd.Refused):
            raise UpnpError(igd.PINHOLE_WORDS.get(done.code, f"it refuses, with number {done.code}"))
        number = done.get("UniqueID", "")
        if not (number.isascii() and number.isdigit() and int(number) < 65536):
            raise igd.MalformedIgd("it gives a pinhole no number")
        return number

    async def _search(self) -> str:
        at = (await asyncio.get_running_loop().getaddrinfo(self._gateway, igd.PORT))[0][4]
        return await self._heard((igd.search(target, 1, igd.GROUP_6), at) for target in igd.SEARCHED)

    def _speaks(self, sender: str) -> bool:
        return sender != self._host and network(sender) == network(self._host)

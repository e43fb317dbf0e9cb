"""Asking the router for a port by UPnP: found by SSDP, described over HTTP, asked by SOAP. Nobody else is asked.

Only the default gateway's own answers count, redirects are not followed, and what it says is bounded: core/wire/igd.py.
"""

import asyncio
import ipaddress
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from core.mapping.asking import LEAST, LIFETIME, Mapped
from core.scope import Scope, scope
from core.values import Address
from core.wire import igd

if TYPE_CHECKING:
    from aiohttp import ClientSession, StreamReader

SEARCH: Final = 2.0  # seconds for a router's answer to the search; MX is 1
REQUEST: Final = 5.0  # seconds for one HTTP request: small routers take 1 to 2
DESCRIPTION: Final = "Grapevine"  # as the router's own pages show it
OTHERS: Final = 3  # further ports that are tried when another machine has ours


class UpnpError(Exception):
    """The router did not answer, or refused; its words are for the owner."""


def troubles() -> tuple[type[Exception], ...]:
    """Return what asking a router raises, when it does not answer or says nonsense."""
    from aiohttp import ClientError

    return (ClientError, OSError, TimeoutError, igd.MalformedIgd)


def refusals() -> tuple[type[Exception], ...]:
    """Return the same, and what it raises when the router refuses."""
    return (UpnpError, *troubles())


class Upnp:
    """One router's UPnP, found once. `host`: ours on its network; `gateway`: its own. A UDP port, unless `tcp`."""

    kinds: tuple[str, ...] = igd.SERVICES  # of the router's services, what is asked

    def __init__(self, host: str, gateway: str, tcp: bool = False) -> None:
        self._protocol = "TCP" if tcp else "UDP"
        self._host = host
        self._gateway = gateway
        self._service: igd.Service | None = None
        self._mapped: Address | None = None

    async def map(self, port: int, now: float) -> Mapped:
        """Map our port, or renew it. Raises UpnpError."""
        known = self._service is not None
        try:
            return await self._map(port, now)
        except UpnpError:
            if not known or self._service is not None:
                raise
        return await self._map(port, now)  # a router that was restarted may be asked elsewhere

    async def _map(self, port: int, now: float) -> Mapped:
        where = await self._where()
        try:
            async with self._session() as session:
                to = self._service or await self._find(session, where)
                self._service = to
                host = await self._own_host(session, to)
                outside, life = await self._add(session, to, port)
        except troubles() as error:
            self._service = None
            raise UpnpError(str(error) or "it did not answer in time") from error
        self._mapped = Address(host, outside)
        return Mapped(self._mapped, "UPnP", now + life)

    async def holds(self) -> bool:
        """Return whether the router still has the mapping, at the same address; False too where it does not answer."""
        if self._service is None or self._mapped is None:
            return False
        entry = {"NewRemoteHost": "", "NewExternalPort": str(self._mapped.port), "NewProtocol": "UDP"}
        try:
            async with self._session() as session:
                if await self._own_host(session, self._service) != self._mapped.host:
                    return False
                found = await self._call(session, self._service, "GetSpecificPortMappingEntry", entry)
        except refusals():
            return False
        if isinstance(found, igd.Refused):
            return found.code != igd.NO_SUCH_ENTRY  # one that does not know the question says nothing about the answer
        return found.get("NewInternalClient", self._host) == self._host

    async def unmap(self) -> None:
        """Give the port back; a router that does not answer is left alone."""
        if self._service is None or self._mapped is None:
            return
        arguments = {"NewRemoteHost": "", "NewExternalPort": str(self._mapped.port), "NewProtocol": self._protocol}
        try:
            async with self._session() as session:
                await self._call(session, self._service, "DeletePortMapping", arguments)
        except troubles():
            return
        finally:
            self._mapped = None

    # -- SSDP -------------------------------------------------------------------------------------------------------

    async def _where(self) -> str:
        """Return where its description is, or "" once that was read. Raises UpnpError.

        Most routers say nothing: that is known before aiohttp is loaded, 17 MB with the system's OpenSSL.
        """
        try:
            return "" if self._service is not None else await self._search()
        except OSError as error:
            raise UpnpError(str(error) or "it did not answer in time") from error

    async def _find(self, session: "ClientSession", url: str) -> igd.Service:
        description = await self._get(session, url)
        return igd.service(description, url, self.kinds)

    async def _search(self) -> str:
        """Return where the router says that its description is. Raises UpnpError when it says nothing."""
        # to itself too: some answer no multicast from a wireless client
        places = [(to, igd.PORT) for to in (igd.GROUP, self._gateway)]
        return await self._heard([(igd.search(target, 1), to) for target in igd.SEARCHED for to in places])

    def _speaks(self, sender: str) -> bool:
        """Return whether an answer from there counts: what others than the gateway answer is not looked at."""
        return sender == self._gateway and scope(sender) is not Scope.LOOPBACK

    async def _heard(self, questions: Iterable[tuple[bytes, tuple[Any, ...]]]) -> str:
        """Send these datagrams; return the first description that who counts names. Raises UpnpError without one."""
        loop = asyncio.get_running_loop()
        found: asyncio.Future[str] = loop.create_future()
        transport, _ = await loop.create_datagram_endpoint(
            lambda: Listener(self._speaks, found), local_addr=(self._host, 0)
        )
        try:
            for datagram, to in questions:
                transport.sendto(datagram, to)
            async with asyncio.timeout(SEARCH):
                return await found
        except TimeoutError:
            raise UpnpError("") from None
        finally:
            transport.close()

    # -- HTTP -------------------------------------------------------------------------------------------------------

    def _session(self) -> "ClientSession":
        from aiohttp import ClientSession, ClientTimeout, TCPConnector

        connector = TCPConnector(local_addr=(self._host, 0), force_close=True)
        return ClientSession(connector=connector, timeout=ClientTimeout(total=REQUEST), trust_env=False)

    async def _get(self, session: "ClientSession", url: str) -> bytes:
        async with session.get(url, allow_redirects=False) as answer:
            if answer.status != 200:
                raise UpnpError(f"it answers {answer.status} where its description should be")
            return await _whole(answer.content)

    async def _call(
        self, session: "ClientSession", to: igd.Service, action: str, arguments: dict[str, str]
    ) -> dict[str, str] | igd.Refused:
        fields, body = igd.call(to, action, arguments)
        async with session.post(to.control, data=body, headers=fields, allow_redirects=False) as answer:
            if answer.status not in (200, 500):  # 500 carries SOAP's own errors
                raise UpnpError(f"it answers {answer.status} to {action}")
            return igd.answer(await _whole(answer.content), action)

    async def _own_host(self, session: "ClientSession", to: igd.Service) -> str:
        values = await self._call(session, to, "GetExternalIPAddress", {})
        host = "" if isinstance(values, igd.Refused) else values.get("NewExternalIPAddress", "")
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError:
            raise UpnpError("it has no address on the Internet") from None

    async def _add(self, session: "ClientSession", to: igd.Service, port: int) -> tuple[int, float]:
        """Ask for our own port, then for others; return the one that we got and for how many seconds."""
        lease = LIFETIME
        wanted = [port, *(1024 + (port * 31 + 7919 * more) % 64512 for more in range(1, OTHERS + 1))]
        refused = igd.Refused(501, "")
        while wanted:
            outside = wanted[0]
            arguments = {
                "NewRemoteHost": "", "NewExternalPort": str(outside), "NewProtocol": self._protocol,
                "NewInternalPort": str(port), "NewInternalClient": self._host, "NewEnabled": "1",
                "NewPortMappingDescription": DESCRIPTION, "NewLeaseDuration": str(lease),
            }  # fmt: skip
            done = await self._call(session, to, "AddPortMapping", arguments)
            if not isinstance(done, igd.Refused):
                return outside, float(max(lease or LIFETIME, LEAST))
            refused = done
            if refused.code == igd.ONLY_PERMANENT and lease:
                lease = 0  # as libtorrent does; it is deleted at the end
            elif refused.code == igd.TAKEN:
                wanted.pop(0)
            else:
                break
        raise UpnpError(f"it refuses, with number {refused.code}")


async def _whole(content: "StreamReader") -> bytes:
    """Read a body, or raise MalformedIgd when it does not end."""
    parts = bytearray()
    async for part in content.iter_chunked(65536):
        parts += part
        if len(parts) > igd.LONGEST:
            raise igd.MalformedIgd("it is longer than a router's answer")
    return bytes(parts)


class Listener(asyncio.DatagramProtocol):
    """Waits for an answer to a search, of somebody who `speaks` and describes itself."""

    def __init__(self, speaks: Callable[[str], bool], found: "asyncio.Future[str]") -> None:
        self._speaks = speaks
        self._found = found

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        """See asyncio."""
        sender = str(addr[0])
        if self._found.done() or not self._speaks(sender):
            return
        url = igd.location(data, sender)
        if url is not None:
            self._found.set_result(url)

    def error_received(self, exc: Exception) -> None:
        """See asyncio: a network without multicast; its own address was asked too."""

"""Pinholes of IPv6, on the loop, beside a router that is sockets of this test."""

import asyncio
import contextlib
import ipaddress
import struct
from collections.abc import AsyncIterator, Callable

import pytest
from aiohttp import web

from core.mapping.asking import LIFETIME
from core.mapping.pinholes import PinholeKeeper
from core.mapping.status import PortOpen
from core.mapping.upnp import Listener, Upnp, UpnpError
from core.mapping.upnp_6 import UpnpPinhole
from core.values import Address
from core.wire import igd

pytestmark = pytest.mark.asyncio

HERE = "::1"
PORT = 41234
OUTSIDE = "2001:db8:60::2"


class Own:
    """Our addresses; the router is beside us."""

    def __init__(self, hosts: tuple[str, ...] = (HERE,)) -> None:
        self.hosts = hosts
        self.said: list[Address | None] = []
        self.beside = True
        self.tell: Callable[[], None] = lambda: None

    def local(self, toward: Address) -> str | None:
        return None

    def is_beside(self, address: Address) -> bool:
        return self.beside

    def hosts_6(self) -> tuple[str, ...]:
        return self.hosts

    def map_to(self, address: Address | None) -> None:
        raise AssertionError("a pinhole is no mapping")

    def let_in(self, address: Address | None) -> None:
        self.said.append(address)

    def subscribe(self, listener: Callable[[], None]) -> None:
        self.tell = listener


class Router(asyncio.DatagramProtocol):
    """Answers PCP."""

    def __init__(self, outside: str = OUTSIDE, result: int = 0) -> None:
        self.outside, self.result = outside, result
        self.lifetimes: list[int] = []
        self.clients: list[str] = []
        self.given_back = asyncio.Event()
        self.transport: asyncio.DatagramTransport | None = None

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.lifetimes.append(int.from_bytes(data[4:8]))
        self.clients.append(str(ipaddress.IPv6Address(data[8:24])))
        if not self.lifetimes[-1]:
            self.given_back.set()
        assert self.transport is not None
        head = struct.pack("!BBBBII12x", 2, 0x81, 0, self.result, self.lifetimes[-1], 7)
        packed = ipaddress.IPv6Address(self.outside).packed
        self.transport.sendto(head + struct.pack("!12sB3xHH16s", data[24:36], 17, PORT, PORT, packed), addr)


class Refusing(Upnp):
    """A router without UPnP."""

    async def map(self, port: int, now: float) -> object:  # type: ignore[override]
        raise UpnpError("it opens no pinholes")


@contextlib.asynccontextmanager
async def keeping(router: Router, own: Own) -> AsyncIterator[tuple[PinholeKeeper, "asyncio.Queue[PortOpen]"]]:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: router, local_addr=(HERE, 0))
    router.transport = transport
    said: asyncio.Queue[PortOpen] = asyncio.Queue()
    at = transport.get_extra_info("sockname")[1]
    keeper = PinholeKeeper(own, PORT, said.put_nowait, lambda: HERE, at, Refusing)
    keeper.start()
    try:
        yield keeper, said
    finally:
        await keeper.aclose()
        transport.close()


async def told(said: "asyncio.Queue[PortOpen]") -> PortOpen:
    async with asyncio.timeout(10):
        return await said.get()


async def test_a_pinhole_is_ours_until_the_end() -> None:
    own, router = Own((HERE, OUTSIDE)), Router()
    async with keeping(router, own) as (keeper, said):
        status = await told(said)
        assert status == PortOpen(
            Address(OUTSIDE, PORT), "PCP", f"Your router lets IPv6 packets for port {PORT} in (PCP)."
        )
        assert own.said[-1] == Address(OUTSIDE, PORT)
        assert router.clients[0] == HERE
        await keeper.aclose()
        async with asyncio.timeout(5):
            await router.given_back.wait()
        assert own.said[-1] is None


async def test_a_router_that_translates_ipv6_is_said() -> None:
    async with keeping(Router("2001:db8:99::2"), Own()) as (_, said):
        status = await told(said)
        assert "It translates IPv6: the Internet reaches this computer at 2001:db8:99::2." in status.words


async def test_a_router_behind_a_router_opens_nothing() -> None:
    async with keeping(Router("fd12::7"), Own()) as (keeper, said):
        status = await told(said)
        assert status.address is None
        assert "fd12::7 is not public" in status.words
        assert keeper.status.address is None


async def test_a_refusal_is_said_with_both_reasons() -> None:
    async with keeping(Router(result=2), Own()) as (_, said):
        words = "Your router does not let IPv6 packets in: it does not allow this; it opens no pinholes."
        assert await told(said) == PortOpen(words=words)


@pytest.mark.parametrize("own", [Own(()), Own()])
async def test_without_ipv6_or_beside_no_router_nobody_is_asked_and_nothing_is_said(own: Own) -> None:
    own.beside = False
    router = Router()
    async with keeping(router, own) as (keeper, said):
        await asyncio.sleep(0)
        for _ in range(50):
            await asyncio.sleep(0)
        assert keeper.status == PortOpen()
        assert said.empty()
    assert router.lifetimes == []


# -- UPnP ---------------------------------------------------------------------------------------------------------


class Gateway:
    """A router's description and its service. `refuses`: the error that an action is answered with."""

    def __init__(self) -> None:
        self.refuses: dict[str, int] = {}
        self.status = "<FirewallEnabled>1</FirewallEnabled><InboundPinholeAllowed>1</InboundPinholeAllowed>"
        self.number = "7"
        self.asked: list[tuple[str, str]] = []
        self.described: bytes | None = None
        self.redirects = False

    async def describe(self, request: web.Request) -> web.Response:
        if self.redirects:
            raise web.HTTPFound("http://[::1]:9/elsewhere")
        service = f"<serviceType>{igd.PINHOLES[0]}</serviceType><controlURL>/ctl</controlURL>"
        text = f"<root><device><service>{service}</service></device></root>".encode()
        return web.Response(body=text if self.described is None else self.described)

    async def control(self, request: web.Request) -> web.Response:
        action = request.headers["SOAPAction"].strip('"').partition("#")[2]
        body = (await request.read()).decode()
        self.asked.append((action, body))
        if action in self.refuses:
            inner = f"<UPnPError><errorCode>{self.refuses[action]}</errorCode></UPnPError>"
            return web.Response(status=500, text=f"<e><f>{inner}</f></e>")
        values = {"AddPinhole": f"<UniqueID>{self.number}</UniqueID>", "GetFirewallStatus": self.status}
        inner = f"<{action}Response>{values.get(action, '')}</{action}Response>"
        return web.Response(text=f"<e><b>{inner}</b></e>")


@contextlib.asynccontextmanager
async def gateway(it: Gateway) -> AsyncIterator[UpnpPinhole]:
    app = web.Application()
    app.router.add_get("/root.xml", it.describe)
    app.router.add_post("/ctl", it.control)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, HERE, 0)
    await site.start()
    port = runner.addresses[0][1]

    class Found(UpnpPinhole):
        async def _search(self) -> str:
            return f"http://[{HERE}]:{port}/root.xml"

    try:
        yield Found(HERE, HERE)
    finally:
        await runner.cleanup()


async def test_upnp_opens_renews_and_closes() -> None:
    it = Gateway()
    async with gateway(it) as upnp:
        mapped = await upnp.map(PORT, 100.0)
        assert (mapped.address, mapped.how, mapped.until) == (Address(HERE, PORT), "UPnP", 100.0 + LIFETIME)
        action, body = it.asked[-1]
        assert action == "AddPinhole"
        for said in ("<InternalClient>::1<", f"<InternalPort>{PORT}<", "<Protocol>17<", f"<LeaseTime>{LIFETIME}<"):
            assert said in body
        assert "<RemoteHost></RemoteHost><RemotePort>0</RemotePort>" in body
        await upnp.map(PORT, 200.0)
        assert [action for action, _ in it.asked] == ["GetFirewallStatus", "AddPinhole", "UpdatePinhole"]
        assert await upnp.holds()
        it.refuses["UpdatePinhole"] = 704  # it was restarted, and has forgotten
        assert not await upnp.holds()
        it.number = "9"
        await upnp.map(PORT, 300.0)
        await upnp.unmap()
        assert it.asked[-1][0] == "DeletePinhole"
        assert "<UniqueID>9</UniqueID>" in it.asked[-1][1]
        count = len(it.asked)
        await upnp.unmap()
        assert len(it.asked) == count, "nothing is closed twice"
        assert not await upnp.holds()


@pytest.mark.parametrize(("code", "words"), [*igd.PINHOLE_WORDS.items(), (799, "it refuses, with number 799")])
async def test_a_refusal_is_said_in_words(code: int, words: str) -> None:
    it = Gateway()
    it.refuses["AddPinhole"] = code
    async with gateway(it) as upnp:
        with pytest.raises(UpnpError, match=words):
            await upnp.map(PORT, 0.0)


async def test_a_firewall_that_lets_nobody_open_it_is_not_asked_to() -> None:
    it = Gateway()
    it.status = "<InboundPinholeAllowed>0</InboundPinholeAllowed>"
    async with gateway(it) as upnp:
        with pytest.raises(UpnpError, match="does not let it open pinholes"):
            await upnp.map(PORT, 0.0)
    assert [action for action, _ in it.asked] == ["GetFirewallStatus"]


@pytest.mark.parametrize("number", ["", "x", "-1", "65536", "9" * 300, "7; rm", "\u0667"])
async def test_a_number_that_is_none_is_refused(number: str) -> None:
    it = Gateway()
    it.number = number
    async with gateway(it) as upnp:
        with pytest.raises(UpnpError, match="no number"):
            await upnp.map(PORT, 0.0)


@pytest.mark.parametrize(
    "described",
    [b"", b"<root>", b"<!DOCTYPE x [<!ENTITY a 'b'>]><root/>", b"x" * (igd.LONGEST + 1), b"<root/>"],
    ids=["empty", "cut", "entities", "long", "nothing"],
)
async def test_a_hostile_description_ends_it(described: bytes) -> None:
    it = Gateway()
    it.described = described
    async with gateway(it) as upnp:
        with pytest.raises(UpnpError):
            await upnp.map(PORT, 0.0)
    assert it.asked == []


async def test_no_redirect_is_followed() -> None:
    it = Gateway()
    it.redirects = True
    async with gateway(it) as upnp:
        with pytest.raises(UpnpError, match="302"):
            await upnp.map(PORT, 0.0)


@pytest.mark.parametrize(
    ("sender", "named", "taken"),
    [
        ("2001:db8:60::1", "[2001:db8:60::1]:5000", True),
        ("2001:db8:60::9", "[2001:db8:60::1]:5000", False),
        ("2001:db8:61::1", "[2001:db8:61::1]:5000", False),
        ("2001:db8:60::2", "[2001:db8:60::2]:5000", False),
        ("2001:db8:60::1", "evil.example", False),
        ("2001:db8:60::1", "[2001:db8:60::1", False),
        ("fe80::1", "[fe80::1]:5000", False),
    ],
)
async def test_only_a_machine_of_our_network_that_describes_itself_counts(sender: str, named: str, taken: bool) -> None:
    found: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    listener = Listener(UpnpPinhole("2001:db8:60::2", "fe80::1%eth0")._speaks, found)
    answer = f"HTTP/1.1 200 OK\r\nLocation: http://{named}/root.xml\r\n\r\n".encode()
    listener.datagram_received(answer, (sender, 1900, 0, 0))
    assert found.done() is taken

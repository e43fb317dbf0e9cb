"""The mapper on the loop, beside a router that is a socket of this test."""

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio

from core.mapping.asking import CHECKED, LIFETIME, Mapped
from core.mapping.mapper import PortMapper
from core.mapping.status import PortOpen
from core.mapping.upnp import Upnp, UpnpError
from core.mapping.ways import ByUpnp
from core.values import Address
from core.wire import igd
from tests.support.virtual_time import run

HOST = "127.0.0.1"
PORT = 41234


class Own:
    """Our addresses, where the router is beside us."""

    def __init__(self) -> None:
        self.mapped: list[Address | None] = []
        self.beside = True

    def local(self, toward: Address) -> str | None:
        return HOST

    def is_beside(self, address: Address) -> bool:
        return self.beside

    def hosts_6(self) -> tuple[str, ...]:
        return ()

    def map_to(self, address: Address | None) -> None:
        self.mapped.append(address)

    def let_in(self, address: Address | None) -> None:
        """No pinholes here."""

    def subscribe(self, listener: Callable[[], None]) -> None:
        """Nothing changes here."""


class Router(asyncio.DatagramProtocol):
    """Answers PCP with an outside host; `asked` has the lifetimes that came."""

    def __init__(self, outside: str, result: int = 0) -> None:
        self.outside = outside
        self.result = result
        self.asked: list[int] = []
        self.given_back = asyncio.Event()
        self.transport: asyncio.DatagramTransport | None = None

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        lifetime = int.from_bytes(data[4:8])
        self.asked.append(lifetime)
        if lifetime == 0:
            self.given_back.set()
        host = b"\x00" * 10 + b"\xff\xff" + bytes(map(int, self.outside.split(".")))
        head = struct.pack("!BBBBII12x", 2, 0x81, 0, self.result, lifetime, 7)
        assert self.transport is not None
        self.transport.sendto(head + struct.pack("!12sB3xHH16s", data[24:36], 17, PORT, PORT, host), addr)


class Obliging(Upnp):
    """A router that maps by UPnP. `asked` counts; `has` is whether it still has the mapping."""

    def __init__(self, host: str, gateway: str) -> None:
        super().__init__(host, gateway)
        self.asked = self.looked = 0
        self.has = True

    async def map(self, port: int, now: float) -> Mapped:
        self.asked += 1
        self.has = True
        return Mapped(Address("203.0.113.9", port), "UPnP", now + LIFETIME)

    async def holds(self) -> bool:
        self.looked += 1
        return self.has

    async def unmap(self) -> None:
        """Nobody looks."""


class Silent(Upnp):
    """A router that refuses by UPnP."""

    async def map(self, port: int, now: float) -> Mapped:
        raise UpnpError("it refuses, with number 501")


class Scene:
    """A mapper beside a router, and what it said."""

    def __init__(self, router: Router, port: int) -> None:
        self.router = router
        self.own = Own()
        self.said: list[PortOpen] = []
        self.heard = asyncio.Event()
        self.mapper = PortMapper(self.own, PORT, self._tell, lambda: HOST, port, Silent)

    def _tell(self, status: PortOpen) -> None:
        self.said.append(status)
        self.heard.set()

    async def answer(self) -> PortOpen:
        self.mapper.start()
        async with asyncio.timeout(10):
            await self.heard.wait()
        return self.said[-1]


Begin = Callable[[Router], Awaitable[Scene]]


@pytest_asyncio.fixture
async def begin() -> AsyncIterator[Begin]:
    scenes: list[Scene] = []

    async def make(router: Router) -> Scene:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: router, local_addr=(HOST, 0))
        router.transport = transport
        scenes.append(Scene(router, transport.get_extra_info("sockname")[1]))
        return scenes[-1]

    yield make
    for scene in scenes:
        await scene.mapper.aclose()
        assert scene.router.transport is not None
        scene.router.transport.close()


@pytest.mark.asyncio
async def test_what_the_router_opens_is_ours_until_the_end(begin: Begin) -> None:
    scene = await begin(Router("203.0.113.9"))
    status = await scene.answer()
    assert (status.address, status.how) == (Address("203.0.113.9", PORT), "PCP")
    assert scene.own.mapped == [Address("203.0.113.9", PORT)]
    await scene.mapper.aclose()
    async with asyncio.timeout(5):
        await scene.router.given_back.wait()
    assert scene.own.mapped[-1] is None


@pytest.mark.asyncio
@pytest.mark.parametrize("outside", ["192.168.0.7", "10.0.0.1", "100.64.3.2"])
async def test_a_second_router_opens_nothing_and_is_said(begin: Begin, outside: str) -> None:
    scene = await begin(Router(outside))
    status = await scene.answer()
    assert status.address is None
    assert f"another router is before it: {outside} is not public" in status.words
    assert [each for each in scene.own.mapped if each is not None] == []


@pytest.mark.asyncio
async def test_a_refusal_is_said_with_both_reasons(begin: Begin) -> None:
    scene = await begin(Router("203.0.113.9", result=2))
    words = "Your router did not open a port: it does not allow this; it refuses, with number 501."
    assert await scene.answer() == PortOpen(words=words)


@pytest.mark.asyncio
async def test_who_is_not_beside_us_is_not_asked(begin: Begin) -> None:
    scene = await begin(Router("203.0.113.9"))
    scene.own.beside = False
    assert (await scene.answer()).words == "This network has no router that could open a port."
    assert scene.router.asked == []


def test_upnp_takes_over_as_soon_as_the_other_way_has_nothing() -> None:
    """It had been spared, and its next look was half an hour away."""

    async def body() -> None:
        upnp, by_packet = Obliging(HOST, HOST), [True]
        way = ByUpnp(upnp, PORT, lambda: by_packet[0], lambda: None)
        await way.start()
        await asyncio.sleep(10.0)
        assert upnp.asked == 0
        by_packet[0] = False
        way.take_over()
        await asyncio.sleep(0.1)
        assert way.mapped == Mapped(Address("203.0.113.9", PORT), "UPnP", 10.0 + LIFETIME)
        way.take_over()
        await asyncio.sleep(10.0)
        assert upnp.asked == 1, "it has what it was asked for"
        await way.aclose()

    run(body())


def test_a_router_that_forgot_is_asked_again_within_minutes() -> None:
    async def body() -> None:
        upnp = Obliging(HOST, HOST)
        way = ByUpnp(upnp, PORT, lambda: False, lambda: None)
        await way.start()
        await asyncio.sleep(2.5 * CHECKED)
        assert (upnp.asked, upnp.looked) == (1, 2), "what holds is not asked for again"
        upnp.has = False
        await asyncio.sleep(CHECKED)
        assert upnp.asked == 2
        await way.aclose()

    run(body())


class Igd:
    """A router's answers to SOAP, by action."""

    def __init__(self, entry: dict[str, str] | igd.Refused, host: str = "203.0.113.9") -> None:
        self.said: dict[str, dict[str, str] | igd.Refused] = {
            "GetExternalIPAddress": {"NewExternalIPAddress": host},
            "AddPortMapping": {},
            "GetSpecificPortMappingEntry": entry,
        }


class Answered(Upnp):
    """Asks an `Igd`, without a network."""

    def __init__(self, router: Igd) -> None:
        super().__init__("192.168.1.7", "192.168.1.1")
        self.router = router

    async def _where(self) -> str:
        return ""

    async def _find(self, session: object, url: str) -> igd.Service:
        return igd.Service(igd.SERVICES[0], "http://192.168.1.1/ctl")

    async def _call(self, session: object, to: igd.Service, action: str, arguments: dict[str, str]) -> (
        dict[str, str] | igd.Refused
    ):  # fmt: skip
        return self.router.said[action]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("entry", "host", "holds"),
    [
        ({"NewInternalClient": "192.168.1.7"}, "203.0.113.9", True),
        ({"NewInternalClient": "192.168.1.8"}, "203.0.113.9", False),
        ({"NewInternalClient": "192.168.1.7"}, "203.0.113.77", False),
        (igd.Refused(igd.NO_SUCH_ENTRY, ""), "203.0.113.9", False),
        (igd.Refused(401, "Invalid Action"), "203.0.113.9", True),
        ({"NewInternalClient": "192.168.1.7"}, "", False),
    ],
)
async def test_what_a_router_says_of_a_mapping(entry: dict[str, str] | igd.Refused, host: str, *, holds: bool) -> None:
    router = Igd(entry)
    upnp = Answered(router)
    assert not await upnp.holds(), "nothing was mapped"
    await upnp.map(PORT, 0.0)
    router.said["GetExternalIPAddress"] = {"NewExternalIPAddress": host}
    assert await upnp.holds() is holds

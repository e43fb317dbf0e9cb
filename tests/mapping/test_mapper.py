"""The mapper on the loop, beside a router that is a socket of this test."""

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio

from core.mapping.asking import Mapped
from core.mapping.mapper import PortMapper
from core.mapping.status import PortOpen
from core.mapping.upnp import Upnp, UpnpError
from core.values import Address

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

    def map_to(self, address: Address | None) -> None:
        self.mapped.append(address)

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

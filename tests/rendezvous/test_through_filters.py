"""Two whole peers behind routers that let in only addresses they sent to, met by a grape alone, in virtual time."""

import asyncio
import ipaddress
from contextlib import AsyncExitStack
from random import Random
from typing import cast

import pytest

from core.compose import Outside, compose
from core.directory.access import GrapeAccess
from core.errors import LookupEmpty
from core.net.endpoint import Endpoint, EndpointConfig
from core.news.events import ReplyReceived
from core.news.hub import Hub
from core.own.networks import Attached, Networks
from core.peer import Peer
from core.profile.config import PeerConfig
from core.services.fibonacci import FibonacciService
from core.services.service import Registry
from core.trust.audience import Audience
from core.values import Address
from tests.rendezvous.hostile import Bystanders, HostileGrape
from tests.secure.middle import Letter, WireSocket
from tests.support.samples import some
from tests.support.virtual_time import run

WORKER_AT, CONSUMER_AT = Address("203.0.113.1", 40000), Address("198.51.100.1", 40001)
MAPPING = 30.0  # seconds that a router lets somebody in after it was sent to


class Filtered(Bystanders):
    """Routers with endpoint-independent mappings and port-restricted filters; some packets are lost."""

    def __init__(self, loss: float, seed: int) -> None:
        super().__init__()
        self._sent: dict[tuple[Address, Address], float] = {}
        self._random = Random(seed)
        self._loss = loss
        self.on_path = self._pass

    def _pass(self, letter: Letter) -> list[Letter]:
        now = asyncio.get_running_loop().time()
        self._sent[letter.source, letter.to] = now
        let_in = now - self._sent.get((letter.to, letter.source), -MAPPING) < MAPPING
        return [letter] if let_in and self._random.random() >= self._loss else []


class Grape(HostileGrape):
    """An honest one: lists who announced, at the address of the announcing peer, `late` seconds after."""

    def __init__(self, wire: Bystanders, us: Address, listed: dict[str, dict[Address, float]], late: float) -> None:
        super().__init__(wire)
        self._us, self._listed, self._late = us, listed, late

    async def lookup(self, name: str, *, fresh: bool = False) -> list[Address]:
        await asyncio.sleep(0.05)
        now = asyncio.get_running_loop().time()
        found = [at for at, since in self._listed.get(name, {}).items() if now - since >= self._late]
        if not found:
            raise LookupEmpty("nobody")
        return found

    async def announce(self, name: str, port: int) -> int:
        await asyncio.sleep(0.05)
        self._listed.setdefault(name, {}).setdefault(self._us, asyncio.get_running_loop().time())
        return 1


async def a_peer(
    stack: AsyncExitStack, wire: Filtered, us: Address, listed: dict[str, dict[Address, float]], late: float, hub: Hub
) -> Peer:
    async def open_endpoint(bind: Address, config: EndpointConfig) -> Endpoint:
        socket = WireSocket(wire, us)
        endpoint = Endpoint(socket, config, Random(us.port))
        socket.start(endpoint._pump.receive)
        return endpoint

    home = Networks(("192.168.1.5",), (Attached("eth0", ipaddress.IPv4Network("192.168.1.0/24")),))
    grape = Grape(wire, us, listed, late)
    outside = Outside(open_endpoint, lambda config, on_change, share: cast(GrapeAccess, grape), lambda: home)
    config = PeerConfig(audiences={"fibonacci": Audience.ANYONE})
    return Peer(await compose(config, hub, Registry(FibonacciService()), stack, outside))


@pytest.mark.parametrize("loss", [0.0, 0.2])
@pytest.mark.parametrize("late", [0.0, 2.0], ids=["listed at once", "listed late"])
@pytest.mark.parametrize("wait", some([60.0, 0.0, 0.37], 3))
def test_they_meet_within_seconds(loss: float, late: float, wait: float) -> None:
    """`wait`: seconds that the consumer comes after the worker."""
    took: list[float] = []

    async def scenario(seed: int) -> None:
        wire, listed = Filtered(loss, seed), dict[str, dict[Address, float]]()
        loop = asyncio.get_running_loop()
        async with AsyncExitStack() as stack:
            worker = await a_peer(stack, wire, WORKER_AT, listed, late, Hub())
            await worker.share("fibonacci")
            await asyncio.sleep(wait)
            hub, answered = Hub(), asyncio.Event()
            hub.subscribe(lambda event: answered.set() if isinstance(event, ReplyReceived) else None)
            consumer = await a_peer(stack, wire, CONSUMER_AT, listed, late, hub)
            began = loop.time()
            await consumer.consume("fibonacci")
            async with asyncio.timeout(60.0):
                await answered.wait()
            took.append(loop.time() - began)

    for seed in range(10):
        run(scenario(seed))
    took.sort()
    assert took[len(took) // 2] < late + 3.0, took
    assert took[-1] < late + 8.0, took

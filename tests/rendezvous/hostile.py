"""A whole peer in virtual time, in a world where a grape, brokers and forged packets name bystanders.

Real is everything that `core.compose` composes; the socket, the clock, the grape and the machine's networks are not.
"""

import asyncio
import ipaddress
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from random import Random
from typing import cast

from core.aio.tasks import TaskSet
from core.compose import Outside, compose
from core.dht.strangers import Share
from core.directory.access import GrapeAccess
from core.errors import LookupEmpty
from core.identity.identity import Identity
from core.net.endpoint import Endpoint, EndpointConfig
from core.net.stream import Stream
from core.news.events import GrapeSnapshot, GrapeState, PeerEvent
from core.news.hub import Hub
from core.own.networks import Attached, Networks
from core.peer import Peer
from core.profile.config import PeerConfig
from core.rpc.server import RpcServer
from core.services.fibonacci import FibonacciService
from core.services.service import Registry
from core.trust.audience import Audience
from core.values import Address, Caller, JsonValue
from core.wire.broker_message import BROKER_SERVICE
from tests.peer.fakes import fibonacci
from tests.secure.middle import Letter, Wire, WireSocket
from tests.support.answers import answered_by

US = Address("192.168.1.5", 40000)
BROKER = Address("203.0.113.4", 4000)
HEADERS = 28  # bytes of IPv4 and UDP
ANSWER = 100  # bytes at least of a grape's answer, besides what it lists
ENTRY = 8  # bytes of each address in it, in the DHT
PUNCH = b"\xc3\xbf"


class Bystanders(Wire):
    """Notes every packet that leaves for an address where nobody is, and what the attacker spent."""

    def __init__(self) -> None:
        super().__init__()
        self.got: dict[str, list[tuple[float, int]]] = defaultdict(list)
        self.ports: dict[str, set[int]] = defaultdict(set)
        self.spent = 0  # bytes
        self.ours = {US}
        self.pairs: set[tuple[Address, str]] = set()  # our socket, and the host of a bystander

    def carry(self, letter: Letter) -> None:
        if letter.source in self.sockets and letter.source not in self.ours:
            self.spent += len(letter.data) + HEADERS
        if letter.to not in self.sockets:
            self.got[letter.to.host].append((asyncio.get_running_loop().time(), len(letter.data) + HEADERS))
            self.ports[letter.to.host].add(letter.to.port)
            self.pairs.add((letter.source, letter.to.host))
        super().carry(letter)

    def forged(self, source: Address) -> None:
        """Send us a punch in somebody's name."""
        self.spent += len(PUNCH) + HEADERS
        self.forge(Letter(source, US, PUNCH))

    def worst(self, rate: float) -> Counter[str]:
        """Return, by host, the most packets in a row when `rate` a second are let pass."""
        worst: Counter[str] = Counter()
        for host, packets in self.got.items():
            level, before = 0.0, 0.0
            for at, _ in packets:
                level, before = max(0.0, level - (at - before) * rate) + 1.0, at
                worst[host] = max(worst[host], round(level))
        return worst

    def bytes_to(self, host: str) -> int:
        return sum(size for _, size in self.got[host])


class HostileGrape:
    """Lists what `lies` says, for any name; brokers where there are some."""

    def __init__(self, wire: Bystanders) -> None:
        self.wire = wire
        self.lies: Callable[[int], Sequence[Address]] = lambda number: ()
        self.brokers: list[Address] = []
        self.records: Callable[[], dict[str, JsonValue]] | None = None  # what is found for any Peer ID
        self.answers = 0

    own_grape = None  # it is no grape of this process

    async def lookup(self, name: str, *, fresh: bool = False) -> list[Address]:
        await asyncio.sleep(0.02)
        self.answers += 1
        found = list(self.brokers) if name == BROKER_SERVICE else list(self.lies(self.answers))
        self.wire.spent += ANSWER + ENTRY * len(found)
        if not found:
            raise LookupEmpty("nobody")
        return found

    async def announce(self, name: str, port: int) -> int:
        await asyncio.sleep(0.02)
        return 1

    async def get(self, hash: str, *, salt: bytes = b"") -> dict[str, JsonValue]:
        await asyncio.sleep(0.02)
        if self.records is None:
            raise LookupEmpty("nobody holds it")
        found = self.records()
        self.wire.spent += ANSWER + len(str(found))
        return found

    async def put(self, value: JsonValue, **options: object) -> str:
        return ""

    # as `GrapeAccess`

    def observed_host_6(self) -> str | None:
        return None

    def observed_host(self) -> str | None:
        return "198.51.100.9"

    def neighbours(self, count: int) -> list[Address]:
        return []

    def snapshot(self) -> GrapeSnapshot:
        return GrapeSnapshot(GrapeState.CONNECTED, True, "http://127.0.0.1:30001", 1, "")

    def look(self) -> None:
        """Our addresses have changed."""

    async def __aenter__(self) -> "HostileGrape":
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """Nothing is open."""


class Scene:
    """A peer that shares, and all that is hostile around it."""

    def __init__(self) -> None:
        self.wire = Bystanders()
        self.grape = HostileGrape(self.wire)
        self.events: list[PeerEvent] = []
        self.named: Callable[[int], Iterable[Address]] = lambda number: ()  # by brokers
        self.asked = 0
        self._tasks = TaskSet("scene")
        self._endpoints: list[Endpoint] = []

    def endpoint(self, address: Address, config: EndpointConfig | None = None) -> Endpoint:
        """Put somebody on the wire."""
        socket = WireSocket(self.wire, address)
        endpoint = Endpoint(socket, config or EndpointConfig(), Random(address.port))
        socket.start(endpoint._pump.receive)
        return endpoint

    def open_grape(self, share: Share) -> object:
        """Return the grape that the peer uses; `share` is the rule that one of its own would stand under."""
        return self.grape

    def broker(self, address: Address = BROKER) -> None:
        """Put a lying broker on the wire, and on the grape's list."""
        self._run(RpcServer(answered_by(self._lie)), address)
        self.grape.brokers.append(address)

    def serve(self, address: Address) -> None:
        """Put an honest worker on the wire, which punches nobody."""
        self._run(RpcServer(answered_by(fibonacci)), address)

    def _run(self, server: RpcServer, address: Address) -> None:
        endpoint = self.endpoint(address)

        def accept(stream: Stream) -> None:
            self._tasks.spawn(server.serve(stream), name="serve")

        endpoint.on_stream = accept
        self._endpoints.append(endpoint)

    def _lie(self, key: str, payload: JsonValue, caller: Caller) -> JsonValue:
        self.asked += 1
        assert isinstance(payload, dict)
        assert isinstance(payload["service"], str)
        shown: dict[str, JsonValue] = {}
        for number, each in enumerate(self.named(self.asked)):
            entry: JsonValue = {
                "service": payload["service"], "server": not payload["server"], "address": each.host, "port": each.port,
            }  # fmt: skip
            shown[str(number)] = entry
        return {payload["service"]: shown}

    def every(self, seconds: float, act: Callable[[int], None]) -> None:
        """Do something again and again, as long as the scene lasts."""

        async def again() -> None:
            number = 0
            while True:
                act(number)
                number += 1
                await asyncio.sleep(seconds)

        self._tasks.spawn(again(), name="again")

    @asynccontextmanager
    async def peer(self, *, use_broker: bool = False, identity: Identity | None = None) -> AsyncIterator[Peer]:
        """Compose a peer in this world."""

        async def open_endpoint(bind: Address, config: EndpointConfig) -> Endpoint:
            return self.endpoint(US, config)

        outside = Outside(
            open_endpoint,
            lambda config, on_change, share: cast(GrapeAccess, self.open_grape(share)),
            lambda: Networks((US.host,), (Attached("eth0", ipaddress.IPv4Network("192.168.1.0/24")),)),
        )
        hub = Hub()
        hub.subscribe(self.events.append)
        config = PeerConfig(audiences={"fibonacci": Audience.ANYONE}, identity=identity)
        async with AsyncExitStack() as stack:
            peer = Peer(await compose(config, hub, Registry(FibonacciService()), stack, outside))
            if use_broker:
                await peer.use_broker(True)
            yield peer
        await self._tasks.aclose()
        for endpoint in self._endpoints:
            await endpoint.close()

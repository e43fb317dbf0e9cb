"""Doubles of what the peer's parts stand on: a grape's directory, and a socket with RPC servers at the far ends."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

from core.aio.tasks import TaskSet
from core.errors import LookupEmpty, PeerError, RequestTimeout
from core.news.events import PeerEvent
from core.news.hub import Hub
from core.rpc.server import RpcServer
from core.services.names import RoleName
from core.services.service import Caller, PayloadError
from core.serving.refusals import UnknownService
from core.values import Address, JsonValue
from tests.rpc.streams import MemoryStream, pair
from tests.support.answers import Handler, answered_by

StageT = TypeVar("StageT")

A, B, C = Address("192.0.2.1", 1), Address("192.0.2.2", 2), Address("192.0.2.3", 3)
US = Address("198.51.100.9", 9000)
WORKER, CONSUMER = "fibonacci_worker", "fibonacci_consumer"


def now() -> float:
    """Return the virtual time."""
    return asyncio.get_running_loop().time()


class LoopHub(Hub):
    """A hub on the loop's virtual clock that keeps what it was told."""

    def __init__(self) -> None:
        super().__init__(now)
        self.told: list[PeerEvent] = []
        self.subscribe(self.told.append)

    def of(self, kind: type[PeerEvent]) -> list[PeerEvent]:
        """Return the events of one kind."""
        return [event for event in self.told if isinstance(event, kind)]


class FakeDirectory:
    """Lists what a test says; `error` makes every call fail, `delay` (seconds) makes it slow."""

    def __init__(self) -> None:
        self.listings: dict[str, list[Address]] = {}
        self.lookups: list[tuple[float, str]] = []
        self.announces: list[tuple[float, str, int]] = []
        self.error: PeerError | None = None
        self.announce_error: PeerError | None = None
        self.delay = 0.0
        self.nodes = 1
        self.items: dict[str, dict[str, JsonValue]] = {}  # what `get` finds, by its hash
        self.gets = 0

    async def lookup(self, name: str, *, fresh: bool = False) -> list[Address]:
        self.lookups.append((now(), name))
        await asyncio.sleep(self.delay)
        if self.error is not None:
            raise self.error
        if not self.listings.get(name):
            raise LookupEmpty(f"nobody is announced as {name}")
        return list(self.listings[name])

    async def get(self, hash: str, *, salt: bytes = b"") -> dict[str, JsonValue]:
        self.gets += 1
        await asyncio.sleep(self.delay)
        if self.error is not None:
            raise self.error
        if hash not in self.items:
            raise LookupEmpty(f"nobody holds {hash}")
        return self.items[hash]

    async def announce(self, name: str, port: int) -> int:
        self.announces.append((now(), name, port))
        await asyncio.sleep(self.delay)
        error = self.error or self.announce_error
        if error is not None:
            raise error
        return self.nodes


class FakePlace:
    """We are at `US`, alone on our network."""

    def port(self) -> int:
        return US.port

    def local(self, toward: Address) -> str | None:
        return US.host

    def observed(self) -> str | None:
        return None

    def address(self) -> Address:
        return US

    def is_beside(self, address: Address) -> bool:
        return False

    def is_self(self, address: Address) -> bool:
        return address == US


class FakeNamed:
    """Brokers that name the peers that a test says."""

    def __init__(self) -> None:
        self.listeners: list[Callable[[RoleName, Sequence[Address]], None]] = []
        self.seconds = 0.0

    def head_start(self) -> float:
        return self.seconds

    def subscribe(self, listener: Callable[[RoleName, Sequence[Address]], None]) -> None:
        self.listeners.append(listener)

    def name(self, ours: RoleName, *addresses: Address) -> None:
        for listener in self.listeners:
            listener(ours, addresses)


async def fibonacci(key: str, payload: JsonValue, caller: Caller) -> JsonValue:
    """Answer as a worker does."""
    return [1, 1, 2]


async def shares_nothing(key: str, payload: JsonValue, caller: Caller) -> JsonValue:
    """Answer as a peer that is only a consumer."""
    raise UnknownService("nothing is shared here")


async def refuses(key: str, payload: JsonValue, caller: Caller) -> JsonValue:
    """Answer as a worker that does not take the payload."""
    raise PayloadError("give a length")


class FakeSocket:
    """Connects to the servers in `servers`; every other address swallows what is sent. Notes every attempt."""

    def __init__(self) -> None:
        self.address = US
        self.servers: dict[Address, Handler] = {}
        self.punches: list[tuple[float, Address]] = []
        self.connects: list[tuple[float, Address]] = []
        self.hurried: list[Address] = []
        self.unpunchable: dict[Address, PeerError] = {}
        self.streams: list[MemoryStream] = []
        self._tasks = TaskSet("servers")

    def punch(self, remote: Address) -> None:
        self.punches.append((now(), remote))
        if remote in self.unpunchable:
            raise self.unpunchable[remote]

    def hurry(self, remote: Address) -> None:
        self.hurried.append(remote)

    def permit(self, address: Address) -> None:
        """Take the owner's own word."""

    async def connect(self, remote: Address, *, timeout: float) -> MemoryStream:
        self.connects.append((now(), remote))
        if remote not in self.servers:
            await asyncio.sleep(timeout)
            raise RequestTimeout(f"{remote} did not answer within {timeout:g} s")
        await asyncio.sleep(0.01)
        client, server = pair()
        client.remote = remote
        self.streams.append(client)
        self._tasks.spawn(RpcServer(answered_by(self.servers[remote])).serve(server), name="serve")
        return client

    async def close(self) -> None:
        await self._tasks.aclose()


@asynccontextmanager
async def play(make: Callable[[], StageT], close: Callable[[StageT], Awaitable[None]]) -> AsyncIterator[StageT]:
    """Make a stage on the loop that runs, and close it whatever happened."""
    made = make()
    try:
        yield made
    finally:
        await close(made)

"""The DHT engine as awaitables: its operations, the wait for the first neighbour, and news of the node count."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

from core.dht.events import Announced, DhtEvent, Failed, Found, OperationId, PeersFound, Stored
from core.dht.items import Item
from core.dht.node import Node
from core.errors import LocalError
from core.grape.service import FoundItem
from core.net.pump import Pump
from core.values import Address

ResultT = TypeVar("ResultT")


class WatchedNode:
    """The engine as the pump sees it; tells when the number of known nodes has changed, whatever changed it."""

    def __init__(self, node: Node, on_change: Callable[[], None]) -> None:
        self._node = node
        self._on_change = on_change
        self._nodes = node.nodes()
        self.receive = node.receive
        self.tick = node.tick
        self.deadline = node.deadline
        self.transmit = node.transmit

    def events(self) -> Sequence[DhtEvent]:
        """Hand on the engine's events; the pump asks for them after every change."""
        nodes = self._node.nodes()
        if nodes != self._nodes:
            self._nodes = nodes
            self._on_change()
        return self._node.events()


class Dht:
    """A DhtService on an engine and its pump; route the engine's events to `on_event`.

    The first operations wait up to `join_patience` seconds until another node is known, so that they reach it.
    """

    def __init__(self, node: Node, pump: Pump, address: Address, *, join_patience: float) -> None:
        self._node = node
        self._pump = pump
        self._address = address
        self._join_patience = join_patience
        self._joined: asyncio.Event | None = None  # None: nobody to wait for
        self._waiting: dict[OperationId, asyncio.Future[DhtEvent]] = {}
        self._lookups: dict[bytes, asyncio.Future[DhtEvent]] = {}
        self._closed = False

    @property
    def address(self) -> Address:
        """Our UDP address as bound."""
        return self._address

    # -- joining

    def expect_neighbours(self) -> None:
        """There are bootstrap nodes: operations wait for an answer, but no longer than join_patience from now."""
        self._joined = asyncio.Event()
        asyncio.get_running_loop().call_later(self._join_patience, self._joined.set)

    def nodes_changed(self) -> None:
        """Another node became known, or was lost."""
        if self._joined is not None and self._node.nodes() > 0:
            self._joined.set()

    async def _ready(self) -> None:
        if self._joined is not None:
            await self._joined.wait()
            self._joined = None
        if self._closed:
            raise LocalError("this grape is closed")

    # -- operations

    async def lookup(self, key: bytes) -> Sequence[Address]:
        """See DhtService. Callers who ask for the same key at once share one search."""
        await self._ready()
        shared = self._lookups.get(key)
        if shared is None:
            shared = self._start(self._node.lookup(key, self._pump.now()))
            self._lookups[key] = shared
            shared.add_done_callback(lambda _: self._lookups.pop(key, None))
        event = await asyncio.shield(shared)
        return _expect(event, PeersFound).peers

    def listed(self, peers: Sequence[Address], client: str) -> Sequence[Address]:
        """See DhtService."""
        return self._node.listed(peers, Address(client, 0))

    async def announce(self, key: bytes, peer: Address) -> int:
        """See DhtService."""
        await self._ready()
        return _expect(await self._start(self._node.announce(key, peer, self._pump.now())), Announced).nodes

    async def put(self, item: Item) -> bytes:
        """See DhtService."""
        await self._ready()
        return _expect(await self._start(self._node.put(item, self._pump.now())), Stored).target

    async def get(self, target: bytes, salt: bytes = b"") -> FoundItem | None:
        """See DhtService."""
        await self._ready()
        found = _expect(await self._start(self._node.get(target, self._pump.now(), salt=salt)), Found)
        if found.item is None:
            return None
        return FoundItem(found.item, found.responder or b"", found.token)

    def _start(self, operation: OperationId) -> asyncio.Future[DhtEvent]:
        future: asyncio.Future[DhtEvent] = asyncio.get_running_loop().create_future()
        self._waiting[operation] = future
        future.add_done_callback(lambda _: self._waiting.pop(operation, None))  # a caller may be cancelled
        self._pump.flush()
        return future

    def on_event(self, event: DhtEvent) -> None:
        """Wake who waits for this operation."""
        future = self._waiting.get(event.operation)
        if future is not None and not future.done():
            future.set_result(event)

    def close(self) -> None:
        """Fail what is under way. Idempotent."""
        self._closed = True
        if self._joined is not None:
            self._joined.set()
        for operation, future in list(self._waiting.items()):
            if not future.done():
                future.set_result(Failed(operation, LocalError("this grape is closed")))


def _expect(event: DhtEvent, kind: type[ResultT]) -> ResultT:
    if isinstance(event, Failed):
        raise event.error
    if not isinstance(event, kind):
        raise LocalError(f"the DHT answered {type(event).__name__} where {kind.__name__} was due")
    return event

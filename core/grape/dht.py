"""The DHT engine's operations with callbacks, the wait for the first neighbour, and news of the node count."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from core.dht.dual import DualNode
from core.dht.events import Announced, DhtEvent, Failed, Found, News, OperationId, PeersFound, Stored, Watching
from core.dht.items import Item
from core.dht.node import Node
from core.dht.storage import LOCAL
from core.dht.watches import MAX_WATCHED
from core.errors import LocalError
from core.grape.service import Done, FoundItem, Watch
from core.limits.table import BoundedTable
from core.net.pump import Pump
from core.values import Address

EventT = TypeVar("EventT")
ResultT = TypeVar("ResultT")
_Hear = Callable[[DhtEvent], None]


class WatchedNode:
    """The engine as the pump sees it; tells when the number of known nodes has changed, whatever changed it."""

    def __init__(self, node: Node | DualNode, on_change: Callable[[], None]) -> None:
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

    def __init__(self, node: Node | DualNode, pump: Pump, address: Address, *, join_patience: float) -> None:
        self._node = node
        self._pump = pump
        self._address = address
        self._join_patience = join_patience
        self._joining = False  # somebody to wait for
        self._early: list[_Early] = []  # wait for the first neighbour; as bounded as their callers, for join_patience
        self._hearers: dict[OperationId, _Hear] = {}
        self._lookups: dict[bytes, list[_Hear]] = {}  # who waits for the search of a key
        self._news: BoundedTable[bytes, Callable[[], None]] = BoundedTable(MAX_WATCHED)
        self._closed = False

    @property
    def address(self) -> Address:
        """Our UDP address as bound."""
        return self._address

    # -- joining

    def expect_neighbours(self) -> None:
        """There are bootstrap nodes: operations wait for an answer, but no longer than join_patience from now."""
        self._joining = True
        asyncio.get_running_loop().call_later(self._join_patience, self._joined)

    def nodes_changed(self) -> None:
        """Another node became known, or was lost."""
        if self._node.nodes() > 0:
            self._joined()

    def _joined(self) -> None:
        self._joining = False
        early, self._early = self._early, []
        for start, hear in early:
            self._begin(start, hear)

    # -- operations

    def lookup(self, key: bytes, done: Done[Sequence[Address]]) -> None:
        """See DhtService. Callers who ask for the same key at once share one search."""
        sharing = self._lookups.get(key)
        if sharing is not None:
            sharing.append(partial(_tell, PeersFound, _peers, done))
            return
        self._lookups[key] = [partial(_tell, PeersFound, _peers, done)]
        self._begin(lambda now: self._node.lookup(key, now), partial(self._looked_up, key))

    def _looked_up(self, key: bytes, event: DhtEvent) -> None:
        for hear in self._lookups.pop(key):
            hear(event)

    def watch(self, key: bytes, done: Done[Watch], on_news: Callable[[], None]) -> None:
        """See DhtService."""
        self._news[key] = on_news
        self._begin(lambda now: self._node.watch(key, now), partial(_tell, Watching, _watch, done))

    def listed(self, peers: Sequence[Address], client: str) -> Sequence[Address]:
        """See DhtService."""
        return self._node.listed(peers, Address(client, 0))

    def announce(self, key: bytes, peer: Address, done: Done[int]) -> None:
        """See DhtService."""
        self._begin(lambda now: self._node.announce(key, peer, now), partial(_tell, Announced, _nodes, done))

    def put(self, item: Item, done: Done[bytes], *, host: str = LOCAL) -> None:
        """See DhtService."""
        self._begin(lambda now: self._node.put(item, now, host=host), partial(_tell, Stored, _target, done))

    def get(self, target: bytes, salt: bytes, done: Done[FoundItem | None]) -> None:
        """See DhtService. What never changes and is stored here costs no operation."""
        item = None if self._closed else self._node.stored(target, self._pump.now())
        if item is not None:
            done(FoundItem(item, self._node.id))
            return
        self._begin(lambda now: self._node.get(target, now, salt=salt), partial(_tell, Found, _found, done))

    def _begin(self, start: Callable[[float], OperationId], hear: _Hear) -> None:
        if self._closed:
            hear(_CLOSED)
        elif self._joining:
            self._early.append((start, hear))
        else:
            try:
                operation = start(self._pump.now())
            except Exception as error:  # a bug of ours costs this operation; who waits hears of it all the same
                self._pump.report("a DHT operation could not be started", error)
                hear(Failed(OperationId(0), LocalError(f"a DHT operation could not be started: {error}")))
                return
            self._hearers[operation] = hear
            if len(self._hearers) > 1:
                self._pump.flush_soon()  # other clients ask too: the queries of one loop turn share a system call
            else:
                self._pump.flush()

    def on_event(self, event: DhtEvent) -> None:
        """Tell who waits for this operation, or for this news."""
        if isinstance(event, News):
            if (on_news := self._news.get(event.key)) is not None:
                on_news()
            return
        hear = self._hearers.pop(event.operation, None)
        if hear is not None:
            hear(event)

    def close(self) -> None:
        """Fail what is under way. Idempotent."""
        self._closed = True
        self._joined()
        hearers, self._hearers = self._hearers, {}
        for hear in hearers.values():
            hear(_CLOSED)


_Early = tuple[Callable[[float], OperationId], _Hear]
_CLOSED = Failed(OperationId(0), LocalError("this grape is closed"))


def _tell(kind: type[EventT], result: Callable[[EventT], ResultT], done: Done[ResultT], event: DhtEvent) -> None:
    """Hand over what an event of this kind says, or the error in its stead."""
    if isinstance(event, kind):
        done(result(event))
    elif isinstance(event, Failed):
        done(event.error)
    else:
        done(LocalError(f"the DHT answered {type(event).__name__} where {kind.__name__} was due"))


def _peers(event: PeersFound) -> Sequence[Address]:
    return event.peers


def _watch(event: Watching) -> Watch:
    return Watch(event.peers, event.granted)


def _nodes(event: Announced) -> int:
    return event.nodes


def _target(event: Stored) -> bytes:
    return event.target


def _found(event: Found) -> FoundItem | None:
    return None if event.item is None else FoundItem(event.item, event.responder or b"", event.token)

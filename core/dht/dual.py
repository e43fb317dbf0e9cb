"""One grape in both networks, that of IPv4 and that of IPv6 (BEP 32): each operation runs in both and ends once.

The first of the two that found something is waited for; the other one has a moment more, as dead nodes of one network
must not hold up what the other one knows (RFC 8305 does the same with connections). What comes later is left out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from core.dht.events import Announced, DhtEvent, Failed, Found, News, OperationId, PeersFound, Stored, Watching
from core.dht.items import Item
from core.dht.node import Node
from core.dht.statistics import DhtStatistics, added
from core.dht.storage import LOCAL
from core.scope import is_six
from core.values import Address, Buffer, Burst

MOMENT: Final = 0.25  # seconds that the second network has, once the first has found something (RFC 8305 section 8)


@dataclass(slots=True)
class _Both:
    """An operation under way. `ended`: what one of the two found; `until`: how long the other one is waited for.

    `heard`: one of them had nodes to ask.
    """

    left: int = 2
    heard: bool = False
    ended: DhtEvent | None = None
    until: float | None = None


class DualNode:
    """A Machine[DhtEvent] with the verbs of Node. `four` and `six` have one id and the same stores."""

    def __init__(self, four: Node, six: Node) -> None:
        self._four, self._six = four, six
        self._last = 0
        self._open: dict[OperationId, _Both] = {}  # bounded as the operations of both are
        self._parts: tuple[dict[OperationId, OperationId], ...] = ({}, {})  # of each network: whose part it is
        self._events: list[DhtEvent] = []
        self._counted: tuple[int, int, int] = (0, 0, 0)  # nodes of each network, and of both

    @property
    def id(self) -> bytes:
        """Our id in both networks."""
        return self._four.id

    # -- operations -------------------------------------------------------------------------------------------------

    def bootstrap(self, nodes: Sequence[Address], now: float) -> None:
        """See Node; each address in its own network."""
        for node, six in ((self._four, False), (self._six, True)):
            own = [each for each in nodes if is_six(each.host) == six]
            if own:
                node.bootstrap(own, now)

    def begin_again(self, now: float) -> None:
        """See Node."""
        self._four.begin_again(now)
        self._six.begin_again(now)

    def meet(self, address: Address, now: float) -> None:
        """See Node."""
        self._of(address).meet(address, now)

    def knows(self, address: Address) -> bool:
        """See Node."""
        return self._of(address).knows(address)

    def lookup(self, key: bytes, now: float) -> OperationId:
        """See Node."""
        return self._begin(lambda node: node.lookup(key, now), now)

    def watch(self, key: bytes, now: float) -> OperationId:
        """See Node. `granted` where all networks that have nodes tell news."""
        return self._begin(lambda node: node.watch(key, now), now)

    def announce(self, key: bytes, peer: Address, now: float) -> OperationId:
        """See Node. The event names the network in which more nodes took it: most of them may be the same nodes."""
        return self._begin(lambda node: node.announce(key, peer, now), now)

    def put(self, item: Item, now: float, *, host: str = LOCAL) -> OperationId:
        """See Node."""
        return self._begin(lambda node: node.put(item, now, host=host), now)

    def get(self, target: bytes, now: float, *, salt: bytes = b"") -> OperationId:
        """See Node."""
        return self._begin(lambda node: node.get(target, now, salt=salt), now)

    def stored(self, target: bytes, now: float) -> Item | None:
        """See Node."""
        return self._four.stored(target, now)

    def nodes(self) -> int:
        """Return how many other nodes are known and live; one that is known in both networks is one."""
        four, six, both = self._counted
        if (four, six) != (self._four.nodes(), self._six.nodes()):
            four, six = self._four.nodes(), self._six.nodes()
            both = len(self._four.ids() | self._six.ids()) if four and six else four + six
            self._counted = (four, six, both)
        return both

    def neighbours(self, count: int) -> list[Address]:
        """See Node; those of IPv4 first."""
        return [*self._four.neighbours(count), *self._six.neighbours(count)][:count]

    def observed(self) -> Address | None:
        """Return our UDP address as most nodes of IPv4 see it."""
        return self._four.observed()

    def observed_6(self) -> Address | None:
        """Return the same of IPv6."""
        return self._six.observed()

    def listed(self, peers: Sequence[Address], requester: Address) -> list[Address]:
        """See Node."""
        return self._four.listed(peers, requester)

    def statistics(self) -> DhtStatistics:
        """Return the counts of both together."""
        four = self._four.statistics()
        counts = added(four, self._six.statistics())
        return replace(counts, nodes=self.nodes(), keys=four.keys, items=four.items, operations=len(self._open))

    # -- Machine ------------------------------------------------------------------------------------------------------

    def receive(self, datagrams: Sequence[Buffer], source: Address, now: float) -> None:
        """See Machine."""
        self._of(source).receive(datagrams, source, now)
        self._collect(now)

    def tick(self, now: float) -> None:
        """See Machine."""
        self._four.tick(now)
        self._six.tick(now)
        self._collect(now)
        for operation in [each for each, both in self._open.items() if both.until is not None and now >= both.until]:
            self._end(operation)

    def deadline(self) -> float:
        """See Machine."""
        earliest = min(self._four.deadline(), self._six.deadline())
        for both in self._open.values():
            if both.until is not None and both.until < earliest:
                earliest = both.until
        return earliest

    def transmit(self, now: float) -> list[Burst]:
        """See Machine."""
        self._collect(now)
        return [*self._four.transmit(now), *self._six.transmit(now)]

    def events(self) -> list[DhtEvent]:
        """See Machine."""
        events, self._events = self._events, []
        return events

    # -- two parts of one ---------------------------------------------------------------------------------------------

    def _of(self, address: Address) -> Node:
        return self._six if is_six(address.host) else self._four

    def _begin(self, start: Callable[[Node], OperationId], now: float) -> OperationId:
        self._last += 1
        operation = OperationId(self._last)
        self._open[operation] = _Both()
        for parts, node in zip(self._parts, (self._four, self._six), strict=True):
            parts[start(node)] = operation
        self._collect(now)
        return operation

    def _collect(self, now: float) -> None:
        for parts, node in zip(self._parts, (self._four, self._six), strict=True):
            for event in node.events():
                if isinstance(event, News):
                    self._events.append(event)
                elif (operation := parts.pop(event.operation, None)) in self._open:
                    self._take(operation, event, now, heard=bool(node.nodes()))

    def _take(self, operation: OperationId, event: DhtEvent, now: float, *, heard: bool) -> None:
        """Take how one part ended. `heard`: there were nodes to ask."""
        both = self._open[operation]
        both.left -= 1
        both.heard |= heard
        if isinstance(event, Watching) and not heard:  # where nobody is, nobody needs to tell us
            event = replace(event, granted=True)
        both.ended = event if both.ended is None else _merged(both.ended, event)
        if not both.left:
            self._end(operation)
        elif heard and _is_something(event):
            both.until = now + MOMENT

    def _end(self, operation: OperationId) -> None:
        both = self._open.pop(operation)
        event = both.ended
        if isinstance(event, Watching) and not both.heard:
            event = replace(event, granted=False)
        if event is not None:
            self._events.append(replace(event, operation=operation))


def _is_something(event: DhtEvent) -> bool:
    """Return whether somebody who waits can use this."""
    if isinstance(event, PeersFound | Watching):
        return bool(event.peers)
    if isinstance(event, Found):
        return event.item is not None
    return not isinstance(event, Failed)


def _merged(one: DhtEvent, other: DhtEvent) -> DhtEvent:
    """Return what both parts of an operation say together."""
    if isinstance(one, Failed):
        return other
    if isinstance(one, PeersFound) and isinstance(other, PeersFound):
        return replace(one, peers=_united(one.peers, other.peers))
    if isinstance(one, Watching) and isinstance(other, Watching):
        return replace(one, peers=_united(one.peers, other.peers), granted=one.granted and other.granted)
    if isinstance(one, Announced) and isinstance(other, Announced):
        return one if one.nodes >= other.nodes else other
    if isinstance(one, Stored) and isinstance(other, Stored):
        return one if one.nodes >= other.nodes else other
    if isinstance(one, Found) and isinstance(other, Found):
        return other if _is_newer(other, one) else one
    return one


def _united(one: tuple[Address, ...], other: tuple[Address, ...]) -> tuple[Address, ...]:
    return tuple(dict.fromkeys((*one, *other)))


def _is_newer(one: Found, other: Found) -> bool:
    if one.item is None or other.item is None:
        return other.item is None
    return one.item.sequence > other.item.sequence

"""Carries the wishes of an exchange (`core.signal`) over the node, and brings back what comes."""

from typing import Final

from core.dht.events import OperationId
from core.dht.items import mutable_target, sign_item
from core.errors import LocalError
from core.limits.table import BoundedTable
from core.mainline.events import Ended, ItemHeard, MainlineEvent, PeersHeard
from core.mainline.node import MainlineNode
from core.mainline.thrift import Use
from core.signal.exchange import Exchange
from core.signal.wishes import Listen, Read, Ring, Why, Wish, Write

MAX_WISHES: Final = 256  # under way; the node takes 64 operations, and each ends within a minute


class Post:
    """`step` after everything that node or exchange did. `port` is our socket's, for nodes without `implied_port`."""

    def __init__(self, node: MainlineNode, exchange: Exchange, port: int) -> None:
        self._node = node
        self._exchange = exchange
        self._port = port
        self._wishes: BoundedTable[OperationId, int] = BoundedTable(MAX_WISHES)

    def step(self, now: float, clock: float) -> None:
        """Ask for what the exchange wishes now."""
        self._exchange.pace.afforded = self._node.thrift.may(Use.EAGER, now)
        for wish in self._exchange.wishes():
            try:
                self._wishes[self._begin(wish, now)] = wish.number
            except LocalError:
                self._exchange.done(wish.number, 0, now)

    def take(self, event: MainlineEvent, now: float, clock: float) -> None:
        """Hand what the node tells to the exchange."""
        number = self._wishes.get(event.operation)
        if number is None:
            return
        if isinstance(event, PeersHeard):
            self._exchange.ringers(number, event.peers, now, clock, event.said_by.host)
        elif isinstance(event, ItemHeard):
            self._exchange.came(number, event.item.value, event.item.sequence, now, clock)
        elif isinstance(event, Ended):
            del self._wishes[event.operation]
            self._exchange.done(number, event.taken, now)

    def _begin(self, wish: Wish, now: float) -> OperationId:
        if isinstance(wish, Write):
            # Here, as who uses no public DHT never needs it: it takes 7 MB.
            from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

            writer = Ed25519PrivateKey.from_private_bytes(wish.box.writer)
            return self._node.put(sign_item(writer, wish.sealed, wish.sequence), now, use=_use(wish))
        if isinstance(wish, Read):
            target = mutable_target(wish.box.public)
            return self._node.get(wish.box.public, target, now, known=wish.known, part=wish.part, use=_use(wish))
        if isinstance(wish, Listen):
            return self._node.peek(wish.door, now, wish.part, use=_use(wish))
        assert isinstance(wish, Ring)
        return self._node.announce(wish.door, self._port, now, use=_use(wish))


def _use(wish: Wish) -> Use:
    """Return what the bytes of a wish are for."""
    if wish.why is not Why.IDLE:
        return {Why.CALL: Use.AWAITED, Why.VISIT: Use.VISITS, Why.EAGER: Use.EAGER}[wish.why]
    return Use.LETTERS if isinstance(wish, Write) else Use.RINGS if isinstance(wish, Read) else Use.DOOR

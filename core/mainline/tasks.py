"""What the searches of the node are for. Each tells what it hears at once; its end is told by its owner."""

import math
from collections.abc import Callable
from typing import Final

from core.dht.events import OperationId
from core.dht.items import KEY_BYTES, MAX_SEQUENCE, SIGNATURE_BYTES, Item
from core.dht.lookup import Search
from core.dht.transactions import Outcome
from core.dht.walk import Task, Write, WriteTokens
from core.errors import RemoteError
from core.mainline.config import ENOUGH, SETTLED, STORED
from core.mainline.events import ItemHeard, MainlineEvent, PeersHeard
from core.mainline.thrift import Use
from core.scope import usable
from core.wire.compact import Contact, unpack_peers
from core.wire.krpc import Fields, Reply, take_bytes, take_int

LISTED_MAX: Final = 100  # peers of one answer that are looked at; a datagram of 1,472 bytes holds 180

Emit = Callable[[MainlineEvent], None]
OnEnd = Callable[["Operation", float], None]


class Operation(Task):
    """One that somebody waits for. `answered` counts the nodes that answered, `taken` those that took a write."""

    least = 1  # that have to do so where nobody is searched for; with fewer the next one is a search

    def __init__(self, operation: OperationId, target: bytes, emit: Emit) -> None:
        self.operation = operation
        self.target = target
        self.emit = emit
        self.on_end: OnEnd = lambda task, now: None
        self.search: Search | None = None  # its search, once that has begun
        self.began = math.inf
        self.use = Use.AWAITED  # of its bytes
        self.hurried = False  # it ended before all of the nearest had answered
        self.answered = 0
        self.taken = 0
        self.tokens: WriteTokens = []  # of the nodes that were written to, where those are good for more than one item

    def enough(self, now: float) -> bool:
        """Count an answer; return whether a search that is to store something may end."""
        self.answered += 1
        took = now - self.began
        least, nearest = SETTLED
        settled = took >= least and self.search is not None and self.search.settled() >= nearest
        self.hurried = settled or any(took >= seconds and self.answered >= answers for seconds, answers in ENOUGH)
        return self.hurried

    def wrote(self, by: Contact, outcome: Outcome) -> None:
        """See Task."""
        self.taken += isinstance(outcome, Reply)

    def finish(self, now: float) -> None:
        """See Task."""
        self.on_end(self, now)


class FindPeers(Operation):
    """Collect who is announced under a key."""

    method = b"get_peers"

    def arguments(self) -> Fields:
        """See Task."""
        return {b"info_hash": self.target}

    def heard(self, contact: Contact, values: Fields, now: float) -> bool:
        """See Task: what is no peer is skipped, whatever a node says."""
        self.answered += 1
        if b"values" in values:
            listed = [peer for peer in unpack_peers(values[b"values"])[:LISTED_MAX] if usable(peer)]
            if listed:
                self.emit(PeersHeard(self.operation, tuple(listed), contact.address, contact.id))
        return False


class Announce(FindPeers):
    """Be listed under a key at the address that each node sees (BEP 5: `implied_port`)."""

    def __init__(self, operation: OperationId, target: bytes, port: int, emit: Emit) -> None:
        super().__init__(operation, target, emit)
        self._port = port  # what nodes take that know no `implied_port`

    def writes(self, tokens: WriteTokens) -> list[Write]:
        """See Task."""
        fields: Fields = {b"info_hash": self.target, b"port": self._port, b"implied_port": 1}
        return [Write(contact, b"announce_peer", {**fields, b"token": token}) for contact, token in tokens]

    def heard(self, contact: Contact, values: Fields, now: float) -> bool:
        """See Task. Who else is listed is of no interest."""
        return self.enough(now)


class GetItem(Operation):
    """Find a mutable item with a sequence number above `known`."""

    method = b"get"

    def __init__(self, operation: OperationId, key: bytes, target: bytes, known: int, emit: Emit) -> None:
        super().__init__(operation, target, emit)
        self._key = key
        self._known = known

    def arguments(self) -> Fields:
        """See Task; with `seq`, what we know already comes back without its value (BEP 44)."""
        return {b"target": self.target} if self._known < 0 else {b"target": self.target, b"seq": self._known}

    def heard(self, contact: Contact, values: Fields, now: float) -> bool:
        """See Task. Raises RemoteError for an item that is not what it says."""
        if b"v" in values:
            item = Item(
                values[b"v"],
                key=take_bytes(values, b"k", KEY_BYTES, KEY_BYTES),
                signature=take_bytes(values, b"sig", SIGNATURE_BYTES, SIGNATURE_BYTES),
                sequence=take_int(values, b"seq", 0, MAX_SEQUENCE),
            )
            if item.key != self._key:
                raise RemoteError("the item does not belong to its target")
            if item.sequence > self._known:
                item.check()
                self._known = item.sequence
                self.emit(ItemHeard(self.operation, item))
        self.answered += 1
        return False


class PutItem(Operation):
    """Store a mutable item at the nodes nearest to its target."""

    method = b"get"
    least = STORED

    def __init__(self, operation: OperationId, item: Item, emit: Emit) -> None:
        super().__init__(operation, item.target(), emit)
        self._item = item

    def arguments(self) -> Fields:
        """See Task. `seq`: what is stored there is of no interest, only a token is."""
        return {b"target": self.target, b"seq": self._item.sequence}

    def heard(self, contact: Contact, values: Fields, now: float) -> bool:
        """See Task."""
        return self.enough(now)

    def writes(self, tokens: WriteTokens) -> list[Write]:
        """See Task."""
        item, self.tokens = self._item, tokens
        fields: Fields = {b"v": item.value, b"seq": item.sequence, b"sig": item.signature}
        if item.key is not None:
            fields[b"k"] = item.key
        return [Write(contact, b"put", {**fields, b"token": token}) for contact, token in tokens]

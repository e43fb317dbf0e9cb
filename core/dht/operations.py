"""What the walks of a node are for: join the network, find peers, announce one, put and get an item."""

import contextlib
from collections.abc import Callable

from core.dht.events import Announced, DhtEvent, Failed, Found, OperationId, PeersFound, Stored, Watching
from core.dht.family import FOUR, Family
from core.dht.items import (
    BAD_SIGNATURE,
    CAS_MISMATCH,
    KEY_BYTES,
    MAX_SEQUENCE,
    SALT_TOO_BIG,
    SEQUENCE_OLD,
    SIGNATURE_BYTES,
    VALUE_TOO_BIG,
    Item,
    ItemRefused,
)
from core.dht.recent import WHOLE_NETWORK
from core.dht.transactions import Outcome
from core.dht.walk import Task, Write, WriteTokens
from core.dht.watches import Watch
from core.errors import RemoteError
from core.scope import Scope, scope, usable
from core.values import Address
from core.wire.compact import Contact
from core.wire.krpc import Error, Fields, Reply, take_bytes, take_int

_RULES = (VALUE_TOO_BIG, BAD_SIGNATURE, SALT_TOO_BIG, CAS_MISMATCH, SEQUENCE_OLD)

Emit = Callable[[DhtEvent], None]


class FindNodes(Task):
    """Search for a node id, to meet the nodes on the way; `on_finish` is called at the end."""

    method = b"find_node"

    def __init__(self, target: bytes, on_finish: Callable[[float], None], want: Fields | None = None) -> None:
        """`want`: asks for nodes of both networks, where we are in both (BEP 32)."""
        self._arguments: Fields = {b"target": target, **(want or {})}
        self._on_finish = on_finish

    def arguments(self) -> Fields:
        """See Task."""
        return self._arguments

    def finish(self, now: float) -> None:
        """See Task."""
        self._on_finish(now)


class FindPeers(Task):
    """Collect the peers of a service key. `local`: those we store; `own_hosts`: ours, as another node sees us."""

    method = b"get_peers"

    def __init__(
        self,
        operation: OperationId,
        key: bytes,
        emit: Emit,
        local: list[Address],
        own_hosts: Callable[[Address], tuple[str | None, ...]],
        max_peers: int,
        family: Family = FOUR,
    ) -> None:
        self._family = family
        self._operation = operation
        self._key = key
        self._emit = emit
        self._peers = dict.fromkeys(local)
        self._local_ports = {peer.port for peer in local if scope(peer.host) is Scope.LOOPBACK}
        self._own_hosts = own_hosts
        self._max_peers = max_peers

    def arguments(self) -> Fields:
        """See Task."""
        return {b"info_hash": self._key}

    def heard(self, contact: Contact, values: Fields, now: float) -> bool:
        """See Task: take the peers, up to `max_peers`."""
        if b"values" in values:
            remote = scope(contact.address.host) is not Scope.LOOPBACK
            for peer in self._family.unpack_peers(values[b"values"], contact.address.host):
                if remote and scope(peer.host) is Scope.LOOPBACK:
                    peer = Address(contact.address.host, peer.port)  # "this machine", said by another machine
                if usable(peer) and not self._is_ours(peer, contact.address) and len(self._peers) < self._max_peers:
                    self._peers.setdefault(peer)
        return False

    def _is_ours(self, peer: Address, responder: Address) -> bool:
        """Say whether this is a loopback peer of our own store, as others list it."""
        return peer.port in self._local_ports and peer.host in self._own_hosts(responder)

    def found(self) -> tuple[Address, ...]:
        """Return the peers so far."""
        return tuple(self._peers)

    def finish(self, now: float) -> None:
        """See Task."""
        self._emit(PeersFound(self._operation, self.found()))


class WritingTask(Task):
    """Writes to the nodes nearest to `target`. At its end `on_end(task, now)` returns True if it began the task again.

    `key`: the nodes that took it are remembered under it. `tokens`: the nodes written to; `taken`: how many took the
    write, or judged it; `remembered`: they were not searched for.
    """

    def __init__(self, key: bytes, target: bytes, on_end: Callable[["WritingTask", float], bool]) -> None:
        self.key = key
        self.target = target
        self.on_end = on_end
        self.tokens: WriteTokens = []
        self.taken = 0
        self.remembered = False


class WatchPeers(WritingTask):
    """Ask one or two of the nodes nearest to a service key who is there, and to tell us of new peers."""

    method = b"get_peers"

    def __init__(
        self,
        operation: OperationId,
        key: bytes,
        emit: Emit,
        on_end: Callable[[WritingTask, float], bool],
        watch: Watch,
        found: FindPeers,
    ) -> None:
        """`found` takes what the nodes say."""
        super().__init__(key, key, on_end)
        self._operation = operation
        self._emit = emit
        self._watch = watch
        self._found = found
        self._asked = 0
        self._granted = 0

    def arguments(self) -> Fields:
        """See Task."""
        return {b"info_hash": self.key}

    def heard(self, contact: Contact, values: Fields, now: float) -> bool:
        """See Task."""
        return self._found.heard(contact, values, now)

    def writes(self, tokens: WriteTokens) -> list[Write]:
        """See Task."""
        self.tokens, self.taken, self._granted = tokens, 0, 0
        picked = self._watch.pick(tokens)
        self._asked = len(picked)
        return [
            Write(contact, self.method, {b"info_hash": self.key, b"token": token, b"w": self._watch.cookie})
            for contact, token in picked
        ]

    def wrote(self, by: Contact, outcome: Outcome) -> None:
        """See Task. With all who were asked, `taken` says that the others are there too, as far as we know."""
        if not isinstance(outcome, Reply):
            return
        self.taken += 1
        self._granted += b"w" in outcome.values
        with contextlib.suppress(RemoteError):  # nonsense names nobody
            self._found.heard(by, outcome.values, 0.0)

    def finish(self, now: float) -> None:
        """See Task."""
        self._watch.asked(self._asked, self._granted)
        self.taken = len(self.tokens) if self.taken == self._asked else 0
        if not self.on_end(self, now):
            self._emit(Watching(self._operation, self._found.found(), self._watch.granted))


class AnnouncePeer(WritingTask):
    """Store `port` under a service key at the nodes nearest to it; they take our source IP for the host."""

    method = b"get_peers"

    def __init__(
        self, operation: OperationId, key: bytes, port: int, emit: Emit, on_end: Callable[[WritingTask, float], bool]
    ) -> None:
        super().__init__(key, key, on_end)
        self._operation = operation
        self._port = port
        self._emit = emit

    def arguments(self) -> Fields:
        """See Task."""
        return {b"info_hash": self.key}

    def writes(self, tokens: WriteTokens) -> list[Write]:
        """See Task."""
        self.tokens, self.taken = tokens, 0
        return [
            Write(
                contact,
                b"announce_peer",
                {b"info_hash": self.key, b"port": self._port, b"implied_port": 0, b"token": token},
            )
            for contact, token in tokens
        ]

    def wrote(self, by: Contact, outcome: Outcome) -> None:
        """See Task."""
        self.taken += isinstance(outcome, Reply)

    def finish(self, now: float) -> None:
        """See Task."""
        if not self.on_end(self, now):
            self._emit(Announced(self._operation, max(self.taken, 1)))


class PutItem(WritingTask):
    """Store an item at the nodes nearest to its target, and with us: `store(now)` does that, or raises ItemRefused.

    Targets hardly ever come again: it has no key of its own.
    """

    method = b"get"

    def __init__(
        self,
        operation: OperationId,
        item: Item,
        store: Callable[[float], None],
        emit: Emit,
        on_end: Callable[[WritingTask, float], bool],
    ) -> None:
        super().__init__(WHOLE_NETWORK, item.target(), on_end)
        self._operation = operation
        self._item = item
        self._store = store
        self._emit = emit
        self._stored = 0
        self._refused: ItemRefused | None = None

    def arguments(self) -> Fields:
        """See Task."""
        return {b"target": self.target}

    def writes(self, tokens: WriteTokens) -> list[Write]:
        """See Task."""
        self.tokens, self.taken, self._stored, self._refused = tokens, 0, 0, None
        item = self._item
        fields: Fields = {b"v": item.value}
        if item.key is not None:
            fields |= {b"k": item.key, b"sig": item.signature, b"seq": item.sequence}
            if item.salt:
                fields[b"salt"] = item.salt
            if item.cas is not None:
                fields[b"cas"] = item.cas
        return [Write(contact, b"put", {**fields, b"token": token}) for contact, token in tokens]

    def wrote(self, by: Contact, outcome: Outcome) -> None:
        """See Task. A refusal under a rule of BEP 44 counts; a Node grape that takes no mutable items has none."""
        self._stored += isinstance(outcome, Reply)
        self.taken += isinstance(outcome, Reply)
        if isinstance(outcome, Error) and outcome.code in _RULES:
            self._refused = ItemRefused(outcome.code, outcome.message or "another node refused the item")
            self.taken += 1

    def finish(self, now: float) -> None:
        """See Task: it failed if no other node took it and one, or our own store, named a rule it breaks."""
        if self.on_end(self, now):
            return
        refused = self._refused
        if refused is None or self._stored:
            try:
                self._store(now)
            except ItemRefused as error:  # a newer one arrived while we searched
                refused = error
        if refused is not None and not self._stored:
            self._emit(Failed(self._operation, refused))
        else:
            self._emit(Stored(self._operation, self.target, max(self._stored, 1)))


class GetItem(Task):
    """Find an item: any immutable one that fits the target, or the mutable one with the highest sequence number."""

    method = b"get"

    def __init__(self, operation: OperationId, target: bytes, salt: bytes, best: Found, emit: Emit) -> None:
        self._operation = operation
        self._target = target
        self._salt = salt
        self._best = best
        self._emit = emit

    def arguments(self) -> Fields:
        """See Task."""
        return {b"target": self._target}

    def heard(self, contact: Contact, values: Fields, now: float) -> bool:
        """See Task: check hash or signature. Raises RemoteError for an item that is not what it says."""
        if b"v" not in values:
            return False
        if b"k" in values:
            item = Item(
                values[b"v"],
                key=take_bytes(values, b"k", KEY_BYTES, KEY_BYTES),
                signature=take_bytes(values, b"sig", SIGNATURE_BYTES, SIGNATURE_BYTES),
                sequence=take_int(values, b"seq", 0, MAX_SEQUENCE),
                salt=self._salt,
            )
        else:
            item = Item(values[b"v"])
        if item.target() != self._target:
            raise RemoteError("the item does not belong to its target")
        item.check()
        if self._best.item is None or item.sequence > self._best.item.sequence:
            token = values.get(b"token")
            self._best = Found(self._operation, item, contact.id, token if isinstance(token, bytes) else None)
        return item.key is None

    def finish(self, now: float) -> None:
        """See Task."""
        self._emit(self._best)

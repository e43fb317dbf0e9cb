"""What a DHT node is asked to do by its owner: find and announce peers, put and get items."""

from functools import partial

from core.dht.config import DhtConfig
from core.dht.events import Found, OperationId
from core.dht.family import Family
from core.dht.items import MAX_SALT_BYTES, Item
from core.dht.operations import AnnouncePeer, FindPeers, GetItem, PutItem, WatchPeers
from core.dht.responder import Responder, key_fault
from core.dht.storage import LOCAL
from core.dht.votes import OwnHosts
from core.dht.walks import Walks
from core.dht.watches import Watched
from core.errors import LocalError
from core.scope import usable
from core.values import Address
from core.wire.compact import ID_BYTES


class Verbs:
    """The operations of a node, which is made of the parts below. Every OperationId ends with exactly one event."""

    id: bytes
    _config: DhtConfig
    _family: Family
    _own: OwnHosts
    _responder: Responder
    _walks: Walks
    _watched: Watched

    def lookup(self, key: bytes, now: float) -> OperationId:
        """Find the peers of a service key (its raw bytes); ends with PeersFound."""
        operation = self._walks.new_operation()
        if self._walks.accepts(operation, key_fault(key)):
            self._walks.begin(self._find(operation, key, now), key, now)
        return operation

    def watch(self, key: bytes, now: float) -> OperationId:
        """Ask few nodes for the peers of a key, and to tell us of new ones; ends with Watching. News may follow."""
        operation = self._walks.new_operation()
        if self._walks.accepts(operation, key_fault(key)):
            found, watch = self._find(operation, key, now), self._watched.use(key)
            task = WatchPeers(operation, key, self._walks.end, self._walks.write_ended, watch, found)
            self._walks.begin(task, key, now)
        return operation

    def _find(self, operation: OperationId, key: bytes, now: float) -> FindPeers:
        local = self._responder.peers.peers(key, now)
        return FindPeers(
            operation, key, self._walks.end, local, self._own.toward, self._config.max_peers_found, self._family
        )

    def announce(self, key: bytes, peer: Address, now: float) -> OperationId:
        """Store `peer` here, and its port at the nodes nearest to `key` (they add our IP); ends with Announced."""
        operation = self._walks.new_operation()
        fault = key_fault(key)
        if fault is None and not usable(peer):
            fault = LocalError(f"{peer} cannot be announced: an IPv4 unicast address and a port from 1 to 65535 can")
        if self._walks.accepts(operation, fault):
            self._responder.store(key, peer, now)
            task = AnnouncePeer(operation, key, peer.port, self._walks.end, self._walks.write_ended)
            self._walks.begin(task, key, now)
        return operation

    def put(self, item: Item, now: float, *, host: str = LOCAL) -> OperationId:
        """Store an item here and at the nodes nearest to its target; ends with Stored, or Failed (ItemRefused).

        `host` is the IPv4 of the client that wants it stored: it counts on that host's account here.
        """
        operation = self._walks.new_operation()
        if self._walks.accepts(operation, self._responder.items.refusal(item, now)):
            store = partial(self._responder.items.put, item, host=host)
            task = PutItem(operation, item, store, self._walks.end, self._walks.write_ended)
            self._walks.begin(task, item.target(), now)
        return operation

    def get(self, target: bytes, now: float, *, salt: bytes = b"") -> OperationId:
        """Find the item of a 20-byte target; `salt` is that of a mutable item. Ends with Found (item None: unknown)."""
        operation = self._walks.new_operation()
        wrong = len(target) != ID_BYTES or len(salt) > MAX_SALT_BYTES
        fault = LocalError(f"a target is {ID_BYTES} bytes, a salt at most {MAX_SALT_BYTES}")
        if self._walks.accepts(operation, fault if wrong else None):
            item = self._responder.items.get(target, now)
            best = Found(operation, item, None if item is None else self.id)
            if item is not None and item.key is None:
                self._walks.operations += 1
                self._walks.end(best)
            else:
                self._walks.begin(GetItem(operation, target, salt, best, self._walks.end), target, now)
        return operation

    def stored(self, target: bytes, now: float) -> Item | None:
        """Return the immutable item that we store ourselves: nobody needs to be asked for it."""
        return item if (item := self._responder.items.get(target, now)) and item.key is None else None

"""Answers the queries of other nodes (BEP 5, BEP 44) out of the table and the stores. Sends nothing itself."""

from collections.abc import Callable, Sequence
from random import Random

from core.dht.config import DhtConfig
from core.dht.items import MAX_SEQUENCE, Item
from core.dht.routing import RoutingTable
from core.dht.storage import ItemStore, PeerStore
from core.dht.tokens import Tokens
from core.dht.watches import COOKIE_BYTES, Watchers
from core.errors import LocalError, RemoteError
from core.scope import Scope, listed_peer, scope, usable
from core.values import Address
from core.wire.bencoding import MAX_BYTES
from core.wire.compact import ID_BYTES, Contact, pack_nodes, pack_peer
from core.wire.krpc import METHOD_UNKNOWN, PROTOCOL_ERROR, Fields, Query, QueryRefused, take_bytes, take_int

MAX_KEY_BYTES = 255  # of a service key: as long as a DNS name or a file name; with ids and token it fits one packet
MAX_TOKEN_BYTES = 128  # of other nodes' tokens, which are opaque; ours have 20
WRITES = frozenset({b"announce_peer", b"put"})  # whose token is checked: it was sent to the host that has it
NODES_BESIDE_ITEM = 8  # with a 1,000-byte mutable item that still fits one Ethernet packet (1,472 bytes)


class Responder:
    """The answering half of a node. `listed` tells under which address a stored peer is shown to a requester.

    `local_address` is our own IPv4 toward a requester.
    """

    def __init__(
        self,
        config: DhtConfig,
        random: Random,
        table: RoutingTable,
        now: float,
        listed: Callable[[Sequence[Address], Address], list[Address]],
        local_address: Callable[[Address], str | None],
        watchers: Watchers | None = None,
        on_new: Callable[[bytes], None] = lambda key: None,
    ) -> None:
        """`watchers`: who is to hear of new peers, None: nobody is. `on_new(key)` hears of each."""
        self._watchers, self._on_new = watchers, on_new
        self._config = config
        self._random = random
        self._table = table
        self._listed = listed
        self._local_address = local_address
        self._tokens = Tokens(random, config.token_rotation, now)
        self.peers = PeerStore(config.max_tables, config.max_peers_per_table, config.peer_max_age, config.max_peers)
        self.items = ItemStore(config.max_values, config.item_max_age)
        self._methods: dict[bytes, Callable[[Fields, Address, float], Fields]] = {
            b"ping": self._ping,
            b"find_node": self._find_node,
            b"get_peers": self._get_peers,
            b"announce_peer": self._announce_peer,
            b"get": self._get,
            b"put": self._put,
        }

    def answer(self, query: Query, source: Address, now: float) -> Fields:
        """Return the values of the reply, without our id. Raises QueryRefused with the code to answer."""
        method = self._methods.get(query.method)
        if method is None:
            raise QueryRefused(METHOD_UNKNOWN, "Method Unknown")
        try:
            return method(query.arguments, source, now)
        except QueryRefused:
            raise
        except RemoteError as error:
            raise QueryRefused(PROTOCOL_ERROR, str(error)) from None

    def store(self, key: bytes, peer: Address, now: float) -> None:
        """Store or renew a peer, and note who is to hear of it if it is new."""
        if self.peers.add(key, peer, now):
            if self._watchers is not None:
                self._watchers.news(key, now)
            self._on_new(key)

    def expire(self, now: float) -> None:
        """Forget what is too old."""
        self.peers.expire(now)
        self.items.expire(now)

    def _ping(self, arguments: Fields, source: Address, now: float) -> Fields:
        return {}

    def _find_node(self, arguments: Fields, source: Address, now: float) -> Fields:
        return {b"nodes": self._nodes(take_bytes(arguments, b"target", 1, MAX_KEY_BYTES), source)}

    def _get_peers(self, arguments: Fields, source: Address, now: float) -> Fields:
        key = take_bytes(arguments, b"info_hash", 1, MAX_KEY_BYTES)
        peers = self._listed(self.peers.peers(key, now), source)
        values: Fields = {b"token": self._tokens.issue(source.host, now)}
        if b"w" in arguments and (lease := self._watch(key, arguments, source, now)):
            values[b"w"] = lease
        if not peers:
            return {**values, b"nodes": self._nodes(key, source)}
        if len(peers) > self._config.max_peers_listed:
            peers = self._random.sample(peers, self._config.max_peers_listed)
        return {**values, b"values": [pack_peer(peer) for peer in peers]}

    def _watch(self, key: bytes, arguments: Fields, source: Address, now: float) -> int:
        """Note that this node is to hear of new peers, if its token shows that it is there; return its lease."""
        cookie = take_bytes(arguments, b"w", COOKIE_BYTES, COOKIE_BYTES)
        token = take_bytes(arguments, b"token", 0, MAX_TOKEN_BYTES) if b"token" in arguments else b""
        if self._watchers is None or not self._tokens.valid(token, source.host, now):
            return 0
        return self._watchers.add(key, source, cookie, now)

    def _announce_peer(self, arguments: Fields, source: Address, now: float) -> Fields:
        key = take_bytes(arguments, b"info_hash", 1, MAX_KEY_BYTES)
        implied = take_int(arguments, b"implied_port", 0, MAX_SEQUENCE, default=0)
        port = source.port if implied else take_int(arguments, b"port", 1, 65535)
        self._check_token(arguments, source, now)
        peer = Address(source.host, port)
        if not usable(peer):
            raise QueryRefused(PROTOCOL_ERROR, "not a usable address")
        self.store(key, peer, now)
        return {}

    def _get(self, arguments: Fields, source: Address, now: float) -> Fields:
        target = take_bytes(arguments, b"target", ID_BYTES, ID_BYTES)
        known = take_int(arguments, b"seq", -1, MAX_SEQUENCE, default=-1)
        reply: Fields = {b"token": self._tokens.issue(source.host, now)}
        item = self.items.get(target, now)
        if item is None:
            reply[b"nodes"] = self._nodes(target, source)
        elif item.key is None:
            reply[b"v"] = item.value  # no nodes: the search ends here
        elif item.sequence <= known:  # BEP 44: the requester has it already
            reply |= {b"seq": item.sequence, b"nodes": self._nodes(target, source)}
        else:
            nodes = self._nodes(target, source, NODES_BESIDE_ITEM)
            reply |= {b"v": item.value, b"k": item.key, b"sig": item.signature, b"seq": item.sequence, b"nodes": nodes}
        return reply

    def _put(self, arguments: Fields, source: Address, now: float) -> Fields:
        self._check_token(arguments, source, now)  # first: a signature costs us 100 us to check
        if b"v" not in arguments:
            raise QueryRefused(PROTOCOL_ERROR, "`v` is missing")
        if b"k" not in arguments:
            item = Item(arguments[b"v"])
        else:
            item = Item(
                arguments[b"v"],
                key=take_bytes(arguments, b"k", 0, MAX_BYTES),  # wrong sizes of these three fail in Item.check,
                signature=take_bytes(arguments, b"sig", 0, MAX_BYTES),  # under BEP 44's own codes
                salt=take_bytes(arguments, b"salt", 0, MAX_BYTES) if b"salt" in arguments else b"",
                sequence=take_int(arguments, b"seq", 0, MAX_SEQUENCE),
                cas=take_int(arguments, b"cas", 0, MAX_SEQUENCE) if b"cas" in arguments else None,
            )
        self.items.put(item, now, source.host)
        return {}

    def _check_token(self, arguments: Fields, source: Address, now: float) -> None:
        token = take_bytes(arguments, b"token", 0, MAX_TOKEN_BYTES)
        if not self._tokens.valid(token, source.host, now):
            raise QueryRefused(PROTOCOL_ERROR, "Bad token")

    def _nodes(self, target: bytes, requester: Address, count: int | None = None) -> bytes:
        """Return the nearest nodes; grapes on this machine under our address toward `requester`, or not at all."""
        contacts = self._table.closest(target, count or self._config.bucket_size)
        if scope(requester.host) is Scope.LOOPBACK or all(
            scope(contact.address.host) is not Scope.LOOPBACK for contact in contacts
        ):
            return pack_nodes(contacts)
        own = self._local_address(requester)  # not the observed one: a NAT maps each grape's port to another
        shown = ((contact.id, listed_peer(contact.address, requester.host, own, None)) for contact in contacts)
        return pack_nodes(Contact(node_id, address) for node_id, address in shown if address is not None)


def key_fault(key: bytes) -> LocalError | None:
    """Return why `key` cannot be asked for or announced under, if so."""
    if 0 < len(key) <= MAX_KEY_BYTES:
        return None
    return LocalError(f"a service name is 1 to {MAX_KEY_BYTES} bytes in UTF-8, not {len(key)}")


def show_peers(
    peers: Sequence[Address], requester: Address, local: Callable[[Address], str | None], observed: str | None
) -> list[Address]:
    """Return `peers` as `requester` may use them (see `hosts.listed_peer`), without duplicates."""
    if scope(requester.host) is Scope.LOOPBACK or all(scope(peer.host) is not Scope.LOOPBACK for peer in peers):
        return list(peers)
    own = local(requester)
    shown = (listed_peer(peer, requester.host, own, observed) for peer in peers)
    return list(dict.fromkeys(peer for peer in shown if peer is not None))

"""Answers the queries of other nodes (BEP 5, BEP 44) out of the table and the stores. Sends nothing itself."""

from collections.abc import Callable, Sequence
from random import Random
from typing import TypeAlias

from core.dht.config import DhtConfig
from core.dht.family import FOUR, Family, wanted
from core.dht.items import MAX_SEQUENCE, Item
from core.dht.routing import RoutingTable
from core.dht.storage import ItemStore, PeerStore
from core.dht.tokens import Tokens
from core.dht.watches import COOKIE_BYTES, Watchers
from core.errors import LocalError, RemoteError
from core.scope import Scope, listed_peer, scope, usable
from core.values import Address
from core.wire.bencoding import MAX_BYTES
from core.wire.compact import ID_BYTES, NODE_BYTES, Contact
from core.wire.krpc import METHOD_UNKNOWN, PROTOCOL_ERROR, Fields, Query, QueryRefused, take_bytes, take_int

MAX_KEY_BYTES = 255  # of a service key: as long as a DNS name or a file name; with ids and token it fits one packet
MAX_TOKEN_BYTES = 128  # of other nodes' tokens, which are opaque; ours have 20
WRITES = frozenset({b"announce_peer", b"put"})  # whose token is checked: it was sent to the host that has it
NODES_BESIDE_ITEM = 8  # with a 1,000-byte mutable item that still fits one Ethernet packet (1,472 bytes); IPv6: 5

Elsewhere: TypeAlias = Callable[[bytes, Address], Fields]
"""(target, requester): the nodes nearest to a target in the other network, as a field; {} without it."""


def nowhere(target: bytes, requester: Address) -> Fields:
    """Be in one network only."""
    return {}


class Stores:
    """What a node keeps for others; its nodes of IPv4 and of IPv6 share it."""

    def __init__(self, config: DhtConfig) -> None:
        self.peers = PeerStore(config.max_tables, config.max_peers_per_table, config.peer_max_age, config.max_peers)
        self.items = ItemStore(config.max_values, config.item_max_age)


class Responder:
    """The answering half of a node. `listed` tells under which address a stored peer is shown to a requester.

    `local_address` is our own host toward a requester.
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
        *,
        family: Family = FOUR,
        stores: Stores | None = None,
        elsewhere: Elsewhere = nowhere,
    ) -> None:
        """`watchers`: who is to hear of new peers, None: nobody is. `on_new(key)` hears of each.

        `stores`: those of our node in the other network, which `elsewhere` asks for its nodes.
        """
        self._watchers, self._on_new = watchers, on_new
        self._family, self._elsewhere = family, elsewhere
        self._most_listed = family.most_listed(config.max_peers_listed)
        self._beside_item = NODES_BESIDE_ITEM * NODE_BYTES // family.node_bytes
        self._config = config
        self._random = random
        self._table = table
        self._listed = listed
        self._local_address = local_address
        self._tokens = Tokens(random, config.token_rotation, now)
        self.stores = stores or Stores(config)
        self.peers, self.items = self.stores.peers, self.stores.items
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
        return self._wanted_nodes(take_bytes(arguments, b"target", 1, MAX_KEY_BYTES), arguments, source)

    def _get_peers(self, arguments: Fields, source: Address, now: float) -> Fields:
        key = take_bytes(arguments, b"info_hash", 1, MAX_KEY_BYTES)
        peers = [each for each in self._listed(self.peers.peers(key, now), source) if self._family.has(each)]
        values: Fields = {b"token": self._tokens.issue(source.host, now)}
        if b"w" in arguments and (lease := self._watch(key, arguments, source, now)):
            values[b"w"] = lease
        if len(peers) > self._most_listed:
            peers = self._random.sample(peers, self._most_listed)
        packed = self._family.pack_peers(peers, source.host)
        if not packed:
            return {**values, **self._wanted_nodes(key, arguments, source)}
        return {**values, b"values": packed}

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
            reply |= self.nodes(target, source)
        elif item.key is None:
            reply[b"v"] = item.value  # no nodes: the search ends here
        elif item.sequence <= known:  # BEP 44: the requester has it already
            reply |= {b"seq": item.sequence, **self.nodes(target, source)}
        else:
            reply |= {b"v": item.value, b"k": item.key, b"sig": item.signature, b"seq": item.sequence}
            reply |= self.nodes(target, source, self._beside_item)
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

    def _wanted_nodes(self, target: bytes, arguments: Fields, requester: Address) -> Fields:
        """Return the nearest nodes, of both networks if they are asked for."""
        found: Fields = {}
        for family in wanted(arguments, self._family):
            own = family is self._family
            found |= self.nodes(target, requester) if own else self._elsewhere(target, requester)
        return found

    def nodes(self, target: bytes, requester: Address, count: int | None = None) -> Fields:
        """Return the nearest nodes; grapes on this machine under our address toward `requester`, or not at all."""
        contacts = self._table.closest(target, count or self._config.bucket_size)
        if scope(requester.host) is not Scope.LOOPBACK and any(
            scope(contact.address.host) is Scope.LOOPBACK for contact in contacts
        ):
            own = self._local_address(requester)  # not the observed one: a NAT maps each grape's port to another
            shown = ((each.id, listed_peer(each.address, requester.host, own, None)) for each in contacts)
            contacts = [Contact(node_id, address) for node_id, address in shown if address is not None]
        known = [contact for contact in contacts if self._family.has(contact.address)]
        return {self._family.nodes: self._family.pack_nodes(known, requester.host)}


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

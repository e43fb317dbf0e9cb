"""What a node keeps for the others: announced peers and BEP 44 items. Bounded in number, by host, and in age.

When a store is full, the host with most in it loses its oldest; so does a host that has a fourth of it. What this
machine stored itself is local: no stranger makes it go, and it has no bound of its own.
"""

from collections.abc import Hashable, Iterator
from dataclasses import replace
from typing import Final, NamedTuple, TypeVar

from core.dht.items import CAS_MISMATCH, SEQUENCE_OLD, Item, ItemRefused
from core.limits.fair import FairTable, crowded, site_limit
from core.scope import Scope, network, scope
from core.values import Address
from core.wire.bencoding import decode, encode

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

LOCAL: Final = "127.0.0.1"  # who stores from this machine; any loopback host is
HOST_PART: Final = 4  # the fourth part of a store is what one other host has at most: 5,000 values of one held 4 MB
KEPT_PART: Final = 16  # of a store's places the 16th part is kept for this machine, however many strangers there are


class PeerStore:
    """Peers by service key. `max_age` is in seconds since the last announce of that peer.

    A full key: the host with most peers there loses its oldest. Too many keys, or peers in all: the host with most
    peers in all does, until it fits.
    """

    def __init__(self, max_tables: int, max_peers: int, max_age: float, max_in_all: int = 20_000) -> None:
        self._max_tables = max_tables
        self._max_peers = max_peers
        self._max_age = max_age
        self._bounds = _bounds(max_in_all)
        self._tables: dict[bytes, FairTable[Address, None, str]] = {}
        # every peer of every key with the time of its last announce, the oldest first
        self._all: FairTable[tuple[bytes, Address], float, str] = _fair_table(max_in_all)

    def __len__(self) -> int:
        """Return the number of keys that have peers; those that went stale since the last `expire` included."""
        return len(self._tables)

    def add(self, key: bytes, peer: Address, now: float) -> bool:
        """Store or renew `peer` under `key`; return whether it is new there."""
        known = self._all.get((key, peer))
        new = known is None or now - known > self._max_age
        table = self._tables.get(key)
        if table is None:
            table = self._tables[key] = _fair_table(self._max_peers)
        local, owner = _is_local(peer.host), network(peer.host)
        if not local and (key, peer) not in self._all:
            self._make_room_of(owner)
        for gone in table.put(peer, None, owner, kept=local):
            self._all.pop((key, gone.key))
        if peer not in table:  # this machine's have all places
            return False
        for older in self._all.put((key, peer), now, owner, kept=local):
            self._forget(*older.key)
        while len(self._tables) > self._max_tables and (most := self._all.shrink()) is not None:
            self._forget(*most.key)
        return new

    def _make_room_of(self, host: str) -> None:
        """Let a host's oldest peer go when it, or its site, has as many as it may have."""
        level = crowded(host, *self._bounds, self._all)
        if level is not None and (oldest := self._all.oldest_of(host, level)) is not None:
            self._all.pop(oldest)
            self._forget(*oldest)

    def peers(self, key: bytes, now: float) -> list[Address]:
        """Return the peers of `key` that are not too old, the oldest announce first."""
        peers = list(self._tables.get(key, ()))
        stale = [peer for peer in peers if self._is_stale((key, peer), now)]
        for peer in stale:
            self._all.pop((key, peer))
            self._forget(key, peer)
        return [peer for peer in peers if peer not in stale] if stale else peers

    def expire(self, now: float) -> None:
        """Forget what is too old."""
        while (oldest := next(iter(self._all), None)) is not None and self._is_stale(oldest, now):
            self._all.pop(oldest)
            self._forget(*oldest)

    def _is_stale(self, entry: tuple[bytes, Address], now: float) -> bool:
        announced_at = self._all.get(entry)
        return announced_at is not None and now - announced_at > self._max_age

    def _forget(self, key: bytes, peer: Address) -> None:
        """Take a peer that is no longer in `_all` out of its key; the last one takes the key along."""
        table = self._tables.get(key)
        if table is None:
            return
        table.pop(peer)
        if not len(table):
            del self._tables[key]


class _Stored(NamedTuple):
    kept: Item
    packed: bytes | None  # the bencode of a value that is no bytes: 1,000 bytes of lists would hold 36,000 here
    put_at: float
    host: str  # who put it

    @property
    def item(self) -> Item:
        """The item as it was put."""
        return self.kept if self.packed is None else replace(self.kept, value=decode(self.packed))


class ItemStore:
    """BEP 44 items by target. `max_age` is in seconds since the last put. Full: the host with most loses its oldest."""

    def __init__(self, max_values: int, max_age: float) -> None:
        self._max_age = max_age
        self._bounds = _bounds(max_values)
        self._items: FairTable[bytes, _Stored, str] = _fair_table(max_values)  # the oldest put first

    def __len__(self) -> int:
        """Return the number of items; those that went stale since the last `expire` included."""
        return len(self._items)

    def conflict(self, item: Item, now: float) -> ItemRefused | None:
        """Return why `item` may not replace what is stored (BEP 44: 301, 302), or None if it may.

        The same item again is no conflict: it renews the age. The sentences are the Node grape's, which hands them on
        to its HTTP clients, so those can tell the cases apart, on our grape and on others.
        """
        stored = self.get(item.target(), now)
        if stored is None or stored.key is None:
            return None
        if item.cas is not None and item.cas != stored.sequence:
            return ItemRefused(CAS_MISMATCH, "CAS mismatch, re-read and try again")
        same = item.sequence == stored.sequence and item.value == stored.value
        if item.sequence <= stored.sequence and not same:
            return ItemRefused(SEQUENCE_OLD, "sequence number less than current")
        return None

    def refusal(self, item: Item, now: float) -> ItemRefused | None:
        """Return which rule `item` breaks, by itself or beside what is stored."""
        try:
            item.check()
        except ItemRefused as error:
            return error
        return self.conflict(item, now)

    def put(self, item: Item, now: float, host: str = LOCAL) -> None:
        """Check `item` whole, and store it as put by `host`. Raises ItemRefused."""
        refused = self.refusal(item, now)
        if refused is not None:
            raise refused
        target = item.target()
        owner = self._owner(item, self._items.get(target), LOCAL if _is_local(host) else network(host))
        kept = item if item.cas is None else replace(item, cas=None)  # `cas` is about the act of putting
        packed = None if isinstance(kept.value, bytes) else encode(kept.value)
        if packed is not None:
            kept = replace(kept, value=b"")
        local = _is_local(owner)
        level = None if local or target in self._items else crowded(owner, *self._bounds, self._items)
        if level is not None and (oldest := self._items.oldest_of(owner, level)) is not None:
            self._items.pop(oldest)
        self._items.put(target, _Stored(kept, packed, now, owner), owner, kept=local)

    def _owner(self, item: Item, stored: _Stored | None, host: str) -> str:
        """Return on whose account an item goes: of those who put the same one, the one with fewest.

        Anybody can put what somebody else signed: it would go with all the rest that he puts.
        """
        if stored is None or (item.key is not None and item.sequence != stored.kept.sequence):
            return host
        if _is_local(host) or _is_local(stored.host):
            return LOCAL
        fewer = self._items.count(host) + 1 < self._items.count(stored.host)
        return host if fewer else stored.host

    def get(self, target: bytes, now: float) -> Item | None:
        """Return the item stored under `target`, unless it is too old."""
        stored = self._items.get(target)
        if stored is None:
            return None
        if now - stored.put_at > self._max_age:
            self._items.pop(target)
            return None
        return stored.item

    def expire(self, now: float) -> None:
        """Forget what is too old."""
        for target in list(self._stale(now)):
            self._items.pop(target)

    def _stale(self, now: float) -> Iterator[bytes]:
        for target in self._items:
            stored = self._items.get(target)
            if stored is not None and now - stored.put_at <= self._max_age:
                return
            yield target


def _is_local(host: str) -> bool:
    return scope(host) is Scope.LOOPBACK


def _bounds(limit: int) -> tuple[int, int]:
    """Return how much of a store one other host, and one site, has at most."""
    per_host = -(-limit // HOST_PART)
    return per_host, site_limit(per_host, limit - limit // KEPT_PART)


def _fair_table(limit: int) -> FairTable[K, V, str]:
    """Return a table whose only bound by host is its own; the host with most makes room."""
    return FairTable(limit, limit, kept=limit // KEPT_PART)

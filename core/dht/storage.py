"""What a node keeps for the others: announced peers and BEP 44 items. Bounded in number and in age."""

from collections import Counter, OrderedDict
from dataclasses import replace
from random import Random

from core.dht.items import CAS_MISMATCH, SEQUENCE_OLD, Item, ItemRefused
from core.values import Address


class PeerStore:
    """Peers by service key.

    A full key: the host with the most peers loses its oldest, so that one host cannot crowd the others out. Too many
    keys: the one announced to longest ago goes. `max_age` is in seconds since the last announce of that peer.
    """

    def __init__(self, max_tables: int, max_peers: int, max_age: float) -> None:
        self._max_tables = max_tables
        self._max_peers = max_peers
        self._max_age = max_age
        self._tables: OrderedDict[bytes, OrderedDict[Address, float]] = OrderedDict()  # both: oldest announce first

    def __len__(self) -> int:
        """Return the number of keys that have peers; those that went stale since the last `expire` included."""
        return len(self._tables)

    def add(self, key: bytes, peer: Address, now: float) -> None:
        """Store or renew `peer` under `key`."""
        table = self._tables.setdefault(key, OrderedDict())
        self._tables.move_to_end(key)
        table[peer] = now
        table.move_to_end(peer)
        if len(table) > self._max_peers:
            hosts = Counter(stored.host for stored in table)
            crowd = hosts.most_common(1)[0][0]
            del table[next(stored for stored in table if stored.host == crowd)]
        if len(self._tables) > self._max_tables:
            self._tables.popitem(last=False)

    def peers(self, key: bytes, now: float) -> list[Address]:
        """Return the peers of `key` that are not too old, the oldest announce first."""
        table = self._tables.get(key)
        if table is None:
            return []
        self._trim(table, now)
        if not table:
            del self._tables[key]
        return list(table)

    def sample(self, key: bytes, count: int, random: Random, now: float) -> list[Address]:
        """Return up to `count` of the peers of `key`, chosen at random."""
        peers = self.peers(key, now)
        return peers if len(peers) <= count else random.sample(peers, count)

    def expire(self, now: float) -> None:
        """Forget what is too old."""
        while self._tables:  # ordered by the newest announce of each key: the first live one ends it
            key, table = next(iter(self._tables.items()))
            self._trim(table, now)
            if table:
                return
            del self._tables[key]

    def _trim(self, table: OrderedDict[Address, float], now: float) -> None:
        while table:
            peer, announced_at = next(iter(table.items()))
            if now - announced_at <= self._max_age:
                return
            del table[peer]


class ItemStore:
    """BEP 44 items by target. The item put longest ago makes room; `max_age` is in seconds since the last put."""

    def __init__(self, max_values: int, max_age: float) -> None:
        self._max_values = max_values
        self._max_age = max_age
        self._items: OrderedDict[bytes, tuple[Item, float]] = OrderedDict()  # oldest put first

    def __len__(self) -> int:
        """Return the number of items; those that went stale since the last `expire` included."""
        return len(self._items)

    def conflict(self, item: Item, now: float) -> ItemRefused | None:
        """Return why `item` may not replace what is stored (BEP 44: 301, 302), or None if it may.

        The same item again is no conflict: it renews the age. The sentences are the Node grape's, which hands them on
        to its HTTP clients, so those can tell the cases apart whoever stored the item.
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

    def put(self, item: Item, now: float) -> None:
        """Check `item` whole, and store it. Raises ItemRefused."""
        refused = self.refusal(item, now)
        if refused is not None:
            raise refused
        target = item.target()
        kept = item if item.cas is None else replace(item, cas=None)  # `cas` is about the act of putting
        self._items[target] = (kept, now)
        self._items.move_to_end(target)
        if len(self._items) > self._max_values:
            self._items.popitem(last=False)

    def get(self, target: bytes, now: float) -> Item | None:
        """Return the item stored under `target`, unless it is too old."""
        item, put_at = self._items.get(target, (None, now))
        if item is not None and now - put_at > self._max_age:
            del self._items[target]
            return None
        return item

    def expire(self, now: float) -> None:
        """Forget what is too old."""
        while self._items:
            target, (_, put_at) = next(iter(self._items.items()))
            if now - put_at <= self._max_age:
                return
            del self._items[target]

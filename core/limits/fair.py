"""A table that many owners share: one owner cannot crowd the others out, and some places are kept."""

from collections import OrderedDict
from collections.abc import Hashable, Iterator
from typing import Generic, NamedTuple, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
O = TypeVar("O", bound=Hashable)  # noqa: E741  # an owner: a host, a Peer ID


class Evicted(NamedTuple, Generic[K, V, O]):
    """An entry that made room."""

    key: K
    value: V
    owner: O


class FairTable(Generic[K, V, O]):
    """At most `limit` entries in all and `per_owner` of one owner; the last `kept` places are for kept entries only.

    An owner at its own limit loses the entry it used longest ago. When all places are taken, the owner that has most
    loses its oldest; of owners with equally many, the one that reached that number first. Kept entries (those of
    trusted peers) make room only for kept entries, and only when there is no other. Every verb takes constant time.
    """

    __slots__ = ("_entries", "_kept", "_limit", "_per_owner", "_shares", "evicted")  # a grape has one for each name

    def __init__(self, limit: int, per_owner: int, *, kept: int = 0) -> None:
        """Raises ValueError unless 0 <= kept < limit and 1 <= per_owner."""
        if not 0 <= kept < limit or per_owner < 1:
            raise ValueError("a fair table needs 0 <= kept < limit and 1 <= per_owner")
        self._limit = limit
        self._per_owner = per_owner
        self._kept = kept
        self._entries: dict[K, tuple[V, O, bool]] = {}
        self._shares = (_Shares[K, O](), _Shares[K, O]())  # of open entries, of kept entries
        self.evicted = 0  # entries that made room so far

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: object) -> bool:
        return key in self._entries

    def __iter__(self) -> Iterator[K]:
        return iter(self._entries)

    def get(self, key: K) -> V | None:
        """Return an entry; it does not count as used."""
        entry = self._entries.get(key)
        return None if entry is None else entry[0]

    def count(self, owner: O) -> int:
        """Return how many entries an owner has."""
        return sum(shares.count(owner) for shares in self._shares)

    def put(self, key: K, value: V, owner: O, *, kept: bool = False) -> list[Evicted[K, V, O]]:
        """Store an entry as its owner's newest; return those that made room, at most two."""
        self.pop(key)
        gone = []
        if self.count(owner) >= self._per_owner:
            gone.append(self._evict(self._oldest_of(owner)))
        victim = self._victim(kept)
        if victim is not None:
            gone.append(self._evict(victim))
        self._entries[key] = (value, owner, kept)
        self._shares[kept].add(key, owner)
        return gone

    def use(self, key: K) -> V | None:
        """Return an entry as its owner's newest; None when there is none."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        value, owner, kept = entry
        self._shares[kept].renew(key, owner)
        return value

    def pop(self, key: K) -> V | None:
        """Remove an entry and return it; None when there is none."""
        entry = self._entries.pop(key, None)
        if entry is None:
            return None
        value, owner, kept = entry
        self._shares[kept].remove(key, owner)
        return value

    def shrink(self) -> Evicted[K, V, O] | None:
        """Let the entry go that makes room next, though there may be room; None when the table is empty."""
        strangers, trusted = self._shares
        if not self._entries:
            return None
        return self._evict(strangers.oldest_of_most() if len(strangers) else trusted.oldest_of_most())

    def would_evict(self, owner: O, *, kept: bool = False) -> K | None:
        """Return the entry that `put` of a new key would make go first, None when there is room."""
        if self.count(owner) >= self._per_owner:
            return self._oldest_of(owner)
        return self._victim(kept)

    def oldest_of(self, owner: O) -> K | None:
        """Return an owner's oldest entry, kept ones last; None when it has none."""
        return self._oldest_of(owner) if self.count(owner) else None

    def first_out(self) -> K | None:
        """Return the oldest entry of the owner that has most, kept entries aside; None when there is no other."""
        strangers = self._shares[False]
        return strangers.oldest_of_most() if len(strangers) else None

    def _victim(self, kept: bool) -> K | None:
        """Return who makes room in all, for an entry that is kept or not."""
        strangers = self._shares[False]
        if kept:
            if len(self._entries) < self._limit:
                return None
            return strangers.oldest_of_most() if len(strangers) else self._shares[True].oldest_of_most()
        if len(self._entries) < self._limit and len(strangers) < self._limit - self._kept:
            return None
        if not len(strangers):  # kept entries have taken every place: a stranger finds none
            return self._shares[True].oldest_of_most()
        return strangers.oldest_of_most()

    def _oldest_of(self, owner: O) -> K:
        strangers, trusted = self._shares
        return strangers.oldest(owner) if strangers.count(owner) else trusted.oldest(owner)

    def _evict(self, key: K) -> Evicted[K, V, O]:
        value, owner, kept = self._entries.pop(key)
        self._shares[kept].remove(key, owner)
        self.evicted += 1
        return Evicted(key, value, owner)


class _Shares(Generic[K, O]):
    """Keys by owner, and owners by how many keys they have."""

    __slots__ = ("_by_count", "_by_owner", "_most", "_size")

    def __init__(self) -> None:
        self._by_owner: dict[O, OrderedDict[K, None]] = {}
        self._by_count: dict[int, OrderedDict[O, None]] = {}
        self._most = 0
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def count(self, owner: O) -> int:
        return len(self._by_owner.get(owner, ()))

    def oldest(self, owner: O) -> K:
        return next(iter(self._by_owner[owner]))

    def oldest_of_most(self) -> K:
        return self.oldest(next(iter(self._by_count[self._most])))

    def add(self, key: K, owner: O) -> None:
        keys = self._by_owner.setdefault(owner, OrderedDict())
        keys[key] = None
        self._size += 1
        self._moved(owner, len(keys) - 1, len(keys))
        self._most = max(self._most, len(keys))

    def renew(self, key: K, owner: O) -> None:
        self._by_owner[owner].move_to_end(key)

    def remove(self, key: K, owner: O) -> None:
        keys = self._by_owner[owner]
        del keys[key]
        self._size -= 1
        if not keys:
            del self._by_owner[owner]
        self._moved(owner, len(keys) + 1, len(keys))
        if self._most not in self._by_count:
            self._most -= 1  # this owner had most, and has one less now

    def _moved(self, owner: O, before: int, after: int) -> None:
        if before:
            owners = self._by_count[before]
            del owners[owner]
            if not owners:
                del self._by_count[before]
        if after:
            self._by_count.setdefault(after, OrderedDict())[owner] = None

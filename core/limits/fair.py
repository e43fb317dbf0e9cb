"""A table that many owners share: one owner cannot crowd the others out, and some places are kept.

Owners that are IPv6 hosts stand in a site (`core.scope.site`), the /48 that one customer may have: 65,536 hosts. A site
has a bound of its own, `site_limit`, and is one where it is asked who has most.
"""

import enum
from collections import OrderedDict
from collections.abc import Hashable, Iterator
from typing import Any, Final, Generic, NamedTuple, TypeVar, cast

from core.scope import site

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
O = TypeVar("O", bound=Hashable)  # noqa: E741  # an owner: a host, a Peer ID

SITE_OWNERS: Final = 4
"""Owners whose places one site has together: a home's networks, or some customers of a carrier at one time."""


class Level(enum.IntEnum):
    """How wide entries are counted."""

    OWNER = 0
    SITE = 1  # kept entries aside; of an owner that has no site, its own


def site_limit(per_owner: int, places: int) -> int:
    """Return how many of so many `places` one site may take: as four owners, half of them, and no less than one owner.

    Where one owner may take all, so may a site: there only who has most makes room.
    """
    return max(per_owner, min(SITE_OWNERS * per_owner, places // 2))


class Evicted(NamedTuple, Generic[K, V, O]):
    """An entry that made room."""

    key: K
    value: V
    owner: O


class FairTable(Generic[K, V, O]):
    """At most `limit` entries in all and `per_owner` of one owner; the last `kept` places are for kept entries only.

    An owner at its own limit loses the entry it used longest ago; so does, in a site at its limit, the owner that has
    most there. When all places are taken, the site or owner that has most loses its oldest; of those with equally many,
    the one that reached that number first. Kept entries (those of trusted peers) make room only for kept entries, and
    only when there is no other: a newcomer that finds kept ones alone goes itself. Every verb takes constant time.
    """

    __slots__ = ("_entries", "_kept", "_limit", "_per_owner", "_per_site", "_shares", "evicted")  # a grape has many

    def __init__(self, limit: int, per_owner: int, *, kept: int = 0) -> None:
        """Raises ValueError unless 0 <= kept < limit and 1 <= per_owner."""
        if not 0 <= kept < limit or per_owner < 1:
            raise ValueError("a fair table needs 0 <= kept < limit and 1 <= per_owner")
        self._limit = limit
        self._per_owner = per_owner
        self._per_site = site_limit(per_owner, limit - kept)
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

    def count(self, owner: O, level: Level = Level.OWNER) -> int:
        """Return how many entries an owner, or its site, has."""
        strangers, trusted = self._shares
        if level is Level.SITE:
            return strangers.count(owner, level)
        return strangers.count(owner) + trusted.count(owner)

    def put(self, key: K, value: V, owner: O, *, kept: bool = False) -> list[Evicted[K, V, O]]:
        """Store an entry as its owner's newest; return those that made room, at most two, and it may be one itself."""
        self.pop(key)
        gone: list[Evicted[K, V, O]] = []
        while (victim := self.would_evict(owner, kept=kept)) is not None:  # at most twice: for the owner, and in all
            if self._entries[victim][2] and not kept:
                self.evicted += 1
                return [*gone, Evicted(key, value, owner)]
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
        """Return the entry that `put` of a new key would make go first, None when there is room.

        A kept one keeps out what is not to be kept.
        """
        strangers, trusted = self._shares
        if strangers.count(owner) + trusted.count(owner) >= self._per_owner:
            return self._oldest_of(owner, Level.OWNER)
        if not kept and strangers.sites() and strangers.count(owner, Level.SITE) >= self._per_site:
            return self._oldest_of(owner, Level.SITE)
        return self._victim(kept)

    def oldest_of(self, owner: O, level: Level = Level.OWNER) -> K | None:
        """Return the oldest entry of an owner, or of the one with most in its site; kept ones last; else None."""
        return self._oldest_of(owner, level) if self.count(owner, level) else None

    def first_out(self) -> K | None:
        """Return the oldest entry of the site or owner with most, kept entries aside; None when there is no other."""
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

    def _oldest_of(self, owner: O, level: Level) -> K:
        strangers, trusted = self._shares
        return strangers.oldest(owner, level) if strangers.count(owner, level) else trusted.oldest(owner, level)

    def _evict(self, key: K) -> Evicted[K, V, O]:
        value, owner, kept = self._entries.pop(key)
        self._shares[kept].remove(key, owner)
        self.evicted += 1
        return Evicted(key, value, owner)


def crowded(owner: O, per_owner: int, per_site: int, *tables: FairTable[K, Any, O], kept: bool = False) -> Level | None:
    """Return where an owner has all that it may have in these tables together: of its own, or in its site.

    None: nowhere. An entry that is to be `kept` is not counted with its site.
    """
    if sum(table.count(owner) for table in tables) >= per_owner:
        return Level.OWNER
    if kept or sum(table.count(owner, Level.SITE) for table in tables) < per_site:
        return None
    return Level.SITE


class _Shares(Generic[K, O]):
    """Keys by owner, and who has how many of them: sites, and owners that have none."""

    __slots__ = ("_by_count", "_by_owner", "_most", "_sites", "_size")

    def __init__(self) -> None:
        self._by_owner: dict[O, OrderedDict[K, None]] = {}  # without those in sites
        self._sites: dict[str, _Shares[K, O]] | None = None  # within one nobody is of a site; most tables have none
        self._by_count: dict[int, OrderedDict[O | str, None]] = {}
        self._most = 0
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def sites(self) -> bool:
        """Whether any owner is in a site: else there is nothing to count of them."""
        return self._sites is not None

    def count(self, owner: O, level: Level = Level.OWNER) -> int:
        within = None if self._sites is None else self._within(owner)
        if within is None:
            return len(self._by_owner.get(owner, ()))
        return within._size if level is Level.SITE else len(within._by_owner.get(owner, ()))

    def oldest(self, owner: O, level: Level = Level.OWNER) -> K:
        within = self._within(owner)
        if within is None:
            return next(iter(self._by_owner[owner]))
        return within.oldest_of_most() if level is Level.SITE else next(iter(within._by_owner[owner]))

    def oldest_of_most(self) -> K:
        most = next(iter(self._by_count[self._most]))
        if self._sites is not None and isinstance(most, str) and most in self._sites:
            return self._sites[most].oldest_of_most()
        return next(iter(self._by_owner[cast("O", most)]))

    def add(self, key: K, owner: O) -> None:
        place = site(owner)
        if place is None:
            self._add(key, owner)
            return
        if self._sites is None:
            self._sites = {}
        within = self._sites.get(place)
        if within is None:
            within = self._sites[place] = _Shares()
        within._add(key, owner)
        self._size += 1
        self._rose(place, within._size)

    def renew(self, key: K, owner: O) -> None:
        (self._within(owner) or self)._by_owner[owner].move_to_end(key)

    def remove(self, key: K, owner: O) -> None:
        within = self._within(owner)
        if within is None or self._sites is None:
            self._remove(key, owner)
            return
        within._remove(key, owner)
        self._size -= 1
        place = site(owner) or ""
        if not within._size:
            del self._sites[place]
        self._fell(place, within._size)

    def _within(self, owner: O) -> "_Shares[K, O] | None":
        """Return the site that an owner is in, if it has any; None for who stands here."""
        if self._sites is None:
            return None
        place = site(owner)
        return None if place is None else self._sites.get(place)

    def _add(self, key: K, owner: O) -> None:
        keys = self._by_owner.setdefault(owner, OrderedDict())
        keys[key] = None
        self._size += 1
        self._rose(owner, len(keys))

    def _remove(self, key: K, owner: O) -> None:
        keys = self._by_owner[owner]
        del keys[key]
        self._size -= 1
        if not keys:
            del self._by_owner[owner]
        self._fell(owner, len(keys))

    def _rose(self, who: O | str, count: int) -> None:
        self._leave(who, count - 1)
        self._by_count.setdefault(count, OrderedDict())[who] = None
        self._most = max(self._most, count)

    def _fell(self, who: O | str, count: int) -> None:
        self._leave(who, count + 1)
        if count:
            self._by_count.setdefault(count, OrderedDict())[who] = None
        if self._most not in self._by_count:
            self._most -= 1  # who had most has one less now

    def _leave(self, who: O | str, count: int) -> None:
        if not count:
            return
        same = self._by_count[count]
        del same[who]
        if not same:
            del self._by_count[count]

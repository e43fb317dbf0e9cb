"""News of a key: those who asked us to tell of new peers (`Watchers`), and what we asked ourselves (`Watched`).

A node of ours that says `w`, eight bytes of its own, with a `get_peers` whose token is right is told of each new peer
of that key by a query `news` with the same bytes, until `LEASE` is over; the reply to its `get_peers` then has `w` too,
the lease in seconds. Other nodes read neither. So a worker hears at once who wants it, and need not ask every second.
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final, TypeVar

from core.limits.fair import FairTable, Level
from core.limits.table import BoundedTable
from core.scope import network
from core.values import Address

LEASE: Final = 60  # seconds: two renewals may be lost
RENEW: Final = 25.0  # seconds between renewals: under the 30 after which the worst home routers forget us
COOKIE_BYTES: Final = 8
MAX_WATCHERS: Final = 2000  # in all
MAX_WATCHERS_PER_HOST: Final = 64  # an office behind one address, each with a role or two
MAX_WATCHERS_PER_KEY: Final = 64  # told at once of one newcomer: so many packets for one
MAX_WATCHERS_OF_BOTH: Final = 16  # of one host and key: two roles of some peers behind one address
TOLD_EVERY: Final = 1.0  # seconds between news to one watcher: newcomers come in groups, and it asks who they are
MAX_WATCHED: Final = 256  # keys that we watch ourselves

T = TypeVar("T")


@dataclass(slots=True)
class _Watcher:
    cookie: bytes
    until: float
    told_at: float = -TOLD_EVERY
    due_at: float | None = None  # it is to be told of more


class Watchers:
    """Those who wait for news, by key and address. Times are seconds."""

    def __init__(self) -> None:
        self._all: FairTable[tuple[bytes, Address], _Watcher, str] = FairTable(MAX_WATCHERS, MAX_WATCHERS_PER_HOST)
        self._of_key: dict[bytes, FairTable[Address, None, str]] = {}
        self._idle: dict[bytes, dict[Address, None]] = {}  # those of a key that are not due: a flood of news meets none
        # when to tell which watcher, the earliest first; one whose watcher is due at another time, or gone, is void
        self._due: list[tuple[float, bytes, Address]] = []

    def __len__(self) -> int:
        """Return their number."""
        return len(self._all)

    def add(self, key: bytes, source: Address, cookie: bytes, now: float) -> int:
        """Note or renew one; return its lease in seconds, 0 when there is no room."""
        known = self._all.get((key, source))
        if known is not None and known.cookie == cookie:
            known.until = now + LEASE
            self._all.use((key, source))
            return LEASE
        for other in [each for each in self._of_key.get(key, ()) if self._is_over(key, each, now)]:
            self.drop(key, other)
        owner = network(source.host)
        if known is None and not self._has_room(key, owner):
            return 0
        for gone in self._all.put((key, source), _Watcher(cookie, now + LEASE), owner):
            self._forget(*gone.key)
        self._idle.setdefault(key, {})[source] = None
        of_key = self._of_key.get(key)
        if of_key is None:
            of_key = self._of_key[key] = FairTable(MAX_WATCHERS_PER_KEY, MAX_WATCHERS_OF_BOTH)
        for other_gone in of_key.put(source, None, owner):
            self._all.pop((key, other_gone.key))
            self._rest(key, other_gone.key)
        return LEASE

    def _has_room(self, key: bytes, owner: str) -> bool:
        """Return whether there is a place at a key, or the host that has most there has two more than this one."""
        of_key = self._of_key.get(key)
        victim = None if of_key is None else of_key.would_evict(owner)
        if of_key is None or victim is None:
            return True
        most = of_key.count(network(victim.host), Level.SITE)
        return most > of_key.count(owner, Level.SITE) + 1

    def drop(self, key: bytes, source: Address) -> None:
        """Forget one."""
        if self._all.pop((key, source)) is not None:
            self._forget(key, source)

    def news(self, key: bytes, now: float) -> None:
        """Note that there is a new peer under a key: its watchers are due."""
        for source in self._idle.pop(key, ()):
            watcher = self._all.get((key, source))
            if watcher is not None and watcher.due_at is None:
                watcher.due_at = max(now, watcher.told_at + TOLD_EVERY)
                heapq.heappush(self._due, (watcher.due_at, key, source))

    def take_due(self, now: float) -> list[tuple[Address, bytes]]:
        """Return address and cookie of those to tell now."""
        taken: list[tuple[Address, bytes]] = []
        while self._due and self._due[0][0] <= now:
            due_at, key, source = heapq.heappop(self._due)
            watcher = self._all.get((key, source))
            if watcher is None or watcher.due_at != due_at:
                continue
            if now >= watcher.until:
                self.drop(key, source)
                continue
            watcher.told_at, watcher.due_at = now, None
            self._idle.setdefault(key, {})[source] = None
            taken.append((source, watcher.cookie))
        return taken

    def deadline(self) -> float | None:
        """Return when somebody is due."""
        return self._due[0][0] if self._due else None

    def _is_over(self, key: bytes, source: Address, now: float) -> bool:
        watcher = self._all.get((key, source))
        return watcher is None or now >= watcher.until

    def _rest(self, key: bytes, source: Address) -> None:
        """Take one out of those that are not due."""
        idle = self._idle.get(key)
        if idle is not None:
            idle.pop(source, None)
            if not idle:
                del self._idle[key]

    def _forget(self, key: bytes, source: Address) -> None:
        self._rest(key, source)
        of_key = self._of_key.get(key)
        if of_key is not None:
            of_key.pop(source)
            if not len(of_key):
                del self._of_key[key]


@dataclass(slots=True)
class Watch:
    """A key that we watch. `granted`: all who were asked newest tell us news. `turn`: who is asked next otherwise."""

    cookie: bytes
    granted: bool = False
    turn: int = 0

    def pick(self, tokens: Sequence[T]) -> list[T]:
        """Return those to ask of the nearest: the two that tell us news, or else one after the other."""
        if self.granted or not self.turn:
            return list(tokens[:2])
        return [tokens[self.turn % len(tokens)]] if tokens else []

    def asked(self, asked: int, granted: int) -> None:
        """Note that so many answered, and how many of them tell us news."""
        self.granted = 0 < asked == granted
        self.turn = 0 if self.granted else self.turn + max(asked, 1)


class Watched:
    """The keys that we watch; the one used longest ago makes room."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._watches: BoundedTable[bytes, Watch] = BoundedTable(MAX_WATCHED)

    def use(self, key: bytes) -> Watch:
        """Return the watch of a key, a new one where there is none."""
        return self._watches.use(key, lambda: Watch(self._random.randbytes(COOKIE_BYTES)))

    def __contains__(self, key: object) -> bool:
        return key in self._watches

    def heard(self, cookie: object) -> bytes | None:
        """Return the key that a cookie of ours belongs to: who says it was asked by us to tell."""
        return next((key for key, watch in self._watches.items() if watch.cookie == cookie), None)

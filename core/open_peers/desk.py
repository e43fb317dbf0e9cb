"""The desk of an open peer: letters that are left, and who waits for which. Without I/O: time is handed in.

It sees random keys, sealed letters and addresses, and learns nothing else. Everything is bounded for each host and in
all, and places are kept for peers that the owner trusts.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from core.dht.items import Item
from core.errors import LocalError, PeerError
from core.frozen import frozen
from core.limits.fair import SITE_OWNERS, FairTable
from core.limits.rate import TokenBucket
from core.limits.table import BoundedTable
from core.open_peers.config import ITEMS_AT_ONCE, KEYS, LETTER_MAX, OVERHEAD, RUNG_FOR, DeskConfig
from core.scope import network, site
from core.values import Address
from core.wire.open_message import ITEMS_MAX, OpenItem, Watched


class OpenBusy(LocalError):
    """This host asks too often, or everybody together does."""

    name = "ERR_OPEN_BUSY"


class OpenRefused(LocalError):
    """What was left is no letter that its box's writer signed."""

    name = "ERR_OPEN_REFUSED"


@frozen
class _Kept:
    item: OpenItem
    news: int
    at: float
    rung_at: float


@dataclass(slots=True)
class _Rates:
    """What one host, or a site, has left."""

    requests: TokenBucket
    items: TokenBucket
    bytes: TokenBucket
    names: TokenBucket


class Desk:
    """See the module. Times are the caller's monotone seconds. What is refused raises LocalError, and is counted."""

    def __init__(self, config: DeskConfig | None = None) -> None:
        self.config = config = config or DeskConfig()
        self.refused: Counter[str] = Counter()
        self.introduced = 0  # letters that somebody was waiting for
        self._news = 0
        self._items: FairTable[bytes, _Kept, str] = FairTable(config.items, config.items_host, kept=config.items_kept)
        self._watchers: FairTable[Address, tuple[bytes, ...], str] = FairTable(
            config.watchers, config.watchers_host, kept=config.watchers_kept
        )
        self._of_key: dict[bytes, dict[Address, None]] = {}  # who watches it; bounded by watchers and KEYS
        self._hosts: BoundedTable[str, _Rates] = BoundedTable(config.hosts)
        self._all = _Rates(
            TokenBucket(config.requests_all, config.requests_all_burst),
            TokenBucket(config.items_rate_all, config.items_all_burst),
            TokenBucket(config.bytes_all, config.bytes_all_burst),
            TokenBucket(config.names_all, config.names_all_burst),
        )

    @property
    def news(self) -> int:
        """A number that rises with each letter."""
        return self._news

    def watchers(self) -> int:
        """Return how many wait for letters, or did a moment ago."""
        return len(self._watchers)

    def letters(self) -> int:
        """Return how many letters are kept."""
        return len(self._items)

    # -- how much -----------------------------------------------------------------------------------------------------

    def admit(self, host: str, trusted: bool, size: int, now: float, *, names: bool = False) -> None:
        """Count a request of `size` bytes with its answer. Raises OpenBusy."""
        wants = {"requests": 1.0, "bytes": float(size + OVERHEAD), **({"names": 1.0} if names else {})}
        self._take(host, trusted, wants, now)

    def charge(self, host: str, size: int, now: float) -> None:
        """Count an answer of so many bytes."""
        for rates in self._rates_of(host):
            rates.bytes.charge(now, size)
        self._all.bytes.charge(now, size)

    def _take(self, host: str, trusted: bool, wants: dict[str, float], now: float) -> None:
        mine = self._rates_of(host)
        for name, amount in wants.items():
            everybody = getattr(self._all, name)
            left = 0.0 if trusted else self.config.reserve * everybody.burst
            spent = not trusted and any(getattr(rates, name).tokens(now) < amount for rates in mine)
            if spent or everybody.tokens(now) < amount + left:
                self.refused[OpenBusy.name] += 1
                raise OpenBusy("this peer has helped others as much as it may for the moment: ask another, or later")
        for name, amount in wants.items():
            for rates in (*mine, self._all):
                getattr(rates, name).charge(now, amount)

    def _rates_of(self, host: str) -> list[_Rates]:
        """Return what a host has left, and what its site has, which may take as much as some hosts."""
        place = site(host)
        mine = [self._hosts.use(host, lambda: self._rates(1))]
        return mine if place is None else [*mine, self._hosts.use(place, lambda: self._rates(SITE_OWNERS))]

    def _rates(self, hosts: int) -> _Rates:
        config = self.config
        return _Rates(
            TokenBucket(hosts * config.requests_host, hosts * config.requests_burst),
            TokenBucket(hosts * config.items_rate_host, hosts * config.items_burst),
            TokenBucket(hosts * config.bytes_host, hosts * config.bytes_burst),
            TokenBucket(hosts * config.names_host, hosts * config.names_burst),
        )

    # -- letters ------------------------------------------------------------------------------------------------------

    def leave(
        self, items: Sequence[OpenItem], source: Address, trusted: bool, now: float, *, ring: bool = False
    ) -> set[Address]:
        """Keep letters; return who waits for one of them. Raises OpenBusy, OpenRefused.

        A letter replaces the one before it in its box, and one with the same number renews it and says where its
        writer is now. An older one is not taken. Only who has the box's key can write into it. `ring`: it is told
        though it is known.
        """
        if len(items) > ITEMS_AT_ONCE:
            self.refused[OpenRefused.name] += 1
            raise OpenRefused(f"at most {ITEMS_AT_ONCE} letters are taken at once")
        self._take(network(source.host), trusted, {"items": float(len(items))}, now)
        told: set[Address] = set()
        for each in items:
            self._check(each)
            kept = self._items.get(each.key)
            if kept is not None and each.sequence < kept.item.sequence:
                continue
            same = kept is not None and each.sequence == kept.item.sequence and kept.item.seen == source
            if kept is None or ring or not same:
                self._news += 1
                told |= self._of_key.get(each.key, {}).keys()
            news = kept.news if kept is not None and same and not ring else self._news
            rung_at = now if ring else -math.inf if kept is None else kept.rung_at
            seen = OpenItem(each.key, each.value, each.signature, each.sequence, source)
            self._items.put(each.key, _Kept(seen, news, now, rung_at), network(source.host), kept=trusted)
        self.introduced += len(told - {source})
        return told

    def _check(self, item: OpenItem) -> None:
        problem = "" if len(item.value) <= LETTER_MAX else f"a letter has up to {LETTER_MAX} bytes"
        if not problem:
            try:
                Item(item.value, item.key, item.signature, item.sequence).check()
            except PeerError as error:
                problem = str(error)
        if problem:
            self.refused[OpenRefused.name] += 1
            raise OpenRefused(f"this is no letter that can be kept: {problem}")

    def watch(self, source: Address, keys: Sequence[bytes] | None, trusted: bool) -> bool:
        """Let somebody watch keys, in place of those before; None: those of before, if they are known. Return that."""
        if keys is None:
            return self._watchers.use(source) is not None
        self.leave_off(source)
        chosen = tuple(dict.fromkeys(keys))[:KEYS]
        for gone in self._watchers.put(source, chosen, network(source.host), kept=trusted):
            self._forget(gone.key, gone.value)
        if source not in self._watchers:  # friends have all places
            return False
        for key in chosen:
            self._of_key.setdefault(key, {})[source] = None
        return True

    def leave_off(self, source: Address) -> None:
        """Forget that somebody watches. Idempotent."""
        keys = self._watchers.pop(source)
        if keys is not None:
            self._forget(source, keys)

    def found(self, source: Address, seen: int, now: float) -> Watched:
        """Return the letters that a watcher has not seen, the oldest first, as many as one answer may have."""
        keys = self._watchers.get(source) or ()
        fresh = [kept for kept in (self._items.get(each) for each in keys) if kept is not None and kept.news > seen]
        fresh = sorted((each for each in fresh if now - each.at < self.config.item_age), key=lambda each: each.news)
        told = fresh[:ITEMS_MAX]
        news = told[-1].news if len(told) < len(fresh) else self._news
        rung = (replace(each.item, rung=now - each.rung_at < RUNG_FOR) for each in told)
        return Watched(news, tuple(rung), source)

    def sweep(self, now: float) -> None:
        """Forget letters that are too old to hold."""
        old = [key for key in self._items if self._is_old(key, now)]
        for key in old:
            self._items.pop(key)

    def clear(self) -> None:
        """Forget everybody: this peer is open no longer."""
        for source in list(self._watchers):
            self.leave_off(source)
        for key in list(self._items):
            self._items.pop(key)

    def _is_old(self, key: bytes, now: float) -> bool:
        kept = self._items.get(key)
        return kept is not None and now - kept.at >= self.config.item_age

    def _forget(self, source: Address, keys: Iterable[bytes]) -> None:
        for key in keys:
            watching = self._of_key.get(key)
            if watching is not None:
                watching.pop(source, None)
                if not watching:
                    del self._of_key[key]

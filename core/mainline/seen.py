"""Where the nodes of the public DHT see us: our router's mapping of this very socket, once several agree (BEP 42)."""

from collections import Counter
from typing import Final

from core.frozen import frozen
from core.limits.table import BoundedTable
from core.scope import scope, usable
from core.values import Address

OBSERVERS: Final = 32  # hosts whose newest word counts; full: the one that spoke longest ago is forgotten
AGREEING: Final = 3  # hosts that have to see us at the same address: one alone may lie, or mistake itself
FRESH: Final = 1200.0  # seconds that a word counts; a router that restarts gives other ports


@frozen
class Mapping:
    """Our `host` as others see it; `port` None: our router gives each destination another one (a hard NAT).

    `observers` is how many hosts agree on the host.
    """

    host: str
    port: int | None
    observers: int


@frozen
class _Word:
    address: Address
    at: float
    observer: Address


class Seen:
    """Counts what observers say, one word for each of their hosts. Times are the caller's seconds."""

    def __init__(self) -> None:
        self._words: BoundedTable[str, _Word] = BoundedTable(OBSERVERS)

    def add(self, observer: Address, observed: Address, now: float) -> None:
        """Take what an observer says; it replaces what its host said before."""
        if usable(observed) and scope(observed.host) >= scope(observer.host):  # a neighbour cannot know our outside
            self._words[observer.host] = _Word(observed, now, observer)

    def observers(self, now: float) -> list[Address]:
        """Return who said lately what most say, the last one first: nodes that tell where they see us."""
        words = [word for word in self._words.values() if now - word.at < FRESH]
        if not words:
            return []
        host, _ = Counter(word.address.host for word in words).most_common(1)[0]
        those = sorted((word for word in words if word.address.host == host), key=lambda each: -each.at)
        return [word.observer for word in those]

    def forget(self) -> None:
        """Forget all: we are on another network."""
        self._words.clear()

    def mapping(self, now: float) -> Mapping | None:
        """Return where we are seen, None while fewer than three hosts, and more than half of all, agree."""
        words = [word.address for word in self._words.values() if now - word.at < FRESH]
        if not words:
            return None
        host, agreeing = Counter(word.host for word in words).most_common(1)[0]
        if agreeing < AGREEING or 2 * agreeing <= len(words):
            return None
        port, same = Counter(word.port for word in words if word.host == host).most_common(1)[0]
        return Mapping(host, port if same >= AGREEING and 2 * same > agreeing else None, agreeing)

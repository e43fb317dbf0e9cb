"""The places for connections that others opened: who makes room when all are taken.

A connection is silent until its peer delivers a byte. The silent one that came first goes, of the host that has most
of them; when nobody is silent, the one whose first byte came first, of the host with most. Connections of known peers
(`keep`) make room for nobody.
"""

from collections.abc import Hashable
from math import inf
from typing import Final, Generic, TypeVar

from core.limits.fair import FairTable, Level, crowded, site_limit
from core.utp.config import UtpConfig

C = TypeVar("C", bound=Hashable)  # a connection

_CROWDED: Final = 0.5  # share of the places, from which the time to a first byte is limited


class AcceptedConnections(Generic[C]):
    """Confirmed connections that others opened, by host. Times are seconds; every verb takes constant time."""

    def __init__(self, config: UtpConfig) -> None:
        self._config = config
        self._limit = config.connections - config.connections_kept
        self._per_site = site_limit(config.connections_per_host, self._limit)
        self._silent: FairTable[C, float, str] = FairTable(config.connections + 1, config.connections + 1)
        self._heard: FairTable[C, None, str] = FairTable(config.connections + 1, config.connections + 1)
        self._kept: dict[C, str] = {}

    def __len__(self) -> int:
        """How many there are, kept ones included."""
        return len(self._silent) + len(self._heard) + len(self._kept)

    def __contains__(self, connection: C) -> bool:
        return connection in self._silent or connection in self._heard or connection in self._kept

    @property
    def kept(self) -> int:
        """How many make room for nobody."""
        return len(self._kept)

    def keeps(self, connection: C) -> bool:
        """Return whether a connection makes room for nobody."""
        return connection in self._kept

    def count(self, host: str) -> int:
        """Return how many a host has, kept ones aside."""
        return self._silent.count(host) + self._heard.count(host)

    def crowded(self, host: str) -> Level | None:
        """Return where a host has as many as it may have, kept ones aside; None: nowhere."""
        return crowded(host, self._config.connections_per_host, self._per_site, self._silent, self._heard)

    def full(self) -> bool:
        """Return whether one more needs another to go, because of the places that known peers may take."""
        return len(self._silent) + len(self._heard) >= self._limit

    def opens(self, host: str, *, full: bool) -> bool:
        """Return whether one more of a host would get a place. `full`: another must go for it."""
        level = self.crowded(host)
        if level is not None:
            return self._silent.count(host, level) > 0
        return not (full or self.full()) or bool(len(self._silent) or len(self._heard))

    def victim(self, host: str, *, full: bool) -> C | None:
        """Return who goes for one more of a host that `opens`; None when nobody has to."""
        level = self.crowded(host)
        if level is not None:
            return self._silent.oldest_of(host, level)
        return self.first_out() if full or self.full() else None

    def first_out(self) -> C | None:
        """Return who goes when a place is needed; None when all are kept."""
        silent = self._silent.first_out()
        return self._heard.first_out() if silent is None else silent

    def add(self, connection: C, host: str, now: float) -> None:
        """A connection was confirmed."""
        self._silent.put(connection, now, host)

    def heard(self, connection: C, host: str) -> None:
        """The first byte came."""
        if self._silent.pop(connection) is not None:
            self._heard.put(connection, None, host)

    def keep(self, connection: C, host: str) -> None:
        """Its peer is known: let it make room for nobody. Without effect on one that is not here."""
        if connection in self:
            self.remove(connection)
            self._kept[connection] = host

    def move(self, connection: C, host: str) -> None:
        """Its peer is at another host now."""
        since = self._silent.pop(connection)
        if since is not None:
            self._silent.put(connection, since, host)
        elif connection in self._heard:
            self._heard.put(connection, None, host)
        elif connection in self._kept:
            self._kept[connection] = host

    def remove(self, connection: C) -> None:
        """It is over, or gives up its place."""
        self._silent.pop(connection)
        self._heard.pop(connection)
        self._kept.pop(connection, None)

    def patience(self) -> float:
        """Return how long a first byte may take now: the fuller, the shorter; inf while there is room."""
        taken = (len(self._silent) + len(self._heard)) / self._limit
        if taken <= _CROWDED:
            return inf
        longest, shortest = self._config.first_byte_max, self._config.first_byte_min
        return max(shortest, longest - (longest - shortest) * (taken - _CROWDED) / (1 - _CROWDED))

    def late(self, now: float) -> C | None:
        """Return the connection that has been silent longest, if that is too long."""
        patience = self.patience()
        if patience == inf or not len(self._silent):
            return None
        oldest = next(iter(self._silent))
        since = self._silent.get(oldest)
        return oldest if since is not None and now - since > patience else None

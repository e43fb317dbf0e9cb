"""Which accepted connections stay when there are too many: those of trusted peers, and those that ask.

Without I/O. A newcomer gets the place of the connection that never asked anything and has been silent longest, of the
host that has most; if all have asked, of one that is unused. One whose peer is trusted goes last, and has places kept.
"""

from collections.abc import Hashable, Iterator
from typing import Generic, Protocol, TypeVar

from core.limits.budget import BudgetState
from core.limits.fair import FairTable, Level, crowded, site_limit
from core.rpc.config import RpcConfig
from core.rpc.memory import Owner, Standing


class Evictable(Hashable, Protocol):
    """A connection."""

    def spared(self) -> bool:
        """Return whether it works on a request, or did just now."""

    def evict(self) -> None:
        """End, and make room."""


C = TypeVar("C", bound="Evictable")


class Connections(Generic[C]):
    """The accepted connections of one server."""

    def __init__(self, config: RpcConfig) -> None:
        self._limit = config.connections
        self._open = config.connections - min(config.connections_kept, config.connections // 8)  # places of strangers
        self._per_host = config.connections_per_host
        self._per_site = site_limit(self._per_host, self._open)
        self._silent: FairTable[C, None, Owner] = FairTable(self._limit + 1, self._limit + 1)
        self._asking: FairTable[C, None, Owner] = FairTable(self._limit + 1, self._limit + 1)
        self._trusted: FairTable[C, None, Owner] = FairTable(self._limit + 1, self._limit + 1)
        self._owners: dict[C, Owner] = {}
        self.refused = 0  # newcomers that were turned away, because no other connection had to go
        self.evicted = 0  # connections that made room

    def __len__(self) -> int:
        return len(self._owners)

    def __iter__(self) -> Iterator[C]:
        return iter(tuple(self._owners))

    def __contains__(self, connection: object) -> bool:
        return connection in self._owners

    def admit(self, connection: C, standing: Standing) -> bool:
        """Give a newcomer a place, if there is one or another makes room; tell whether it has one."""
        if standing.trusted:
            self._enter_trusted(connection, standing.owner)
            return True
        if not self._make_room(standing.owner):
            self.refused += 1
            return False
        self._silent.put(connection, None, standing.owner)
        self._owners[connection] = standing.owner
        return True

    def asked(self, connection: C) -> None:
        """Note that a connection has sent its first request, or another lately."""
        if connection in self._silent:
            self._silent.pop(connection)
            self._asking.put(connection, None, self._owners[connection])
        else:
            self._asking.use(connection)
            self._trusted.use(connection)

    def trust(self, connection: C, owner: Owner) -> None:
        """Note that the other side is trusted: it goes last."""
        if connection in self._owners and connection not in self._trusted:
            self.leave(connection)
            self._enter_trusted(connection, owner)

    def doubt(self, connection: C, owner: Owner) -> None:
        """Note that the other side is trusted no longer."""
        if connection in self._trusted:
            self._trusted.pop(connection)
            self._asking.put(connection, None, owner)
            self._owners[connection] = owner

    def leave(self, connection: C) -> None:
        """Forget a connection. Idempotent."""
        if self._owners.pop(connection, None) is not None:
            for table in (self._silent, self._asking, self._trusted):
                table.pop(connection)

    def evict(self, connection: C) -> None:
        """End a connection that has a place."""
        if connection in self._owners:
            self._evict(connection)

    def state(self) -> BudgetState:
        """Return how many places are taken of how many, by how many owners, and how often one had to go."""
        owners = len(set(self._owners.values()))
        return BudgetState(len(self._owners), self._limit, owners, self.refused + self.evicted)

    def loaded(self, part: float) -> bool:
        """Return whether more than this part of the strangers' places is taken."""
        return len(self._silent) + len(self._asking) > part * self._open

    def _make_room(self, owner: Owner) -> bool:
        """Have a place for a stranger's connection; tell whether there is one."""
        level = crowded(owner, self._per_host, self._per_site, self._silent, self._asking)
        if level is not None:
            silent, asking = self._silent.oldest_of(owner, level), self._asking.oldest_of(owner, level)
            return self._evict(silent) or self._evict_unused(asking)
        strangers = len(self._silent) + len(self._asking)
        if strangers < self._open and len(self) < self._limit:
            return True
        if self._evict(self._silent.first_out()):
            return True
        crowd = self._asking.first_out()
        if crowd is None or self._of_site(self._owners[crowd]) <= self._of_site(owner) + 1:
            return self._evict_unused(crowd)
        return self._evict(crowd)

    def _of_site(self, owner: Owner) -> int:
        return self._asking.count(owner, Level.SITE)

    def _enter_trusted(self, connection: C, owner: Owner) -> None:
        if self._trusted.count(owner) >= self._per_host:
            self._evict(self._trusted.oldest_of(owner))
        if len(self) >= self._limit and not (
            self._evict(self._silent.first_out()) or self._evict(self._asking.first_out())
        ):
            self._evict(self._trusted.first_out())
        self._trusted.put(connection, None, owner)
        self._owners[connection] = owner

    def _evict_unused(self, connection: C | None) -> bool:
        return connection is not None and not connection.spared() and self._evict(connection)

    def _evict(self, connection: C | None) -> bool:
        if connection is None:
            return False
        self.leave(connection)
        self.evicted += 1
        connection.evict()
        return True

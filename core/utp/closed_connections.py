"""The memory of connections that were closed in order: their peer's repeated FIN still gets its ack."""

from typing import NamedTuple, TypeAlias

from core.limits.table import BoundedTable
from core.utp.config import UtpConfig
from core.values import Address

Key: TypeAlias = tuple[Address, int]  # a remote and the id that we receive


class ClosedConnection(NamedTuple):
    """The little that is kept of a connection."""

    send_id: int
    seq: int
    ack: int
    until: float  # seconds


class ClosedConnections:
    """Bounded in number, where the oldest goes, and in time."""

    def __init__(self, config: UtpConfig) -> None:
        self._kept_for = config.closed_kept_for
        self._table: BoundedTable[Key, ClosedConnection] = BoundedTable(config.closed_kept)

    def __len__(self) -> int:
        return len(self._table)

    def __contains__(self, key: Key) -> bool:
        return key in self._table

    def remember(self, key: Key, send_id: int, seq: int, ack: int, now: float) -> None:
        """Keep a connection that was just closed."""
        self._table[key] = ClosedConnection(send_id, seq, ack, now + self._kept_for)

    def forget(self, key: Key) -> None:
        """Its ids are in use again."""
        self._table.pop(key, None)

    def find(self, key: Key, now: float) -> ClosedConnection | None:
        """Return what is kept of a closed connection, None when it is unknown or long ago."""
        while (oldest := self._table.oldest()) is not None and oldest[1].until <= now:
            del self._table[oldest[0]]
        return self._table.get(key)

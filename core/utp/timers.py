"""When to look at which connection again: one live timer each, in a heap. Times are seconds."""

import heapq
import itertools
import math
from typing import Final

from core.utp.connection import Connection

_STALE: Final = 64  # superseded timers kept before the heap is rebuilt, beside as many as there are live ones


class Timers:
    """A timer that is too soon is left to fire: cheaper than moving it with every packet.

    The heap holds numbers, so that a superseded timer does not keep its connection alive.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[float, int]] = []
        self._numbers = itertools.count()
        self._owners: dict[int, Connection] = {}  # by the number of their timer

    def __len__(self) -> int:
        """How many are kept, superseded ones included."""
        return len(self._heap)

    @property
    def live(self) -> int:
        """How many connections have one."""
        return len(self._owners)

    def next_at(self) -> float | None:
        """Return when the first fires."""
        return self._heap[0][0] if self._heap else None

    def set(self, connection: Connection, at: float | None) -> None:
        """Look at the connection at that time or before; None: nothing is due."""
        if at is None or at >= connection.timer_at:
            return
        self.clear(connection)
        connection.timer_at, connection.timer_number = at, next(self._numbers)
        self._owners[connection.timer_number] = connection
        heapq.heappush(self._heap, (at, connection.timer_number))
        if len(self._heap) > 2 * len(self._owners) + _STALE:
            self._heap = [entry for entry in self._heap if entry[1] in self._owners]
            heapq.heapify(self._heap)

    def clear(self, connection: Connection) -> None:
        """The connection no longer has a timer."""
        if connection.timer_at < math.inf:
            connection.timer_at = math.inf
            del self._owners[connection.timer_number]

    def pop(self, now: float) -> Connection | None:
        """Return a connection whose timer is due; it has none then."""
        while self._heap and self._heap[0][0] <= now:
            connection = self._owners.get(heapq.heappop(self._heap)[1])
            if connection is not None:
                self.clear(connection)
                return connection
        return None

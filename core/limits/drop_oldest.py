"""A queue of datagrams that is bounded by number and bytes: the oldest make room, and each of them is counted."""

from collections import deque
from typing import Final

DATAGRAM_COST: Final = 64  # bytes that a datagram takes besides its own: an empty one is not free


class Room:
    """Bytes that queues share."""

    __slots__ = ("limit", "used")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0


class DropOldest:
    """Datagrams that wait; the oldest make room. At most `most` and `most_bytes`, and what the shared room has left."""

    __slots__ = ("_bytes", "_most", "_most_bytes", "_queue", "_room", "dropped")

    def __init__(self, room: Room, most: int, most_bytes: int) -> None:
        self._queue: deque[bytes] = deque()
        self._bytes = 0
        self._most, self._most_bytes = most, most_bytes
        self._room = room
        self.dropped = 0  # datagrams that made room, and newcomers that found none

    def __len__(self) -> int:
        """Return how many wait."""
        return len(self._queue)

    def add(self, data: bytes) -> bool:
        """Queue one; return False when other queues have taken all the room, and it is dropped."""
        cost, room = len(data) + DATAGRAM_COST, self._room
        while self._queue and (
            len(self._queue) >= self._most or self._bytes + cost > self._most_bytes or room.used + cost > room.limit
        ):
            self.popleft()
            self.dropped += 1
        if room.used + cost > room.limit:
            self.dropped += 1
            return False
        self._queue.append(data)
        self._bytes += cost
        room.used += cost
        return True

    def popleft(self) -> bytes:
        """Take the oldest. Raises IndexError when none waits."""
        data = self._queue.popleft()
        self._bytes -= len(data) + DATAGRAM_COST
        self._room.used -= len(data) + DATAGRAM_COST
        return data

    def clear(self) -> None:
        """Forget all."""
        self._queue.clear()
        self._room.used -= self._bytes
        self._bytes = 0

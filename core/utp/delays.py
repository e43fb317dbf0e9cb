"""The least delay of the last minutes and the queue above it (RFC 6817 sections 3.4.2 and 4.2).

Delays are microseconds modulo 2**32: a peer's clock less ours, so only differences mean something, or a round trip.
"""

import math
from collections import deque
from typing import Final

_MASK: Final = 0xFFFFFFFF
_BASE_MINUTES: Final = 10  # RFC 6817 section 3.4.2, BASE_HISTORY
_MINUTE: Final = 60.0  # seconds; length of one slot of the base history
_CURRENT_SAMPLES: Final = 3  # least of the newest few; libutp's CUR_DELAY_SIZE


def _less(a: int, b: int) -> bool:
    """Tell whether delay `a` is below `b`, both modulo 2**32."""
    return (a - b) & _MASK > _MASK >> 1


class DelayHistory:
    """Minima of the last ten minutes, the newest samples, and so the queue."""

    def __init__(self) -> None:
        self._slots: deque[int] = deque(maxlen=_BASE_MINUTES)
        self._slot_ends = -math.inf
        self._newest: deque[int] = deque(maxlen=_CURRENT_SAMPLES)
        self.base = 0

    def __bool__(self) -> bool:
        """Whether there is any sample."""
        return bool(self._newest)

    def add(self, delay: int, now: float) -> None:
        """Take one sample, in microseconds modulo 2**32."""
        if now >= self._slot_ends:
            self._slots.append(delay)
            self._slot_ends = now + _MINUTE
            self.base = self._least(self._slots)
        elif _less(delay, self._slots[-1]):
            self._slots[-1] = delay
            if _less(delay, self.base):
                self.base = delay
        self._newest.append(delay)

    def queuing(self) -> float:
        """Return how long a packet waits in queues now, in seconds; 0 without samples."""
        if not self._newest:
            return 0.0
        return ((self._least(self._newest) - self.base) & _MASK) / 1e6

    @staticmethod
    def _least(delays: deque[int]) -> int:
        least = delays[0]
        for delay in delays:
            if _less(delay, least):
                least = delay
        return least

"""The least delay of the last minutes and the queue above it (RFC 6817 sections 3.4.2 and 4.2).

Delays are microseconds modulo 2**32: a peer's clock less ours, so only differences mean something, or a round trip.
"""

import math
from typing import Final

_MASK: Final = 0xFFFFFFFF
_HALF: Final = 0x7FFFFFFF  # a difference beyond it is negative
_BASE_MINUTES: Final = 10  # RFC 6817 section 3.4.2, BASE_HISTORY
_MINUTE: Final = 60.0  # seconds; length of one slot of the base history
_CURRENT_SAMPLES: Final = 3  # least of the newest few; libutp's CUR_DELAY_SIZE


def _least(delays: list[int]) -> int:
    """Return the least of some delays, modulo 2**32."""
    least = delays[0]
    for delay in delays:
        if (delay - least) & _MASK > _HALF:
            least = delay
    return least


class DelayHistory:
    """Minima of the last ten minutes, the newest samples, and so the queue.

    Lists, though what is kept is a window: an empty deque takes 760 bytes, and each idle connection would have four.
    """

    __slots__ = ("_minutes", "_newest", "_slot_ends", "base", "queuing")

    def __init__(self) -> None:
        self._minutes: list[int] = []
        self._slot_ends = -math.inf
        self._newest: list[int] = []
        self.base = 0
        self.queuing = 0.0  # how long a packet waits in queues now, in seconds; 0 without samples

    def __bool__(self) -> bool:
        """Whether there is any sample."""
        return bool(self._newest)

    def stands(self, delay: int, now: float) -> bool:
        """Note a sample in place of the newest if the minima stand; `queuing` is left behind. False: see `add`."""
        if now >= self._slot_ends or (delay - self._minutes[-1]) & _MASK > _HALF:
            return False
        self._newest[-1] = delay
        return True

    def add(self, delay: int, now: float) -> None:
        """Take one sample, in microseconds modulo 2**32."""
        minutes, newest = self._minutes, self._newest
        if now >= self._slot_ends:
            minutes.append(delay)
            del minutes[:-_BASE_MINUTES]
            self._slot_ends = now + _MINUTE
            self.base = _least(minutes)
        elif (delay - minutes[-1]) & _MASK > _HALF:
            minutes[-1] = delay
            if (delay - self.base) & _MASK > _HALF:
                self.base = delay
        newest.append(delay)
        del newest[:-_CURRENT_SAMPLES]
        self.queuing = ((_least(newest) - self.base) & _MASK) / 1e6

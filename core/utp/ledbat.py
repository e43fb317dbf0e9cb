"""The congestion window from the one-way delay: LEDBAT (RFC 6817, BEP 29 "congestion control").

Delays are microseconds modulo 2**32 as the peer reports them: its clock less ours, so only differences mean something.
"""

import math
from collections import deque
from typing import Final

from core.utp.config import UtpConfig

_MASK: Final = 0xFFFFFFFF
_BASE_MINUTES: Final = 10  # RFC 6817 section 3.4.2, BASE_HISTORY
_MINUTE: Final = 60.0  # seconds; length of one slot of the base history
_CURRENT_SAMPLES: Final = 3  # least of the newest few; libutp's CUR_DELAY_SIZE
_SLOW_START_PART: Final = 0.9  # of the target delay; past it slow start ends, as in libutp
_MIN_PACKETS: Final = 2  # RFC 6817 section 2.4.2, MIN_CWND
_DECREASE_MAX: Final = 4.0  # times increase_bytes per round trip; a huge delay must not empty the window at once


def _less(a: int, b: int) -> bool:
    """Tell whether delay `a` is below `b`, both modulo 2**32."""
    return (a - b) & _MASK > _MASK >> 1


class DelayHistory:
    """The least delay of the last minutes, and the queue above it."""

    def __init__(self) -> None:
        self._slots: deque[int] = deque(maxlen=_BASE_MINUTES)
        self._slot_ends = -math.inf
        self._newest: deque[int] = deque(maxlen=_CURRENT_SAMPLES)
        self._base = 0

    def add(self, delay: int, now: float) -> None:
        """Take one sample, in microseconds modulo 2**32."""
        if now >= self._slot_ends:
            self._slots.append(delay)
            self._slot_ends = now + _MINUTE
            self._base = self._least(self._slots)
        elif _less(delay, self._slots[-1]):
            self._slots[-1] = delay
            if _less(delay, self._base):
                self._base = delay
        self._newest.append(delay)

    def queuing(self) -> float:
        """Return how long a packet waits in queues now, in seconds."""
        if not self._newest:
            return 0.0
        return ((self._least(self._newest) - self._base) & _MASK) / 1e6

    @staticmethod
    def _least(delays: deque[int]) -> int:
        least = delays[0]
        for delay in delays:
            if _less(delay, least):
                least = delay
        return least


class Ledbat:
    """How many bytes may be in flight: `window`, between two packets (one after a timeout) and what fits in flight."""

    def __init__(self, config: UtpConfig) -> None:
        self._packet = config.payload_bytes
        self._least = _MIN_PACKETS * self._packet
        self._most = config.in_flight_packets * self._packet
        self._target = config.target_delay
        self._increase = config.increase_bytes
        self._threshold = math.inf  # slow start below it, bytes
        self._delays = DelayHistory()
        self.window: float = config.initial_window_packets * self._packet

    def acked(self, size: int, delay: int, round_trip: float, now: float, *, limited: bool) -> None:
        """`size` bytes were acknowledged; `limited`: this window, and nothing else, held back more of them.

        `delay` is the peer's timestamp difference, 0 when it had none; `round_trip` the least of this ack, seconds.
        What is not used does not grow (RFC 6817 section 2.4.2).
        """
        if delay:
            self._delays.add(delay, now)
        queuing = min(self._delays.queuing(), round_trip)  # a part cannot be longer than the whole
        if self.window < self._threshold and queuing > self._target * _SLOW_START_PART:
            self._threshold = self.window
        if self.window < self._threshold:
            grown = self.window + (size if limited else 0)
        else:
            off_target = max(-_DECREASE_MAX, (self._target - queuing) / self._target)
            share = min(size, self.window) / max(size, self.window)
            change = self._increase * off_target * share
            grown = self.window + (change if limited or change < 0 else 0)
        self.window = min(max(grown, self._least if grown < self.window else grown), self._most)

    def lost(self) -> None:
        """Packets were lost and others got through: halve, once per round trip (the caller sees to that)."""
        self.window = max(self.window / 2, self._least)
        self._threshold = self.window

    def timed_out(self, *, again: bool) -> None:
        """Nothing got through: one packet, and slow start up to half of what was (BEP 29, RFC 5681 section 3.1).

        `again`: nothing was acknowledged since the timeout before, whose half still counts.
        """
        if not again:
            self._threshold = max(self.window / 2, self._least)
        self.window = self._packet

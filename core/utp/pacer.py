"""Pacing: a window leaves spread over the round trip, in short bursts, so that no small queue is flooded."""

import math
from typing import Final

_BURST_SECONDS: Final = 0.002  # of the rate; timers are good to 1 ms, and batches of a fast sender stay whole
_BURST_PACKETS: Final = 4  # least burst; RFC 3390's initial window, which every queue takes


class Pacer:
    """A bucket of bytes that fills at the rate and holds one burst. Times are seconds.

    No `TokenBucket`: its rate changes with every ack, and it is asked for every packet.
    """

    __slots__ = ("_burst", "_empty_at", "_rate")

    def __init__(self) -> None:
        self._rate = math.inf  # bytes per second
        self._burst = math.inf  # bytes
        self._empty_at = -math.inf  # when the bucket was, or will be, exactly empty

    def set(self, rate: float, packet: int) -> None:
        """Set the rate, bytes per second, for packets of `packet` bytes."""
        self._rate = rate
        self._burst = max(rate * _BURST_SECONDS, _BURST_PACKETS * packet)

    def allowance(self, now: float) -> float:
        """Return the bytes that may leave now; none may while it is not above 0, and the last packet may exceed it."""
        if math.isinf(self._rate):
            return math.inf
        return min((now - self._empty_at) * self._rate, self._burst)

    def spend(self, size: int, now: float) -> None:
        """`size` bytes leave now."""
        if not math.isinf(self._rate):
            self._empty_at = max(self._empty_at, now - self._burst / self._rate) + size / self._rate

    def ready_at(self) -> float:
        """Return when half a burst may leave again: waiting for less would cost a timer for every packet."""
        return self._empty_at + self._burst / self._rate / 2

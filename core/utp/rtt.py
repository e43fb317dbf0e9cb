"""The round-trip estimate and the retransmission timeout (RFC 6298, BEP 29 "timeouts")."""

import math
from typing import Final

from core.utp.config import UtpConfig

_ALPHA: Final = 1 / 8  # RFC 6298 section 2.3
_BETA: Final = 1 / 4  # RFC 6298 section 2.3
_VARIANCES: Final = 4  # RFC 6298 section 2.2, K
_LATE: Final = 0.01  # seconds; a delayed ack of ours (5 ms) and timers that fire late


class RoundTrip:
    """Smoothed round-trip time of one connection, in seconds, and the timeout with its back-off."""

    __slots__ = ("_config", "_probe_timeout", "_timeout", "_variance", "backed_off", "least", "smoothed")

    def __init__(self, config: UtpConfig) -> None:
        self._config = config
        self._timeout = config.rto_initial
        self._probe_timeout: float | None = None
        self._variance = 0.0
        self.smoothed: float | None = None
        self.least = math.inf
        self.backed_off = 0  # consecutive timeouts

    def sample(self, seconds: float) -> None:
        """Take one measurement, of a packet that was sent only once (Karn's rule).

        More than the longest timeout is no round trip: our clock jumped, as when the machine slept.
        """
        seconds = min(seconds, self._config.rto_max)
        if self.smoothed is None:
            self.smoothed, self._variance = seconds, seconds / 2
        else:
            self._variance += _BETA * (abs(self.smoothed - seconds) - self._variance)
            self.smoothed += _ALPHA * (seconds - self.smoothed)
        if seconds < self.least:
            self.least = seconds
        late = self.smoothed + _VARIANCES * self._variance
        self._timeout = max(self._config.rto_min, late)
        self._probe_timeout = max(2 * self.smoothed, late) + _LATE

    def probe_timeout(self) -> float | None:
        """Return how long an ack may take before a probe asks for it, in seconds; None before the first sample.

        RFC 8985 section 7.2: two round trips; more when they vary, and what a peer or our own loop may be late.
        """
        return self._probe_timeout

    def back_off(self) -> None:
        """Double the timeout: nothing was heard in time (RFC 6298 section 5.5)."""
        self.backed_off += 1

    def progress(self) -> None:
        """Something new was acknowledged: the back-off ends, as in libutp."""
        self.backed_off = 0

    def timeout(self) -> float:
        """Return the time to wait now, back-off included, in seconds."""
        doubled = self._timeout * float(1 << min(self.backed_off, 16))  # 16: past any bound, and no overflow
        return min(max(self._config.rto_max, self._config.rto_min), doubled)

"""How long a full packet may be on one path: packetization layer path MTU discovery (RFC 8899, RFC 4821).

uTP numbers packets, so one that proves too long can never be cut again. So a size carries data only after a probe of
that size, which carries none, was answered; and what was numbered before a path shrank is repeated with fragmentation
allowed. All sizes are bytes of UDP payload, IPv4: 28 less than an MTU. Times are seconds.
"""

import math
from typing import Final

from core.wire.utp_probe import Probe

SAFE: Final = 548  # RFC 791, RFC 1122 section 3.3.3: every host takes 576
USUAL: Final = 1402  # libutp's, see UtpConfig.mtu
ETHERNET: Final = 1472
# The common ones, tried upwards: libutp's, Ethernet, jumbo frames, and macOS's loopback (16,384 less the headers).
STEPS: Final = (USUAL, ETHERNET, 8972, 16_356)
# Tried downwards when the step above was refused: PPPoE, WireGuard, IPv6's least MTU, RFC 8899's BASE_PLPMTU.
BETWEEN: Final = (1464, 1392, 1252, 1200)

TRIES: Final = 3  # probes of one size: RFC 8899 section 5.1.2, MAX_PROBES
SEARCH_AGAIN: Final = 600.0  # RFC 8899 section 5.1.1, PMTU_RAISE_TIMER
BULK: Final = 64 * 1024  # bytes that wait or are in flight, before a size past USUAL is worth a probe
_DUE: Final = -math.inf


class PathSearch:
    """The search on one path. `size` is what full packets may have now; before `next_at` `next_probe` gives none."""

    __slots__ = ("_most", "_nonce", "_refused", "_sent", "_tries", "least", "next_at", "size")

    def __init__(self, size: int, least: int, most: int, *, next_at: float = _DUE) -> None:
        """Begin at `size`; never go below `least`, nor beyond `most`."""
        self.size = max(size, least)
        self.least = least
        self.next_at = next_at
        self._most = most
        self._refused = math.inf  # the least size known not to get through
        self._sent = 0  # size of the probe under way, 0 without one
        self._nonce = 0
        self._tries = 0

    def next_probe(self, now: float, wait: float, outstanding: int, limit: int, nonce: int) -> Probe | None:
        """Return a probe to send now, to be answered within `wait`; None while there is none to send.

        `outstanding` bytes wait or are in flight: who sends little does not probe. Nothing beyond `limit` is tried now.
        """
        if now < self.next_at:
            return None
        if self.next_at != _DUE and not self._sent:
            self._refused = math.inf  # a new search
        if self._sent and self._tries >= TRIES:
            self._refused = float(self._sent)
            self._tries = 0
        self._sent = 0
        wanted = self._candidate()
        if wanted is None:
            self.next_at, self._tries = now + SEARCH_AGAIN, 0
            return None
        self.next_at = _DUE
        if wanted > limit or outstanding < (self.size if wanted <= USUAL else BULK):
            return None
        self._sent, self._nonce, self.next_at = wanted, nonce, now + wait
        self._tries += 1
        return Probe(nonce, wanted)

    def answered(self, answer: Probe) -> bool:
        """Take an answer; return False for one that answers nothing asked: late, repeated, or forged."""
        if not self._sent or answer != (self._nonce, self._sent):
            return False
        self.size = max(self.size, self._sent)
        self._forget_probe()
        return True

    def too_long(self, size: int) -> bool:
        """The system knows that `size` is too long for the path. Return whether full packets became smaller."""
        self._refused = min(self._refused, size)
        if self._sent >= size:
            self._forget_probe()
        if self.size < size or self.size <= self.least:
            return False
        self.size = max((step for step in (*STEPS, *BETWEEN) if step < size), default=self.least)
        self.size = max(self.least, min(self.size, self._most))
        return True

    def black_hole(self) -> bool:
        """Nothing longer than the least arrives: begin there again. Return whether packets became smaller."""
        if self.size <= self.least:
            return False
        self.size, self._refused = self.least, math.inf
        if self.next_at < math.inf:
            self._forget_probe()
        return True

    def _forget_probe(self) -> None:
        self._sent = self._tries = 0
        self.next_at = _DUE

    def _candidate(self) -> int | None:
        """Return the size to try next: the common ones first, then the largest below the one refused."""
        most = min(self._most, self._refused - 1)
        upwards = next((step for step in STEPS if self.size < step <= most), None)
        return upwards or next((step for step in BETWEEN if self.size < step <= most), None)

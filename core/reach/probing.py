"""The rule for probing ports at random: at hosts that have proved themselves only, one pair at a time, and slowly.

A probe goes to a port that nobody named, so that many of them at a host that never asked would be an attack. A pair
is tried only when `proved` holds of the other side's host: two that see it there, and its own signed word.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass

from core.limits.rate import TokenBucket
from core.scope import Scope, scope


@dataclass(frozen=True, slots=True)
class ProbingConfig:
    """Bounds, of one peer (NAT.md 7.3)."""

    rate: float = 100.0  # probes a second in all
    burst: float = 5.0  # at once: a timer's lateness
    apart: float = 20.0  # seconds from the beginning of one try of many ports to that of the next; HyperDHT's
    witnesses: int = 2  # that see a host where a peer says that it is; its own signed word is one


class Probing:
    """Places for tries of many ports, and for each of their packets."""

    def __init__(self, config: ProbingConfig | None = None) -> None:
        self.config = config or ProbingConfig()
        self._rate = TokenBucket(self.config.rate, self.config.burst)
        self._began_at = -math.inf
        self._busy = False
        self.refused = 0

    def begin(self, now: float) -> bool:
        """Take the one place, or return False."""
        if self._busy or now - self._began_at < self.config.apart:
            self.refused += 1
            return False
        self._busy, self._began_at = True, now
        return True

    def end(self) -> None:
        """Give the place back."""
        self._busy = False

    def probe(self, now: float) -> bool:
        """Take the place for one packet, or return False."""
        return self._rate.take(now)

    def proved(self, host: str, said: str, seen_by: Collection[str]) -> bool:
        """Return whether a host may be probed: it says itself, signed, that it is there, and others see it there.

        `said`: the host in its signed word. `seen_by`: hosts of brokers, or grapes, that have it at `host`.
        """
        if said != host or scope(host) not in (Scope.PUBLIC, Scope.CARRIER):
            return False
        return 1 + len(set(seen_by)) >= self.config.witnesses

"""When a node answers others (BEP 43): once it has been reachable for 15 minutes, and as long as somebody asks."""

import math
from typing import Final

PATIENCE: Final = 900.0  # seconds of being reachable before we answer: who is there for minutes helps nobody
IGNORED: Final = 1800.0  # seconds without a query of anybody after which we are not as reachable as we thought
AGAIN: Final = 6 * 3600.0  # seconds until we try once more


class Role:
    """Says whether to serve. `reachable` is what its owner knows: a public address of its own, or a router's mapping.

    Times are the caller's seconds; `patience`: of being reachable.
    """

    def __init__(self, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._reachable_since = math.inf
        self._asked_at = math.inf
        self._not_before = -math.inf
        self.serving = False

    def asked(self, now: float) -> None:
        """Note a query of somebody."""
        self._asked_at = now

    def look(self, reachable: bool, now: float) -> bool:
        """Return whether to serve now."""
        if not reachable:
            self._reachable_since, self.serving = math.inf, False
            return False
        self._reachable_since = min(self._reachable_since, now)
        if self.serving and now - self._asked_at >= IGNORED:
            self.serving, self._not_before = False, now + AGAIN
        elif not self.serving and now - self._reachable_since >= self._patience and now >= self._not_before:
            self.serving, self._asked_at = True, now
        return self.serving

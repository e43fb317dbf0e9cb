"""What was learned of paths, so that the next connection to an address begins where the last one ended.

By address, not by host: two peers behind one router need not have the same path.
"""

import math
from typing import Final

from core.limits.table import BoundedTable
from core.utp.path_search import SEARCH_AGAIN
from core.values import Address

PATHS_MAX: Final = 256  # addresses; full: the one noted first is forgotten, and simply probed again


class PathMemory:
    """Bounded in number and in time: `SEARCH_AGAIN` seconds, as a search is good for."""

    def __init__(self) -> None:
        # size, when to search, when to forget
        self._paths: BoundedTable[Address, tuple[int, float, float]] = BoundedTable(PATHS_MAX)

    def __len__(self) -> int:
        return len(self._paths)

    def recall(self, remote: Address, now: float) -> tuple[int, float]:
        """Return the size to begin with, 0 for an unknown path, and when to search; seconds."""
        size, next_at, until = self._paths.get(remote, (0, -math.inf, now))
        if until <= now:
            self._paths.pop(remote, None)
            return 0, -math.inf
        return size, next_at if next_at > now else -math.inf

    def note(self, remote: Address, size: int, next_at: float, now: float) -> None:
        """Keep what is known of a path."""
        self._paths[remote] = (size, next_at, now + SEARCH_AGAIN)

"""The nodes that took the newest announce of a key, with their tokens: the next announce needs no search.

The Node grape does the same for five minutes, whatever happens meanwhile (a grape that announced while alone believes
for minutes that it is). Here a node that enters or leaves the table ends it, and so does a write that fails.
"""

from typing import NamedTuple

from core.dht.walk import WriteTokens
from core.limits.table import BoundedTable

MAX_KEYS = 1024  # names that one grape announces again and again; a further one makes room by age
# Seconds. BEP 5 lets a token go stale after 5 to 10 minutes; and nodes nearer to the key than these may have come up.
MAX_AGE = 290.0

# The key of all keys while everybody we know is among the nearest to any of them, as in most Grenache networks: tokens
# belong to the host that got them, not to the key. A node that binds them to a key refuses, and is asked for one.
WHOLE_NETWORK = b""


class _Kept(NamedTuple):
    tokens: WriteTokens
    generation: int
    since: float


class RecentWriters:
    """Tokens by key. `generation` is the routing table's."""

    def __init__(self) -> None:
        self._kept: BoundedTable[bytes, _Kept] = BoundedTable(MAX_KEYS)

    def __len__(self) -> int:
        """Return the number of keys."""
        return len(self._kept)

    def keep(self, key: bytes, tokens: WriteTokens, generation: int, now: float) -> None:
        """Remember the nodes that a search found, if there are any."""
        self._kept.pop(key, None)
        if tokens:
            self._kept[key] = _Kept(tokens, generation, now)

    def find(self, key: bytes, generation: int, now: float) -> WriteTokens | None:
        """Return the nodes to write to, or None: search."""
        kept = self._kept.find(key)
        if kept is None:
            return None
        if kept.generation != generation or now - kept.since >= MAX_AGE:
            del self._kept[key]
            return None
        return kept.tokens

    def drop(self, key: bytes) -> bool:
        """Forget a key, one of whose nodes did not take a write; return whether it was kept."""
        return self._kept.pop(key, None) is not None

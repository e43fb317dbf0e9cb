"""The ways that were found: who was asked last for a target as written is asked again, without a search.

A way is used only while its connection is open. One that was found by a name is looked up again soon: others may
share the same by then.
"""

import math
from typing import Final, NamedTuple

from core.limits.bounds import WAYS
from core.limits.table import BoundedTable
from core.peer_id import PeerId
from core.values import Address

NAMED_FOR: Final = 5.0  # seconds that a way found by name is taken: as long as a connection counts as fresh


class Way(NamedTuple):
    """Where a request for a target goes. `service` is the name that events show."""

    address: Address
    key: str
    service: str
    expected: PeerId | None = None  # who must be there, verified
    until: float = math.inf  # seconds on the loop's clock
    named: bool = False  # others may share the same: it was found by a name, or by a Peer ID


class Ways:
    """By target, as it was written; the one used longest ago makes room."""

    def __init__(self) -> None:
        self._ways: BoundedTable[str, Way] = BoundedTable(WAYS)

    def to(self, target: str, now: float) -> Way | None:
        """Return the way to a target, if one is known and still holds."""
        way = self._ways.find(target)
        if way is not None and now >= way.until:
            del self._ways[target]
            return None
        return way

    def note(self, target: str, way: Way) -> None:
        """Keep the way by which a target was just reached."""
        self._ways[target] = way

    def lost(self, target: str) -> None:
        """Forget a way that led nowhere. Harmless when there is none."""
        self._ways.pop(target, None)

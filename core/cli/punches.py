"""Punches for people: one line for each peer that counts up, instead of two lines a second.

The line is printed at the first punch, when the way opens or turns out to be shut, and each time the count has doubled.
`--json` has every punch.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from core.limits.table import BoundedTable
from core.news.events import PeerEvent, PunchEnded, PunchReceived, PunchSent
from core.values import Address

MAX_PEERS: Final = 1024  # counted at once; of one punched longest ago the count begins again


@dataclass(slots=True)
class _Count:
    sent: int = 0
    received: int = 0
    next: int = 1  # punches in all at which the line is printed again
    open: bool | None = None


class PunchLines:
    """Takes the punches out of the events; `line` prints."""

    def __init__(self, line: Callable[[str], None]) -> None:
        self._line = line
        self._counts: BoundedTable[Address, _Count] = BoundedTable(MAX_PEERS)

    def take(self, event: PeerEvent) -> bool:
        """Count an event that is about punching, and print its line if it is due. False for any other event."""
        if not isinstance(event, PunchSent | PunchReceived | PunchEnded):
            return False
        count = self._counts.use(event.peer, _Count)
        due, reason = False, ""
        if isinstance(event, PunchSent):
            count.sent += 1
        elif isinstance(event, PunchReceived):
            count.received += 1
        elif count.open is not event.open:
            count.open, due, reason = event.open, True, event.reason
        if count.sent + count.received >= count.next:
            count.next, due = 2 * count.next, True
        if due:
            at = time.strftime("%H:%M:%S", time.localtime(event.at))
            told = f": {reason}" if reason else ""
            self._line(f"{at}  punching {event.peer}: {count.sent} sent, {count.received} received{told}")
        return True

"""Answers that come late: a slow line or a busy computer makes all of them late, and the network is there all the same.

One look at the clock does not tell a silent node from a held-up one. So a node leaves the table after the second query
in a row that it did not answer; an answer that came too late for its search counts for the table; where many come late,
queries wait longer; and who wakes late reads what has come before it gives anything up.
"""

from typing import Final

from core.dht.transactions import Pending
from core.limits.table import BoundedTable
from core.values import Address

PATIENT: Final = 3.0  # seconds that a query waits where many answers are slow; a full uplink holds packets for 1 to 2
SLOW: Final = 0.25  # part of the answers that have to be slow for that; a few nodes are slow by themselves
WEIGHT: Final = 1 / 16  # of the newest answer in that part
LATE: Final = 128  # queries that were given up and may be answered yet; of more, the newest
LATE_FOR: Final = 5.0  # seconds for which they may
STRIKES: Final = 2  # queries in a row that a node leaves unanswered until it is forgotten
STRUCK: Final = 256  # nodes of which that is counted
HELD_UP: Final = 0.3  # seconds by which a timer is late when something held us up, and for which is read then


class Lateness:
    """`timeout`: seconds that a query waits as a rule. Times are the caller's seconds."""

    def __init__(self, timeout: float) -> None:
        self._usual = timeout
        self._slow = 0.0
        self._given_up: BoundedTable[bytes, Pending] = BoundedTable(LATE)
        self._strikes: BoundedTable[Address, int] = BoundedTable(STRUCK)

    @property
    def timeout(self) -> float:
        """How many seconds a query waits now."""
        return PATIENT if self._slow > SLOW else self._usual

    def held_up(self, due: float, now: float) -> bool:
        """Return whether something held us up, for a timer that was due then."""
        return now - due > HELD_UP

    def given_up(self, pending: Pending) -> bool:
        """Take a query that was not answered in time; return whether its node is to be forgotten."""
        self._given_up[pending.transaction] = pending
        strikes = self._strikes[pending.to] = self._strikes.get(pending.to, 0) + 1
        return strikes >= STRIKES

    def late(self, transaction: bytes, source: Address, now: float) -> Pending | None:
        """Return the query that this late answer belongs to, once; None: it belongs to none."""
        pending = self._given_up.get(transaction)
        if pending is None or pending.to != source or now - pending.sent_at > LATE_FOR:
            return None
        del self._given_up[transaction]
        return pending

    def answered(self, pending: Pending, now: float) -> None:
        """Count an answer, late or not."""
        self._strikes.pop(pending.to, None)
        self._slow += WEIGHT * ((now - pending.sent_at > self._usual) - self._slow)

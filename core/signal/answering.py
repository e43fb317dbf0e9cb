"""Whose boxes are read once somebody rings: a ring does not say who it is. A few at a time, until all had their turn.

Who was read longest ago comes first, so that of many callers none waits behind the same few.
"""

import math
from collections.abc import Hashable, Iterable
from typing import Final

from core.limits.rate import TokenBucket
from core.limits.table import BoundedTable
from core.signal.wishes import Contact
from core.values import Address

AT_ONCE: Final = 4  # people whose boxes are read in one round
PAUSE: Final = 6.0  # seconds between two rounds: 8 boxes at 8 nodes each are 64 packets, of which 24 leave meanwhile
ROUNDS: Final = 4.0  # rounds that may follow each other: 16 people
ROUNDS_RATE: Final = 1 / 600.0  # rounds a second in the long run: nodes that invent rings cost 3 MB a day at most
AGAIN: Final = 6.0  # people read at once who ring from where their letter says that they are ...
AGAIN_RATE: Final = 1 / 60.0  # ... and a second in the long run
PEOPLE: Final = 256  # whose turn is remembered; as many as are met at all
RINGERS: Final = 16  # addresses that rang and that no letter explains yet; of more, the newest


class Answering:
    """Times are the caller's monotone seconds."""

    def __init__(self) -> None:
        self._read: BoundedTable[Hashable, float] = BoundedTable(PEOPLE)  # when each was read
        self._ringers: BoundedTable[Address, float] = BoundedTable(RINGERS)
        self._since = -math.inf  # when the last of them began to ring
        self._next = -math.inf
        self._rounds = TokenBucket(ROUNDS_RATE, ROUNDS)
        self._again = TokenBucket(AGAIN_RATE, AGAIN)

    def rung(self, address: Address, now: float) -> None:
        """Take somebody who rings."""
        self._ringers[address] = self._since = now

    def may_read_again(self, now: float) -> bool:
        """Return whether the box of somebody may be read who rings and whose letter we have."""
        return self._again.take(now)

    def explained(self, addresses: Iterable[Address]) -> None:
        """Take what a new letter says: who is in it needs no search any longer."""
        for address in addresses:
            self._ringers.pop(address, None)

    def due(self, people: Iterable[Contact], now: float) -> list[Contact]:
        """Return whose boxes to read now: those of `people`, in that order, whose turn was longest ago."""
        if not len(self._ringers) or now < self._next:
            return []
        left = [each for each in people if self._read.get(each.name, -math.inf) < self._since]
        if not left:
            self._ringers.clear()
            return []
        if not self._rounds.take(now):
            return []
        self._next = now + PAUSE
        chosen = sorted(left, key=lambda each: self._read.get(each.name, -math.inf))[:AT_ONCE]
        for each in chosen:
            self._read[each.name] = now
        return chosen

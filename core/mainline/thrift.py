"""How many bytes a day the public DHT takes while nobody waits for anything, and what waits when they are spent.

One account holds for all of it, both ways, with the headers of IP and UDP. What somebody waits for is not counted: a
call of ours, and what belongs to it. Everything else leaves a part of the account to what comes before it: to be called
comes first, what nodes name comes last, for nodes may lie. And what others can make grow has a bound of its own.
"""

from enum import IntEnum
from typing import Final

from core.limits.rate import TokenBucket

HEADERS: Final = 28  # bytes of IPv4 and UDP
DAILY: Final = 18e6  # bytes a day in the long run; being called takes 8 to 13 of them, letters 0.4 for each friend
AT_ONCE: Final = 1.5e6  # bytes besides, once: joining, looking often for 20 minutes. No day has more than 19.5 MB
DAY: Final = 86_400.0  # seconds
RING: Final = 1000  # bytes of opening the way to one that rings: 11 punches, and a router's word that nobody is there
CHECK: Final = 500  # bytes of a look at one that is listed as an open peer: three SYNs, and the same
CHECKED: Final = 6000  # bytes of a whole check: the handshake, and a letter there and back
POLL: Final = 700  # bytes of waiting at an open peer once: 50 s, with keepalives


class Use(IntEnum):
    """What bytes are for; what comes first goes first."""

    AWAITED = 0  # somebody waits for it: not counted
    LETTERS = 1  # where we are, for our people
    RINGS = 2  # whose ring that was, and the way there
    DOOR = 3  # who rings
    UPKEEP = 4  # nodes that are silent, places in the table that are empty
    EAGER = 5  # looking at the door often
    VISITS = 6  # calls that nobody waits for, as of friends who may pass packets on
    LISTS = 7  # open peers that nodes list
    OTHERS = 8  # the questions of others


_LEAVES: Final = {
    Use.LETTERS: 0.0, Use.RINGS: 0.0, Use.DOOR: 0.1, Use.UPKEEP: 0.3, Use.EAGER: 0.5, Use.VISITS: 0.5, Use.LISTS: 0.5,
    Use.OTHERS: 0.6,
}  # fmt: skip
"""Parts of AT_ONCE that a use leaves to those before it."""
_OWN: Final = {
    Use.LETTERS: (8e6, 1e6), Use.RINGS: (2e6, 150e3), Use.DOOR: (14e6, 60e3), Use.EAGER: (2e6, 700e3),
    Use.VISITS: (800e3, 60e3), Use.LISTS: (1.2e6, 150e3), Use.OTHERS: (3e6, 100e3),
}  # fmt: skip
"""(bytes a day, and at once) that a use has at the most: so that the door has 8 MB a day at the least, and an hour
takes no more than its part of a day.

At once are: letters to 64 people, the boxes of ten, four looks at the lists of open peers, and
20 minutes of looking often.
"""


class Thrift:
    """The account. Times are the caller's seconds."""

    def __init__(self, daily: float = DAILY, at_once: float = AT_ONCE) -> None:
        self._bytes = TokenBucket(daily / DAY, at_once)
        self._own = {use: TokenBucket(each / DAY, most) for use, (each, most) in _OWN.items()}
        self.spent = dict.fromkeys(Use, 0)  # bytes so far

    def __str__(self) -> str:
        return ", ".join(f"{use.name.lower()} {size}" for use, size in self.spent.items())

    def may(self, use: Use, now: float) -> bool:
        """Return whether something may begin. What has begun goes on."""
        return use is Use.AWAITED or self._left(use, now) > 0

    def spend(self, use: Use, size: int, now: float) -> None:
        """Count bytes that left or came.

        What others ask counts only as far as it leaves the account to the rest: nobody spends it for us.
        """
        self.spent[use] += size
        if use is Use.AWAITED:
            return
        counted = max(0.0, min(size, self._left(use, now))) if use is Use.OTHERS else size
        self._bytes.charge(now, counted)
        if use in self._own:
            self._own[use].charge(now, counted)

    def _left(self, use: Use, now: float) -> float:
        left = self._bytes.tokens(now) - _LEAVES[use] * self._bytes.burst
        return min(left, self._own[use].tokens(now)) if use in self._own else left

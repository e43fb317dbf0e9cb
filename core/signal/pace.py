"""How often we look at our door: often while somebody waits or has just called, else rarely."""

import math
from typing import Final

from core.limits.rate import TokenBucket

EAGER: Final = 2.5  # seconds between looks at the door while somebody waits, at three nodes, and at all now and then
IDLE: Final = 7.0  # otherwise, at two nodes: as many packets as at three every 10.5 s, and a caller waits less
IDLE_MOST: Final = 21.0  # with many people, whose letters take as much as the looks
FEW: Final = 10  # people that we look every IDLE seconds for; each more is a second, and 0.4 MB a day for its letters
WHOLE: Final = 5  # of so many looks while somebody waits one asks all eight nodes
STIRRED: Final = 60.0  # seconds after a call of ours or theirs in which an idle peer looks as if somebody waited ...
STIRRED_LOOKS: Final = 24.0  # ... so many times in a row ...
STIRRED_RATE: Final = 1 / 90.0  # ... and looks a second in the long run: 1.2 MB a day
SOONEST: Final = 2.0  # never more often
OTHERS: Final = 4  # whose turn it is, beside the nearest (`core.mainline.config.POLLED`)


class Looks:
    """`wanted`: somebody waits; `afforded`: looking often is not too much. Times are the caller's monotone seconds."""

    def __init__(self) -> None:
        self.wanted = False
        self.afforded = True
        self._stirred = -math.inf  # when one of our people called
        self._left = TokenBucket(STIRRED_RATE, STIRRED_LOOKS)

    @property
    def eager(self) -> bool:
        """Whether we look as often as somebody who waits wants it."""
        return self.wanted and self.afforded

    def stir(self, now: float) -> None:
        """Note a call of one of our people, or ours."""
        self._stirred = now

    def interval(self, now: float, people: int) -> float:
        """Return how many seconds are between two looks, for one that so many may call."""
        stirred = now - self._stirred < STIRRED and self._left.tokens(now) >= 1
        idle = min(IDLE_MOST, IDLE + max(0, people - FEW))
        return max(SOONEST, EAGER if self.eager or stirred else idle)

    def part(self, looks: int) -> int:
        """Return the part of the nodes that the look of that number asks (`Listen.part`)."""
        return 0 if self.eager and looks % WHOLE == 0 else 1 + looks % OTHERS

    def looked(self, now: float, interval: float) -> None:
        """Count a look, `interval` seconds before the next."""
        if interval < IDLE and not self.eager:
            self._left.charge(now, 1)

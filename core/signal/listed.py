"""Whether a ringer is listed by one node alone, which may lie, or by several, which rarely invent the same host.

A symmetric NAT gives each node another port of its caller, so that nodes agree on the host only.
"""

from collections.abc import Sequence
from random import Random
from typing import Final, TypeAlias

from core.limits.rate import TokenBucket
from core.limits.table import BoundedTable
from core.values import Address

NODES: Final = 16  # whose last word is remembered; a door is kept by eight, and there are two doors for a while
FRESH: Final = 60.0  # seconds that a word counts
TAKEN: Final = 100  # addresses of one node's word; as many as are read of one answer
CROWD: Final = 16  # addresses of one node's word; of more, most are made up
ALONE: Final = 6.0  # ringers at once that one node alone lists, and who are punched back all the same ...
ALONE_RATE: Final = 1 / 60.0  # ... and a second in the long run: 1.4 MB a day

_Said: TypeAlias = tuple[float, frozenset[Address], frozenset[str]]  # when, what, and the hosts of that


class Listed:
    """Times are the caller's monotone seconds."""

    def __init__(self) -> None:
        self._said: BoundedTable[str, _Said] = BoundedTable(NODES)  # by the node's host
        self._alone = TokenBucket(ALONE_RATE, ALONE)

    def add(self, node: str, listed: Sequence[Address], now: float) -> None:
        """Take what one node lists, instead of what it listed before."""
        those = frozenset(listed[:TAKEN])
        self._said[node] = now, those, frozenset(each.host for each in those)

    def agreed(self, address: Address, now: float) -> bool:
        """Return whether several nodes list an address's host, and more than a quarter of those that spoke lately.

        Of eight nodes two may lie, and name the same one by chance.
        """
        fresh = [hosts for at, _, hosts in self._said.values() if now - at < FRESH]
        listing = sum(address.host in hosts for hosts in fresh)
        return listing > 1 and 4 * listing > len(fresh)

    def alone(self, since: float, now: float, random: Random) -> list[Address]:
        """Return a few of those that one node alone has listed `since` then, and count them.

        Those of short lists come first, and what is left of ALONE when half of it is taken is for them: few ring at
        once, and a crowd is made up.
        """
        found: list[Address] = []
        for said in sorted((said for at, said, _ in self._said.values() if at >= since), key=len):
            once = [each for each in sorted(said) if not self.agreed(each, now)]
            random.shuffle(once)
            for each in once:
                if len(said) > CROWD and self._alone.tokens(now) < 1.0 + ALONE / 2:
                    break
                if each not in found and self._alone.take(now):
                    found.append(each)
        return found

"""What nodes list as open peers, and by how many nodes each is listed: an honest one by all that keep its list.

The last word of each node on each list counts, so that a node that lies fills its own word and takes nobody else's
place. An honest peer is in one list. So its count is that of the list where most name it: who is named in all lists
gains nothing by that.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final

from core.limits.table import BoundedTable
from core.open_peers.config import HEARD, HEARD_NETWORK, PER_NODE
from core.open_peers.keys import network
from core.values import Address

WORDS: Final = 128  # of four lists, each kept by eight nodes and those that were passed on the way


class Heard:
    """`nearness(host)` decides between those that equally many list: less goes first."""

    def __init__(self, nearness: Callable[[str], int]) -> None:
        self._nearness = nearness
        self._words: BoundedTable[tuple[str, str], tuple[Address, ...]] = BoundedTable(WORDS)  # by node and list
        self._counts: dict[Address, int] | None = None  # None: to be counted

    def add(self, by: str, of: str, listed: Iterable[Address]) -> None:
        """Take what one node names in one list, instead of what it named there before."""
        self._words[by, of] = tuple(dict.fromkeys(listed))[:PER_NODE]
        self._counts = None

    def drop(self, address: Address) -> None:
        """Forget one until it is listed again."""
        for by, word in list(self._words.items()):
            if address in word:
                self._words[by] = tuple(each for each in word if each != address)
                self._counts = None

    def counts(self) -> dict[Address, int]:
        """Return who is listed, by how many: HEARD at most, HEARD_NETWORK of one network, the most listed ones."""
        if self._counts is None:
            found = self._count()
            ordered = sorted(found, key=lambda each: (-found[each], self._nearness(each.host)))
            of_network: Counter[str] = Counter()
            self._counts = {}
            for each in ordered:
                of_network[network(each.host, 2)] += 1
                if of_network[network(each.host, 2)] <= HEARD_NETWORK and len(self._counts) < HEARD:
                    self._counts[each] = found[each]
        return self._counts

    def _count(self) -> dict[Address, int]:
        of_list: dict[str, Counter[Address]] = {}
        for (_, of), word in self._words.items():
            of_list.setdefault(of, Counter()).update(word)
        found: dict[Address, int] = {}
        for counts in of_list.values():
            for address, count in counts.items():
                found[address] = max(count, found.get(address, 0))
        return found

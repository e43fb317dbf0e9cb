"""What we know of open peers: who is listed, who has proved to be one, who lied or is silent. No I/O.

Lists of the public DHT are anybody's words, and fill with junk. So nothing listed is believed: the nearest to the
places that matter are checked first, a few at a time, and an answer that is no open peer's is remembered. It is not the
first answer that counts, nor the longest list: who would stand at a place needs hosts in the networks that are near it.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from core.limits.rate import TokenBucket
from core.limits.table import BoundedTable
from core.open_peers.config import (
    CHECKS_BURST,
    CHECKS_RATE,
    GOOD,
    GOOD_FOR,
    KNOWN,
    LIAR_FOR,
    LIARS,
    LOOK_EVERY,
    LOOK_FIRST,
    LOOK_LATER,
    LOOK_SOON,
    SILENT,
    SILENT_FOR,
)
from core.open_peers.heard import Heard
from core.open_peers.keys import nearest, nearness, network
from core.peer_id import PeerId
from core.values import Address

LISTED_BY: Final = (2 / 3, 1 / 2, 0.0)
"""Parts of the nodes that list the most listed one: who is listed by so many is checked before others, however near
those are. An honest one is listed by six to eight nodes; what those list that lie is listed by up to four."""
VAIN: Final = 4  # failures of one network of 16 bits, and no success, after which others are checked before it
STRIKES: Final = 2  # failures in a row of one that was good, after which it is checked from the start


@dataclass(slots=True)
class OpenPeer:
    """One that has proved to be one. `checked_at`: when; -inf: in an earlier run."""

    address: Address
    peer_id: PeerId
    checked_at: float
    strikes: int = 0


class Judge:
    """`own` is a secret of ours: with no place to be near to, nobody can guess which one we check first."""

    def __init__(self, own: bytes) -> None:
        self._own = own
        self._heard = Heard(lambda host: nearness(own, host))
        self._good: dict[Address, OpenPeer] = {}  # KNOWN at most
        self._liars: BoundedTable[str, float] = BoundedTable(LIARS)  # until when, by host
        self._silent: BoundedTable[str, float] = BoundedTable(SILENT)
        self._vain_in: BoundedTable[str, int] = BoundedTable(SILENT)  # failures since a success, by network of 16 bits
        self._checking: set[Address] = set()
        self._checks = TokenBucket(CHECKS_RATE, CHECKS_BURST)
        self._looked_at = -math.inf
        self._vain = 0  # looks since one was found, or since we began
        self.lies = 0

    # -- what is told -------------------------------------------------------------------------------------------------

    def recall(self, kept: Iterable[tuple[Address, PeerId]]) -> None:
        """Take those that were good in an earlier run; each is checked before it is used."""
        for address, peer_id in list(kept)[:KNOWN]:
            self._good.setdefault(address, OpenPeer(address, peer_id, -math.inf))

    def heard(self, listed: Iterable[Address], now: float, by: str, of: str = "") -> None:
        """Take what the node `by` lists in the list `of`. One that announces itself is listed there by several."""
        self._heard.add(by, of, [each for each in listed if each not in self._good and not self._shunned(each, now)])

    def looked(self, now: float) -> None:
        """Note that the gatherings are looked at now."""
        self._looked_at = now
        self._vain += 1

    def proved(self, address: Address, peer_id: PeerId, now: float, places: Sequence[bytes] = ()) -> None:
        """Note one that has proved to be one; of more than KNOWN, the one farthest from all places goes."""
        self._checking.discard(address)
        self._heard.drop(address)
        self._vain = 0
        self._vain_in.pop(network(address.host, 2), None)
        for other in [each for each in self._good.values() if each.peer_id == peer_id and each.address != address]:
            del self._good[other.address]  # it has moved; one identity has one voice
        self._good[address] = OpenPeer(address, peer_id, now)
        if len(self._good) > KNOWN:
            others = [each for each in self._good if each != address]
            del self._good[max(others, key=lambda each: self._rank(each, places))]

    def failed(self, address: Address, now: float, *, lied: bool) -> None:
        """Note one that did not answer, or whose answer was no open peer's."""
        self._checking.discard(address)
        self._heard.drop(address)
        self._good.pop(address, None)
        around = network(address.host, 2)
        self._vain_in[around] = self._vain_in.get(around, 0) + 1
        if lied:
            self.lies += 1
            self._liars[address.host] = now + LIAR_FOR
        else:
            self._silent[address.host] = now + SILENT_FOR

    def struck(self, address: Address, now: float) -> None:
        """Note that one that was good has failed once."""
        known = self._good.get(address)
        if known is not None:
            known.strikes += 1
            if known.strikes >= STRIKES:
                self.failed(address, now, lied=False)

    def served(self, address: Address, now: float) -> None:
        """Note that one has done its work: that is as good as a check."""
        known = self._good.get(address)
        if known is not None:
            known.strikes, known.checked_at = 0, now

    def begin_again(self) -> None:
        """Hold no silence against anybody: we slept, or are on another network."""
        self._silent.clear()
        self._vain_in.clear()
        self._looked_at, self._vain = -math.inf, 0

    # -- what is to be done -------------------------------------------------------------------------------------------

    def should_look(self, now: float, *, calls: bool = False) -> bool:
        """Return whether the gatherings are to be looked at. `calls`: somebody is called now, and waits."""
        if len(self.good(now)) >= GOOD:
            return now - self._looked_at >= LOOK_EVERY
        pause = min(LOOK_EVERY, LOOK_FIRST * LOOK_LATER ** min(self._vain - 1, 8))
        return now - self._looked_at >= (min(pause, LOOK_SOON) if calls else pause)

    def to_check(self, places: Sequence[bytes], now: float) -> OpenPeer | Address | None:
        """Return the one to check now, and count it; None: nobody, or not now. Its outcome must be told.

        First come those that are nearest to a place, then, as long as there are few, those nearest to our secret.
        """
        old = [each for each in self._good.values() if now - each.checked_at >= GOOD_FOR]
        good = self.good(now)
        named = (*self._heard.counts(), *(one.address for one in old))
        waiting = [each for each in named if each not in self._checking]
        chosen = self._next(waiting, places, [each.address for each in good], now)
        if chosen is None or not self._checks.take(now):
            return None
        self._checking.add(chosen)
        return self._good.get(chosen, chosen)

    def _next(self, waiting: list[Address], places: Sequence[bytes], good: list[Address], now: float) -> Address | None:
        waiting = [each for each in waiting if not self._shunned(each, now)]
        if not waiting:
            return None
        counts = self._heard.counts()
        most = max((counts.get(each, 0) for each in waiting), default=0)
        sound = [each for each in waiting if self._vain_in.get(network(each.host, 2), 0) < VAIN]
        tiers = [
            [each for each in those if each in self._good or counts[each] >= part * most]
            for part in LISTED_BY
            for those in (sound, waiting)
        ]
        for those in tiers:
            for at in places:
                for each in nearest([*those, *good], at, GOOD // 2):
                    if each not in good:
                        return each
        if len(good) >= GOOD:
            return None
        before = [each for each in waiting if each in self._good]  # good in an earlier run, or hours ago
        likely = before or next(those for those in tiers if those)
        return min(likely, key=lambda each: nearness(self._own, each.host))

    def good(self, now: float) -> list[OpenPeer]:
        """Return those that have proved to be open peers lately."""
        return [each for each in self._good.values() if now - each.checked_at < GOOD_FOR]

    def at(self, place: bytes, count: int, now: float) -> list[OpenPeer]:
        """Return the good ones that are nearest to a place."""
        return [self._good[each] for each in nearest((each.address for each in self.good(now)), place, count)]

    def kept(self) -> list[tuple[Address, PeerId]]:
        """Return those worth keeping on the disk."""
        return [(each.address, each.peer_id) for each in self._good.values()]

    def waiting(self) -> int:
        """Return how many are listed and not checked."""
        return len(self._heard.counts())

    def _shunned(self, address: Address, now: float) -> bool:
        until = max(self._liars.get(address.host, -math.inf), self._silent.get(address.host, -math.inf))
        return now < until

    def _rank(self, address: Address, places: Sequence[bytes]) -> int:
        return min(nearness(each, address.host) for each in (*places, self._own))

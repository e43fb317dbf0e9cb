"""Punches as they fly over the map: which are under way, and how far each is. No timer and no pixel."""

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from core.news.events import PeerEvent, PunchReceived, PunchSent
from core.values import Address

SECONDS: Final = 0.6  # that one takes over the map: slow enough to be followed, over before the next of a calm series
MOST: Final = 24  # under way at once; more are left out, since they say nothing further
APART: Final = 0.15  # seconds between two on the same way; a birthday sends 1,750 in one


class Flight(NamedTuple):
    """One punch. `key` is the spot at the other end, `out`: from here to there. `began` is monotone seconds."""

    key: str
    out: bool
    began: float

    def share(self, now: float) -> float:
        """Return how far it is, 0 at the start and 1 at its end."""
        return min(1.0, max(0.0, (now - self.began) / SECONDS))


class Flights:
    """Takes events, and forgets what has arrived."""

    def __init__(self) -> None:
        self._under_way: deque[Flight] = deque()
        self._newest: dict[tuple[str, bool], float] = {}

    def take(self, events: Iterable[PeerEvent], keys: Mapping[Address, str], others: str, now: float) -> None:
        """Let punches fly. `keys`: the spot of an address; all else flies to `others`, "" for nowhere."""
        for event in events:
            if isinstance(event, PunchSent | PunchReceived):
                self._add(keys.get(event.peer, others), isinstance(event, PunchSent), now)

    def _add(self, key: str, out: bool, now: float) -> None:
        way = key, out
        if not key or len(self._under_way) >= MOST or now - self._newest.get(way, -APART) < APART:
            return
        self._newest[way] = now
        self._under_way.append(Flight(key, out, now))

    def under_way(self, now: float) -> list[Flight]:
        """Return those that fly now."""
        while self._under_way and now - self._under_way[0].began >= SECONDS:
            self._under_way.popleft()
        if not self._under_way:
            self._newest.clear()
        return list(self._under_way)

    def clear(self) -> None:
        """Forget all."""
        self._under_way.clear()
        self._newest.clear()

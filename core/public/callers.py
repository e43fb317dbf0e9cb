"""Requests that look for somebody by the public DHT, and whether anybody waits for them."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from core.limits.table import BoundedTable
from core.peer_id import PeerId
from core.values import Address

Found = Callable[[Address, float], None]  # where, and in how many seconds the other side hears of us

VISITED: Final = 64  # peers whose last search is remembered; as many as letters are written to
JUST: Final = 60.0  # seconds
AFTERWARDS: Final = 60.0  # seconds; a climb is over by then


class Callers:
    """Who is looked for."""

    def __init__(self) -> None:
        self._searches: dict[PeerId, list[tuple[Found, bool]]] = {}
        self._here: BoundedTable[PeerId, float] = BoundedTable(VISITED)  # when a peer last wrote
        self._unasked: BoundedTable[PeerId, float] = BoundedTable(VISITED)  # when a peer was last looked for so

    def __iter__(self) -> Iterator[PeerId]:
        return iter(tuple(self._searches))

    def __contains__(self, peer_id: object) -> bool:
        return peer_id in self._searches

    @contextmanager
    def searching(self, peer_id: PeerId, found: Found, *, awaited: bool) -> Iterator[None]:
        """Look for somebody; `found` hears of each address. `awaited`: somebody waits for it."""
        entry = found, awaited
        self._searches.setdefault(peer_id, []).append(entry)
        try:
            yield
        finally:
            self._searches[peer_id].remove(entry)
            if not self._searches[peer_id]:
                del self._searches[peer_id]

    def awaited(self, peer_id: PeerId) -> bool:
        """Return whether one of those who look for a peer waits for it."""
        return any(awaited for _, awaited in self._searches.get(peer_id, ()))

    def unasked(self, peer_id: PeerId, now: float) -> bool:
        """Return whether a peer is looked for, or was a moment ago, and nobody waits for it.

        What such a search began, as the ladder, goes on for a while after it.
        """
        if peer_id in self._searches and not self.awaited(peer_id):
            self._unasked[peer_id] = now
        here = now - self._here.get(peer_id, -math.inf) < AFTERWARDS
        return not (here or self.awaited(peer_id)) and now - self._unasked.get(peer_id, -math.inf) < AFTERWARDS

    def calls(self, peer_id: PeerId, age: float, now: float) -> bool:
        """Note a letter of a peer, so many seconds old; return whether it very likely calls us, and is not waited for.

        If the letter is new, its writer is there. A peer that somebody waits for hears of us by our ring, maybe later.
        """
        if age < JUST:
            self._here[peer_id] = now
        return age < JUST and not self.awaited(peer_id)

    def tell(self, peer_id: PeerId, address: Address, told_in: float) -> None:
        """Tell all who look for a peer where it is."""
        for found, _ in tuple(self._searches.get(peer_id, ())):
            found(address, told_in)

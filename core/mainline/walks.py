"""Searches under way: those that wait until something may leave again, and where earlier ones ended."""

import math
from collections.abc import Sequence
from typing import Final

from core.dht.config import DhtConfig
from core.dht.lookup import Search
from core.dht.routing import RoutingTable, distance
from core.dht.walk import Ask, Task, Walk, WriteTokens
from core.frozen import frozen
from core.limits.table import BoundedTable
from core.mainline.config import DISTRUST, GROWN, REMEMBERED, REMEMBERED_FOR, TOKENS_FOR, UNHURRIED
from core.wire.compact import Contact

FEED_EVERY: Final = 0.25  # seconds between tries of those that wait


@frozen
class _Nearest:
    contacts: list[Contact]
    since: float
    known: int  # nodes in the table then


@frozen
class _Tokens:
    tokens: WriteTokens
    since: float


class Walks:
    """Begins searches at the nodes where the last one for the same target ended, or at the nearest of the table."""

    def __init__(self, config: DhtConfig, table: RoutingTable) -> None:
        self._config = config
        self._table = table
        self._starved: dict[Walk, None] = {}  # bounded by the operations and upkeep under way
        self._nearest: BoundedTable[bytes, _Nearest] = BoundedTable(REMEMBERED)
        self._tokens: BoundedTable[bytes, _Tokens] = BoundedTable(REMEMBERED)
        self.feed_at: float | None = None

    def use(self, table: RoutingTable) -> None:
        """Take another table, as when our id is another."""
        self._table = table

    def walk(
        self, task: Task, target: bytes, now: float, ask: Ask, begun: Search | None = None, *, unhurried: bool = False
    ) -> Walk:  # fmt: skip
        """Return a search that has not begun, or one that goes on where another was; it asks by `ask`.

        `unhurried`: nobody waits for it.
        """
        config = self._config
        in_flight = UNHURRIED if unhurried else config.concurrency
        if begun is not None:
            return Walk(task, begun, ask, in_flight, self._starve)
        search = Search(
            target, self._table.own_id, config.bucket_size, in_flight, config.max_search_queries, distrust=DISTRUST
        )  # fmt: skip
        search.add(self.nearest(target, now) or self._table.closest(target, config.bucket_size))
        return Walk(task, search, ask, in_flight, self._starve)

    def nearest(self, target: bytes, now: float) -> Sequence[Contact]:
        """Return the nodes where a search for this target ended lately; or none.

        The nearest first, and last those that were demoted.
        """
        kept = self._nearest.get(target)
        if kept is None or now - kept.since >= REMEMBERED_FOR or len(self._table) > GROWN * kept.known:
            return ()
        return kept.contacts

    def demote(self, target: bytes, contact: Contact) -> None:
        """Ask a node after all others that are near to a target: it is silent, or what it says is made up."""
        kept = self._nearest.get(target)
        if kept is not None and contact in kept.contacts:
            kept.contacts.remove(contact)
            kept.contacts.append(contact)

    def tokens(self, target: bytes, now: float) -> WriteTokens:
        """Return the nodes that took what was written under this target lately, with their tokens; or none."""
        kept = self._tokens.get(target)
        return [] if kept is None or now - kept.since >= TOKENS_FOR else kept.tokens

    def ended(self, search: Search, now: float, tokens: WriteTokens) -> None:
        """Remember where a search ended, and what was written to; one that began there does not make it younger."""
        if not self.nearest(search.target, now):
            self._nearest[search.target] = _Nearest(search.closest(), now, len(self._table))
        self.keep_tokens(search.target, tokens, now)

    def keep_tokens(self, target: bytes, tokens: WriteTokens, now: float) -> None:
        """Remember the tokens of nodes that were written to just now, those nearest to a target."""
        earlier = [each for each in self.tokens(target, now) if each[0] not in {contact for contact, _ in tokens}]
        nearest = sorted([*tokens, *earlier], key=lambda each: distance(each[0].id, target))[: self._config.bucket_size]
        if tokens:
            since = min(now, self._tokens[target].since) if earlier else now
            self._tokens[target] = _Tokens(nearest, since)

    def forget(self, target: bytes) -> None:
        """Search from the beginning the next time."""
        self._nearest.pop(target, None)
        self._tokens.pop(target, None)

    def feed(self, now: float) -> None:
        """Go on with those that had to wait, once each."""
        if self.feed_at is None or now < self.feed_at:
            return
        waiting, self._starved, self.feed_at = self._starved, {}, None
        for walk in waiting:
            walk.step(now)
        if self._starved:
            self.feed_at = now + FEED_EVERY

    def _starve(self, walk: Walk) -> None:
        self._starved[walk] = None
        if self.feed_at is None:
            self.feed_at = -math.inf  # at the next tick; then every FEED_EVERY

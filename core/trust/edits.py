"""Changes of the list, each a value of its own.

A change is made twice: at once to the list in memory, and soon after to the list that the file holds by then, which
another program may have changed meanwhile. So no change is lost, in whatever order they are written.
"""

import logging
from collections.abc import Iterable
from dataclasses import replace
from typing import Protocol

from core.errors import LocalError
from core.frozen import frozen
from core.peer_id import PeerId
from core.trust.book import Book
from core.trust.entries import EVERY, MAX_SERVICES, Key, KnownPeer, Pending
from core.values import Address

_log = logging.getLogger(__name__)


class Edit(Protocol):
    """A change."""

    def apply(self, book: Book) -> None:
        """Make it. Raises LocalError when the list is full."""


def repeat(edits: Iterable[Edit], book: Book) -> None:
    """Make changes that were already made once, to a list that others have changed, and perhaps filled, meanwhile."""
    for edit in edits:
        try:
            edit.apply(book)
        except LocalError as error:
            _log.warning("a change was lost: %s", error)


@frozen
class Trust:
    """This peer may call these services and no others; an empty name leaves the one it has."""

    peer_id: PeerId
    name: str
    services: frozenset[str]
    at: float

    def apply(self, book: Book) -> None:
        """Make it; a peer that was blocked is unblocked."""
        known = book.peers.get(self.peer_id) or KnownPeer(self.peer_id, "", self.at)
        name = self.name or known.name
        book.keep(replace(known, name=name, services=self.services, blocked=False))
        for key in [key for key in book.pending if key[0] == self.peer_id]:
            if book.peers[self.peer_id].may_call(key[1]):
                del book.pending[key]


@frozen
class Allow:
    """This peer may call one more service."""

    key: Key
    at: float

    def apply(self, book: Book) -> None:
        """Make it; a peer that was blocked is unblocked."""
        peer_id, service = self.key
        known = book.peers.get(peer_id) or KnownPeer(peer_id, "", self.at)
        services = EVERY if known.services == EVERY else known.services | {service}
        if len(services) > MAX_SERVICES:
            raise LocalError(f"{peer_id.short} may call {MAX_SERVICES} services: trust it with all ('*') instead")
        book.keep(replace(known, services=services, blocked=False))
        book.pending.pop(self.key, None)


@frozen
class Remove:
    """This peer is removed from the list."""

    peer_id: PeerId

    def apply(self, book: Book) -> None:
        """Make it."""
        book.peers.pop(self.peer_id, None)
        _forget(book, self.peer_id)


@frozen
class Block:
    """This peer may call nothing, and asks nobody."""

    peer_id: PeerId
    at: float

    def apply(self, book: Book) -> None:
        """Make it."""
        known = book.peers.get(self.peer_id) or KnownPeer(self.peer_id, "", self.at)
        book.keep(replace(known, services=frozenset(), blocked=True, groups=frozenset()))
        _forget(book, self.peer_id)


def _forget(book: Book, peer_id: PeerId) -> None:
    """Forget what it asked and was granted."""
    for table in (book.pending, book.grants):
        for key in [key for key in table if key[0] == peer_id]:
            del table[key]


@frozen
class Ask:
    """This peer asked for a service it may not call."""

    key: Key
    address: Address
    first: float
    last: float
    times: int = 1

    def apply(self, book: Book) -> None:
        """Make it a pending request, unless it was answered meanwhile."""
        known = book.peers.get(self.key[0])
        if known is not None and (known.blocked or known.may_call(self.key[1])):
            return
        if book.refused.get(self.key, 0.0) > self.last:
            return
        before = book.pending.get(self.key)
        first, times = (before.first, before.times) if before else (self.first, 0)
        book.wait(Pending(*self.key, self.address, first, self.last, times + self.times))


@frozen
class Grant:
    """One request of this peer will be let in until then (Unix seconds)."""

    key: Key
    until: float

    def apply(self, book: Book) -> None:
        """Make it."""
        book.grants[self.key] = self.until
        book.pending.pop(self.key, None)


@frozen
class Settle:
    """This pending request is over; asked again, it is not shown before `until` (Unix seconds)."""

    key: Key
    until: float = 0.0

    def apply(self, book: Book) -> None:
        """Make it."""
        book.pending.pop(self.key, None)
        if self.until:
            book.refused[self.key] = self.until


@frozen
class See:
    """This peer called."""

    peer_id: PeerId
    at: float

    def apply(self, book: Book) -> None:
        """Make it."""
        known = book.peers.get(self.peer_id)
        if known is not None and self.at > (known.last_seen or 0.0):
            book.peers[self.peer_id] = replace(known, last_seen=self.at)

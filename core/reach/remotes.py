"""What is known of other peers' sockets: one bounded table, a row for each address, in which each part keeps its note.

A row is made when somebody first has something to note, and goes as a whole. Rows of peers that have answered in a way
that cannot be forged are kept before others: no flood of invented addresses makes us forget a friend.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar, cast

from core.limits.fair import FairTable
from core.limits.table import BoundedTable
from core.peer_id import PeerId
from core.scope import network
from core.values import Address

MAX_REMOTES = 4096  # rows, about 1 KB each with all notes; full: the host that has most loses its oldest
MAX_OF_HOST = 256  # rows: as many as one listing is used of
KEPT = 1024  # places for those that have answered
MAX_REACHED = 256  # peers called by ID whose address is remembered; as many as the client keeps connections

NoteT = TypeVar("NoteT")


@dataclass(slots=True)
class Remote:
    """A row. Times are monotone seconds."""

    heard_at: float = -math.inf  # a packet came from there; its sender may have forged the address
    validated_at: float = -math.inf  # an answer came from there that nobody elsewhere can forge
    _notes: dict[type, object] = field(default_factory=dict)

    def note(self, kind: type[NoteT]) -> NoteT:
        """Return the note of a kind, which is made without arguments when there is none."""
        found = self._notes.get(kind)
        if found is None:
            found = self._notes[kind] = kind()
        return cast(NoteT, found)


class Remotes:
    """The table, and where the peers were reached that are known by their ID."""

    def __init__(self, limit: int = MAX_REMOTES) -> None:
        self._rows: FairTable[Address, Remote, str] = FairTable(limit, MAX_OF_HOST, kept=min(KEPT, limit - 1))
        self._reached: BoundedTable[PeerId, Address] = BoundedTable(MAX_REACHED)
        self._listeners: list[Callable[[PeerId, Address], None]] = []

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, address: Address) -> Remote | None:
        """Return a row, None when there is none; it does not count as used."""
        return self._rows.get(address)

    def use(self, address: Address) -> Remote:
        """Return a row as its host's newest; it is made when there is none."""
        remote = self._rows.use(address)
        if remote is None:
            remote = Remote()
            self._rows.put(address, remote, network(address.host))
        return remote

    def keep(self, address: Address) -> Remote:
        """Return a row, which is kept before others from now on."""
        remote = self._rows.get(address) or Remote()
        self._rows.put(address, remote, network(address.host), kept=True)
        return remote

    def reached(self, peer_id: PeerId) -> Address | None:
        """Return where a peer was that is known by its ID, when it was last asked."""
        return self._reached.get(peer_id)

    def note_reached(self, peer_id: PeerId, address: Address) -> None:
        """Note where a peer is that is known by its ID."""
        self._reached[peer_id] = address
        for listener in self._listeners:
            listener(peer_id, address)

    def listen(self, listener: Callable[[PeerId, Address], None]) -> None:
        """Call `listener` with where a peer was reached that is known by its ID."""
        self._listeners.append(listener)

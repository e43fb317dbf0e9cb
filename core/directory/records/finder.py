"""Find a peer's record, and refuse an older one than was seen before."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from core.directory.records.check import (
    SALT,
    RecordExpired,
    RecordMissing,
    RecordWithdrawn,
    check_found,
    check_times,
    record_hash,
)
from core.errors import LookupEmpty
from core.peer_id import PeerId
from core.values import JsonValue
from core.wire.peer_record import PeerRecord

MAX_KNOWN: Final = 1024  # peers whose newest record is remembered, 1 KB each; the one found longest ago makes room


class Shelf(Protocol):
    """Where records are got; the link."""

    async def get(self, hash: str, *, salt: bytes = b"") -> dict[str, JsonValue]:
        """Return the item under a hash. Raises PeerError, LookupEmpty when nobody has one."""


@dataclass(frozen=True, slots=True)
class FinderStatistics:
    """`known` peers are remembered now; `replayed` answers were older than one seen before."""

    known: int
    replayed: int


class Finder:
    """Gets and checks records. `clock` is Unix seconds.

    The newest record of each peer is remembered: an older one is never believed again, and while the remembered one
    holds it stands in for a replayed or missing answer. Two devices with one identity are not provided for: whose
    record is newer wins, and the other device is not found.
    """

    def __init__(self, shelf: Shelf, clock: Callable[[], float] = time.time, *, max_known: int = MAX_KNOWN) -> None:
        self._shelf = shelf
        self._clock = clock
        self._max_known = max_known
        self._known: OrderedDict[PeerId, tuple[PeerRecord, int]] = OrderedDict()  # found longest ago first
        self._replayed = 0

    async def find(self, peer_id: PeerId) -> PeerRecord:
        """Return a peer's newest record, with at least one service.

        Raises RecordMissing (RecordWithdrawn: the peer says so), RecordExpired, RecordForged, or what keeps us from
        asking.
        """
        try:
            found = await self._shelf.get(record_hash(peer_id), salt=SALT)
        except LookupEmpty:
            record = self._remembered(peer_id, RecordMissing(_nobody(peer_id)))
        else:
            record = self._newest(*check_found(peer_id, found, self._clock()))
        if not record.services:
            raise RecordWithdrawn(f"peer {peer_id.short} shares nothing at the moment")
        return record

    def statistics(self) -> FinderStatistics:
        """Return the counts."""
        return FinderStatistics(len(self._known), self._replayed)

    def _newest(self, record: PeerRecord, sequence: int) -> PeerRecord:
        peer_id = record.peer_id
        _, newest = self._known.get(peer_id, (record, sequence))
        if sequence < newest:
            self._replayed += 1
            older = RecordExpired(f"the record found of peer {peer_id.short} is older than one seen before")
            return self._remembered(peer_id, older)
        self._known[peer_id] = record, sequence
        self._known.move_to_end(peer_id)
        if len(self._known) > self._max_known:
            self._known.popitem(last=False)
        return record

    def _remembered(self, peer_id: PeerId, otherwise: RecordExpired | RecordMissing) -> PeerRecord:
        """Return the newest record seen while it holds. Raises `otherwise`."""
        if peer_id not in self._known:
            raise otherwise
        record, _ = self._known[peer_id]
        try:
            check_times(record, self._clock())
        except RecordExpired:
            raise otherwise from None
        return record


def _nobody(peer_id: PeerId) -> str:
    return f"nobody holds a record of peer {peer_id.short}: it shares nothing now, or is not connected to these grapes"

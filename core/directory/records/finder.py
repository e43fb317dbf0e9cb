"""Find a peer's record, and refuse an older one than was seen before."""

import logging
import time
from collections.abc import Callable
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
from core.frozen import frozen
from core.limits.table import BoundedTable
from core.peer_id import PeerId
from core.values import JsonValue
from core.wire.peer_record import PeerRecord

_log = logging.getLogger(__name__)

MAX_KNOWN: Final = 1024  # peers whose newest record is remembered, 1 KB each; the one found longest ago makes room


class Shelf(Protocol):
    """Where records are got; the link."""

    async def get(self, hash: str, *, salt: bytes = b"") -> dict[str, JsonValue]:
        """Return the item under a hash. Raises PeerError, LookupEmpty when nobody has one."""


@frozen
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
        self._known: BoundedTable[PeerId, tuple[PeerRecord, int]] = BoundedTable(max_known)  # found longest ago first
        self._replayed = 0

    async def find(self, peer_id: PeerId) -> PeerRecord:
        """Return a peer's newest record, with at least one service.

        Raises RecordMissing (RecordWithdrawn: the peer says so), RecordExpired, RecordForged, or what keeps us from
        asking.
        """
        try:
            found = await self._shelf.get(record_hash(peer_id), salt=SALT)
        except LookupEmpty:
            _log.debug("peer %s: nobody holds a record", peer_id.short)
            record = self._remembered(peer_id, RecordMissing(_nobody(peer_id)))
        else:
            record = self._newest(*check_found(peer_id, found, self._clock()))
        _log.debug(
            "peer %s: offers %s at %s", peer_id.short, record.services, [str(place) for place in record.addresses]
        )
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
            _log.debug("peer %s: record %d found, %d seen before", peer_id.short, sequence, newest)
            older = RecordExpired(f"the record found of peer {peer_id.short} is older than one seen before")
            return self._remembered(peer_id, older)
        self._known[peer_id] = record, sequence
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

"""Where a peer that is meant by its ID may be, and under which key it is asked."""

from collections.abc import Sequence
from typing import NamedTuple

from core.calling.target import PeerTarget
from core.directory.names import Directory
from core.directory.records.check import RecordMissing, RecordWithdrawn
from core.directory.records.finder import Finder
from core.errors import LocalError, LookupEmpty, RefusedError
from core.services.names import worker_of
from core.serving.catalog import UnknownService
from core.values import Address
from core.wire.peer_record import PeerRecord


class Whereabouts(NamedTuple):
    """`key` is what is asked for; `places` may be the peer's own words, or of anybody who is announced under the key.

    Either way nobody is asked before it has proved who it is.
    """

    key: str
    places: Sequence[Address]
    recorded: bool  # the places are the peer's own words


async def whereabouts(target: PeerTarget, finder: Finder, directory: Directory) -> Whereabouts:
    """Find a peer by its record.

    Where the grapes hold none (Node grapes keep no signed items), those who are announced under the service's name may
    be it. Raises RecordMissing, RecordExpired, RecordForged, UnknownService, LocalError, or what keeps us from asking.
    """
    try:
        record = await finder.find(target.peer_id)
    except RecordWithdrawn:
        raise
    except RecordMissing as missing:
        if target.service is None:
            raise
        key = str(worker_of(target.service))
        try:
            return Whereabouts(key, await directory.lookup(key, fresh=True), recorded=False)
        except LookupEmpty:
            raise missing from None
    return Whereabouts(str(worker_of(_service(record, target.service))), record.addresses, recorded=True)


def _service(record: PeerRecord, wanted: str | None) -> str:
    short, offered = record.peer_id.short, ", ".join(record.services)
    if wanted is None:
        if len(record.services) > 1:
            raise LocalError(f"peer {short} offers {offered}: say which, as in PEER-ID/{record.services[0]}")
        return record.services[0]
    for name in (wanted, worker_of(wanted).service):
        if name in record.services:
            return name
    raise RefusedError(f"peer {short} does not offer {wanted[:80]!r}, only {offered}", name=UnknownService.name)

"""Sources of candidates for a request: the grapes' names, a peer's own record, and what we remember."""

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeAlias

from core.calling.paths import Candidate, CandidateSource, Found, Origin, Wanted, candidates
from core.directory.names import Directory
from core.directory.records.check import RecordMissing, RecordWithdrawn
from core.directory.records.finder import Finder
from core.errors import LocalError, LookupEmpty, PeerError, RefusedError
from core.peer_id import PeerId
from core.reach.remotes import Remotes
from core.services.names import RoleName, worker_of
from core.services.personal import personal_name
from core.serving.refusals import UnknownService
from core.values import Address
from core.wire.peer_record import PeerRecord

Lookup: TypeAlias = Callable[[PeerId], Sequence[Address]]
_log = logging.getLogger(__name__)


class GrapeNames:
    """Peers announced on the grapes under a name. For a peer by its ID: any of them may be it, and has to prove it."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    async def find(self, wanted: Wanted) -> Found | None:
        """Look the name up. Raises LookupEmpty, and what keeps us from asking."""
        if wanted.service is None:
            return None
        key = wanted.service if wanted.peer_id is None else str(worker_of(wanted.service))
        listed = await self._directory.lookup(key, fresh=True)
        return Found(candidates(listed, Origin.GRAPES, wanted.peer_id, key), key)


class PeerRecords:
    """Where a peer says that it is, in a record that it has signed."""

    def __init__(self, finder: Finder) -> None:
        self._finder = finder

    async def find(self, wanted: Wanted) -> Found | None:
        """Find the record. Raises RecordMissing, RecordExpired, RecordForged, RefusedError, LocalError."""
        if wanted.peer_id is None:
            return None
        record = await self._finder.find(wanted.peer_id)
        personal = personal_name(wanted.peer_id)
        meeting = worker_of(personal) if personal in record.services else None
        key = str(worker_of(_service(record, wanted.service, personal)))
        return Found(candidates(record.addresses, Origin.RECORD, wanted.peer_id, key), key, final=True, meeting=meeting)


class Remembered:
    """Where a peer was when we asked it last: its NAT may have shown it at an address that it does not know."""

    def __init__(self, remotes: Remotes) -> None:
        self._remotes = remotes

    async def find(self, wanted: Wanted) -> Found | None:
        """Recall the address."""
        reached = None if wanted.peer_id is None else self._remotes.reached(wanted.peer_id)
        return None if reached is None else Found(candidates([reached], Origin.REMEMBERED, wanted.peer_id))


class Nearby:
    """Where a peer is on our networks, as nobody has to be asked for: it is tried before others are asked.

    `here` and `before` return addresses by Peer ID: of those recognised there now, and of those met there earlier.
    """

    def __init__(self, here: Lookup = lambda peer_id: (), before: Lookup = lambda peer_id: ()) -> None:
        self._asked = ((here, Origin.HERE), (before, Origin.BEFORE))

    async def find(self, wanted: Wanted) -> Found | None:
        """Recall the addresses; None when there are none, or it has to be asked which service is meant."""
        if wanted.peer_id is None or wanted.service is None:
            return None
        found = [
            each
            for lookup, origin in self._asked
            for each in candidates(lookup(wanted.peer_id), origin, wanted.peer_id)
        ]
        return Found(found, str(worker_of(wanted.service)), final=True) if found else None


class Located(NamedTuple):
    """What all sources know together. `own_words`: the peer itself says so."""

    key: str
    candidates: Sequence[Candidate]
    own_words: bool = False
    meeting: RoleName | None = None  # the name under which the way is opened, where that is not the key
    alone: bool = False  # nobody else is asked to open the way


async def locate(sources: Iterable[CandidateSource], wanted: Wanted) -> Located:
    """Ask the sources in their order, until one has the peer's own words.

    Raises the first error of a source when none knows under which key to ask; what is remembered alone is not enough.
    """
    found: dict[str, Candidate] = {}
    key: str | None = None
    missing: PeerError | None = None
    for source in sources:
        try:
            told = await source.find(wanted)
        except RecordWithdrawn:
            raise
        except (LookupEmpty, RecordMissing) as error:
            _log.debug("%s knows nobody: %s", type(source).__name__, error)
            missing = missing or error
            continue
        if told is None:
            continue
        _log.debug("%s: %s", type(source).__name__, ", ".join(str(each.path.address) for each in told.candidates))
        for each in told.candidates:
            found.setdefault(str(each.path.address), each)
        key = key or told.key
        if told.final:
            return Located(str(key), _remembered_last(found.values()), own_words=True, meeting=told.meeting)
    if key is None:
        raise missing or LookupEmpty(f"nobody knows {wanted.service or wanted.peer_id}")
    return Located(key, _remembered_last(found.values()))


def _remembered_last(found: Iterable[Candidate]) -> list[Candidate]:
    return sorted(found, key=lambda each: each.origin is Origin.REMEMBERED)


def _service(record: PeerRecord, wanted: str | None, personal: str) -> str:
    """Return the service that is meant. One that is not listed may still be shared with us."""
    listed = [name for name in record.services if name != personal]
    short, offered = record.peer_id.short, ", ".join(listed)
    if wanted == personal:
        return listed[0] if listed and personal not in record.services else personal
    if wanted is None:
        if len(listed) > 1:
            raise LocalError(f"peer {short} offers {offered}: say which, as in PEER-ID/{listed[0]}")
        if not listed:
            raise LocalError(f"peer {short} lists nothing openly: say which service you mean, as in PEER-ID/garden")
        return listed[0]
    for name in (wanted, worker_of(wanted).service):
        if name in record.services:
            return name
    if personal in record.services:
        return wanted
    raise RefusedError(f"peer {short} does not offer {wanted[:80]!r}, only {offered}", name=UnknownService.name)

"""Where a peer is, as everybody says who may know; and what it means that nobody does."""

from collections.abc import Sequence

from core.calling.late import LateSources
from core.calling.paths import CandidateSource, Opener, Wanted
from core.calling.resolving import worker_in
from core.calling.sources import Located, locate
from core.calling.story import Story
from core.directory.records.check import RecordExpired, RecordMissing, RecordWithdrawn
from core.errors import LookupEmpty, Unreachable
from core.services.names import worker_of


class Locating:
    """All sources together. `late` and `openers` may bring a peer that none of them knows yet."""

    def __init__(self, sources: Sequence[CandidateSource], late: LateSources, openers: Sequence[Opener]) -> None:
        self._sources = tuple(sources)
        self._late = late
        self._openers = tuple(openers)

    async def locate(self, wanted: Wanted, story: Story) -> Located:
        """Ask all sources. Where somebody finds peers later, by itself, it is no error that nobody knows one now."""
        try:
            located = await locate(self._sources, wanted)
            story.located(located.candidates, own_words=located.own_words)
            return located
        except (RecordExpired, Unreachable) as error:
            if isinstance(error, RecordMissing):
                story.missing()
            if wanted.service and not isinstance(error, RecordWithdrawn) and self._late.knows(wanted.peer_id):
                return Located(str(worker_of(wanted.service)), ())
            others = wanted.peer_id is None and any(opener.finds for opener in self._openers)
            if not isinstance(error, LookupEmpty) or not others or not worker_in(wanted.service or ""):
                raise
            return Located(str(wanted.service), ())

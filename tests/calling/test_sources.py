"""Who tells of candidates: each source in its turn, until the peer's own words; a new source needs no other change."""

import asyncio

import pytest

from core.calling.paths import Candidate, Found, Origin, Path, Wanted, candidates
from core.calling.sources import Remembered, locate
from core.directory.records.check import RecordMissing, RecordWithdrawn
from core.errors import LookupEmpty, PeerError, Unreachable
from core.peer_id import PeerId
from core.reach.remotes import Remotes
from tests.peer.fakes import WORKER, A, B, C

WHO = PeerId(bytes(32))


class Source:
    """Tells what a test says."""

    def __init__(self, told: Found | PeerError | None) -> None:
        self.told = told
        self.asked = 0

    async def find(self, wanted: Wanted) -> Found | None:
        self.asked += 1
        if isinstance(self.told, PeerError):
            raise self.told
        return self.told


def places(found: list[Candidate]) -> list[Path]:
    return [each.path for each in found]


def test_what_all_know_is_put_together_and_what_is_remembered_comes_last() -> None:
    remembered = Source(Found(candidates([C], Origin.REMEMBERED, WHO)))
    names = Source(Found(candidates([A, B], Origin.GRAPES, WHO, WORKER), WORKER))
    located = asyncio.run(locate([remembered, names], Wanted("fibonacci", WHO)))
    assert (located.key, located.own_words) == (WORKER, False)
    assert places([*located.candidates]) == [Path(A), Path(B), Path(C)]


def test_after_its_own_words_nobody_else_is_asked() -> None:
    record = Source(Found(candidates([A], Origin.RECORD, WHO, WORKER), WORKER, final=True))
    names = Source(Found(candidates([B], Origin.GRAPES, WHO, WORKER), WORKER))
    located = asyncio.run(locate([record, names], Wanted("fibonacci", WHO)))
    assert located.own_words
    assert names.asked == 0


def test_a_source_that_joins_is_asked_as_the_others_are() -> None:
    lan = Source(Found(candidates([B], Origin.GRAPES, WHO, WORKER), WORKER))
    missing = Source(RecordMissing("nobody holds it"))
    located = asyncio.run(locate([missing, lan, Source(LookupEmpty("nobody"))], Wanted("fibonacci", WHO)))
    assert places([*located.candidates]) == [Path(B)]


@pytest.mark.parametrize("error", [RecordWithdrawn("it shares nothing"), Unreachable("no grape")])
def test_what_is_final_ends_the_search(error: PeerError) -> None:
    names = Source(Found(candidates([B], Origin.GRAPES), WORKER))
    with pytest.raises(type(error)):
        asyncio.run(locate([Source(error), names], Wanted("fibonacci", WHO)))
    assert names.asked == 0


def test_the_first_reason_is_told_when_nobody_knows_and_what_is_remembered_alone_is_not_enough() -> None:
    remotes = Remotes()
    remotes.note_reached(WHO, A)
    with pytest.raises(RecordMissing):
        asyncio.run(
            locate([Remembered(remotes), Source(RecordMissing("none")), Source(LookupEmpty("x"))], Wanted("x", WHO))
        )


def test_a_question_for_somebody_else_is_passed_on() -> None:
    async def scene() -> None:
        assert await Remembered(Remotes()).find(Wanted("fibonacci_worker")) is None

    asyncio.run(scene())

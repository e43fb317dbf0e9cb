"""What is believed of a record that somebody hands us, and what is remembered."""

import asyncio
import hashlib
from collections.abc import Callable

import pytest

from core.directory.records.check import MAX_LIFE, SKEW, RecordExpired, RecordForged, RecordMissing, record_hash
from core.directory.records.finder import Finder
from core.errors import LookupEmpty, PeerError, RequestTimeout
from core.identity.identity import Identity
from core.peer_id import PeerId
from core.values import JsonValue
from core.wire.peer_record import PeerRecord
from tests.directory.records.fakes import START, Clock, answer, record_of

US, OTHER = Identity.from_secret(b"\1" * 32), Identity.from_secret(b"\2" * 32)


class Stage:
    """A finder, and a grape that answers what it is told to."""

    def __init__(self, max_known: int = 3) -> None:
        self.clock = Clock()
        self.answer: dict[str, JsonValue] | PeerError = LookupEmpty("nobody has it")
        self.asked: list[tuple[str, bytes]] = []
        self.finder = Finder(self, self.clock, max_known=max_known)

    async def get(self, hash: str, *, salt: bytes = b"") -> dict[str, JsonValue]:
        self.asked.append((hash, salt))
        if isinstance(self.answer, PeerError):
            raise self.answer
        return self.answer

    def find(self, peer_id: PeerId = US.peer_id) -> PeerRecord:
        return asyncio.run(self.finder.find(peer_id))


def test_a_good_record_is_found_where_the_id_says() -> None:
    it = Stage()
    record = record_of(US)
    it.answer = answer(US, record, 7)
    assert it.find() == record
    assert it.asked == [(record_hash(US.peer_id), b"grapevine")]
    # SHA-1 of the key and the salt (BEP 44)
    assert record_hash(PeerId(b"\0" * 32)) == hashlib.sha1(b"\0" * 32 + b"grapevine").hexdigest()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda found: {**found, "v": record_of(US, services=("evil",)).value().decode()},
        lambda found: {**found, "seq": 8},
        lambda found: {**found, "seq": -1},
        lambda found: {**found, "seq": 1 << 70},
        lambda found: {**found, "seq": True},
        lambda found: {**found, "seq": "7"},
        lambda found: {**found, "sig": "00" * 64},
        lambda found: {**found, "sig": "not hex"},
        lambda found: {**found, "sig": None},
        lambda found: {**found, "v": ["a list"]},
        lambda found: {**found, "v": "\ud800"},
        lambda found: {**found, "v": "x" * 1001},
        lambda found: {"v": found["v"]},
        lambda found: answer(OTHER, record_of(OTHER), 7),
        lambda found: {**answer(OTHER, record_of(US), 7), "k": US.peer_id.key.hex()},
        lambda found: answer(US, record_of(US), 7, salt=b""),
        lambda found: answer(US, record_of(US), 7, value=b"signed, and no record"),
    ],
)  # fmt: skip
def test_a_forged_record_is_refused(spoil: Callable[[dict[str, JsonValue]], dict[str, JsonValue]]) -> None:
    it = Stage()
    it.answer = spoil(answer(US, record_of(US), 7))
    with pytest.raises(RecordForged) as caught:
        it.find()
    assert caught.value.name == "ERR_RECORD_FORGED"
    assert it.finder.statistics().known == 0


def test_the_key_a_grape_names_does_not_matter() -> None:
    it = Stage()
    it.answer = {**answer(US, record_of(US), 7), "k": "00" * 32}
    assert it.find().services == ("echo",)


@pytest.mark.parametrize("moved", [-SKEW, 0, 900 + SKEW])
def test_clocks_may_differ_by_some_minutes(moved: int) -> None:
    it = Stage()
    it.answer = answer(US, record_of(US), 7)
    it.clock.now += moved
    assert it.find().services == ("echo",)


@pytest.mark.parametrize(
    ("moved", "said"),
    [(-SKEW - 61, "6 minutes ahead"), (900 + SKEW + 1, "expired 5 minutes ago"), (86400.0 * 30, "expired 43,185")],
)
def test_a_record_of_another_time_is_refused(moved: float, said: str) -> None:
    it = Stage()
    it.answer = answer(US, record_of(US), 7)
    it.clock.now += moved
    with pytest.raises(RecordExpired, match=said) as caught:
        it.find()
    assert caught.value.name == "ERR_RECORD_EXPIRED"


def test_a_record_that_lives_absurdly_long_is_refused() -> None:
    it = Stage()
    it.answer = answer(US, record_of(US, life=MAX_LIFE), 7)
    assert it.find()
    it.answer = answer(US, record_of(US, life=MAX_LIFE + 1), 8)
    with pytest.raises(RecordExpired, match="more than 60 minutes"):
        it.find()


def test_a_missing_record_and_one_without_services_have_a_name() -> None:
    it = Stage()
    for nothing in (LookupEmpty("nobody has it"), answer(US, record_of(US, services=()), 7)):
        it.answer = nothing
        with pytest.raises(RecordMissing) as caught:
            it.find()
        assert caught.value.name == "ERR_RECORD_MISSING"


def test_what_keeps_us_from_asking_is_told_as_it_is() -> None:
    it = Stage()
    it.answer = answer(US, record_of(US), 7)
    it.find()
    it.answer = RequestTimeout("no grape answers")
    with pytest.raises(RequestTimeout):
        it.find()


def test_a_replayed_record_gives_way_to_the_newest_seen() -> None:
    it = Stage()
    old, new = answer(US, record_of(US), 7), answer(US, record_of(US, services=("fibonacci",)), 8)
    it.answer = new
    assert it.find().services == ("fibonacci",)
    it.answer = old
    assert it.find().services == ("fibonacci",)
    assert it.finder.statistics().replayed == 1
    it.answer = new
    assert it.find().services == ("fibonacci",)
    assert it.finder.statistics().replayed == 1


def test_a_goodbye_cannot_be_undone_by_a_replay() -> None:
    it = Stage()
    old = answer(US, record_of(US), 7)
    it.answer = answer(US, record_of(US, services=()), 8)
    with pytest.raises(RecordMissing):
        it.find()
    it.answer = old
    with pytest.raises(RecordMissing):
        it.find()


def test_a_replayed_record_is_refused_once_the_newest_seen_has_expired() -> None:
    it = Stage()
    it.answer = answer(US, record_of(US, at=START - 600, life=600), 8)
    it.find()
    it.answer = answer(US, record_of(US), 7)  # signed with a lower number, and valid for longer
    it.clock.now += SKEW + 1
    with pytest.raises(RecordExpired, match="older"):
        it.find()


def test_the_newest_seen_stands_in_while_nobody_has_it() -> None:
    it = Stage()
    it.answer = answer(US, record_of(US), 7)
    it.find()
    it.answer = LookupEmpty("the grapes have changed")
    assert it.find().services == ("echo",)
    it.clock.now += 900 + SKEW + 1
    with pytest.raises(RecordMissing):
        it.find()


def test_the_memory_is_bounded_and_forgets_who_was_found_longest_ago() -> None:
    it = Stage(max_known=2)
    many = [Identity.from_secret(bytes([number]) * 32) for number in range(3, 6)]

    def meet(identity: Identity, sequence: int) -> None:
        it.answer = answer(identity, record_of(identity), sequence)
        it.find(identity.peer_id)

    meet(many[0], 8)
    meet(many[1], 8)
    meet(many[0], 9)
    meet(many[2], 8)
    assert it.finder.statistics().known == 2
    meet(many[1], 7)  # forgotten: believed
    assert it.finder.statistics().replayed == 0
    meet(many[2], 7)
    assert it.finder.statistics().replayed == 1


def test_a_clock_that_was_never_set_refuses_no_record() -> None:
    """FAULTS F9: a board without a battery, in 1970. The newest record it has seen is the only one it believes."""
    it = Stage()
    it.clock.now = 300.0
    it.answer = answer(US, record_of(US), 7)
    assert it.find().services == ("echo",)
    it.answer = answer(US, record_of(US), 6)
    assert it.finder.statistics().replayed == 0
    it.find()
    assert it.finder.statistics().replayed == 1


def test_a_record_of_another_hour_says_what_this_clock_says() -> None:
    it = Stage()
    it.answer = answer(US, record_of(US), 7)
    it.clock.now += 3600
    with pytest.raises(RecordExpired, match=r"clock, which says 2027-01-15 09:00 UTC.*one of the two clocks is wrong"):
        it.find()

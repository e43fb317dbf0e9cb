"""Two that have IPv6 tell each other where, sealed, and both punch; nobody is told who has none."""

from collections.abc import Sequence
from typing import cast

import pytest

from core.nat.report import NatReport
from core.nat.side import Side as Network
from core.net.endpoint import Endpoint
from core.reach.probing import Probing
from core.rendezvous.ladder import Ladder
from core.rendezvous.over_six import MOST, OverSix
from core.rendezvous.sealing import Sealer, Word
from core.values import Address
from core.wire.broker_message import MAIL_BYTES
from tests.rendezvous.test_ladder import ANNA, BERT, EASY, EASY_AT, HARD_AT, FakeEndpoint, Side, talk
from tests.support.virtual_time import run

HERS, HIS = Address("2001:db8:1::7", 4000), Address("2001:db8:2::7", 4000)
OTHER = Address("198.51.100.2", 40000)
WORD = Word(Network(EASY_AT), six=(HERS, HIS))


class SixSide(Side):
    """A side of the ladder's tests that has IPv6, or none."""

    def __init__(self, *rest: object, six: Sequence[Address]) -> None:
        super().__init__(*rest)  # type: ignore[arg-type]
        self.met: list[Address] = []
        self.six = list(six)
        self.ladder = Ladder(
            self.hub, cast(Endpoint, FakeEndpoint()), lambda: self.identity, lambda: self.report, list,
            self._leave, Probing(), lambda event: None, lambda remote: None,
            over_six=OverSix(lambda: self.six, self.met.extend),
        )  # fmt: skip


def both(hers: Sequence[Address], his: Sequence[Address]) -> tuple[SixSide, SixSide]:
    return SixSide(ANNA, EASY_AT, EASY, True, six=hers), SixSide(BERT, OTHER, EASY, False, six=his)


def test_both_punch_as_soon_as_both_know() -> None:
    async def scenario() -> None:
        anna, bert = both([HERS], [HIS])
        await talk(anna, bert, 0.3)
        assert set(anna.met) == {HIS}
        assert set(bert.met) == {HERS}
        await anna.ladder.aclose()
        await bert.ladder.aclose()

    run(scenario())


def test_where_we_have_ipv6_is_told_before_our_network_is_known() -> None:
    async def scenario() -> None:
        anna, bert = both([HERS], [HIS])
        anna.report = bert.report = NatReport()
        await talk(anna, bert, 0.3)
        assert set(anna.met) == {HIS}
        assert set(bert.met) == {HERS}
        assert anna.ladder._pairs[BERT.peer_id].theirs is None, "its network is not known yet"
        anna.report, bert.report = EASY, EASY
        anna.ladder.on_report()
        bert.ladder.on_report()
        await talk(anna, bert, 0.3)
        theirs = anna.ladder._pairs[BERT.peer_id].theirs
        assert theirs is not None
        assert theirs.mapping is EASY.mapping
        await anna.ladder.aclose()
        await bert.ladder.aclose()

    run(scenario())


def test_who_has_none_punches_nobody_and_a_new_address_is_told() -> None:
    async def scenario() -> None:
        anna, bert = both([], [HIS])
        await talk(anna, bert, 0.3)
        assert anna.met == bert.met == []
        anna.six = [HERS]
        anna.ladder.on_report()
        await talk(anna, bert, 0.3)
        assert set(bert.met) == {HERS}
        assert set(anna.met) == {HIS}
        await anna.ladder.aclose()
        await bert.ladder.aclose()

    run(scenario())


@pytest.mark.parametrize(
    "lie", [HARD_AT, Address("fd00::1", 4000), Address("::1", 4000), Address("2002:cb00:7142::1", 1)]
)
def test_only_addresses_of_the_internet_are_met(lie: Address) -> None:
    met: list[Address] = []
    it = OverSix(lambda: [HERS], met.extend)
    it.meet([lie])
    assert met == []
    it.meet([lie, HIS, HERS, Address("2001:db8:3::7", 1)])
    assert met == [HIS, HERS]
    assert MOST == 2
    assert OverSix(lambda: [lie, HERS]).ours() == (HERS,)


def test_a_word_has_room_for_it_and_a_climb_goes_alone() -> None:
    text = Sealer(ANNA, BERT.peer_id).seal(WORD)
    assert len(text) <= MAIL_BYTES
    assert Sealer(BERT, ANNA.peer_id).open(text) == WORD
    climbing = Word(WORD.side, b"c" * 20, WORD.six)
    assert Word.read(bytes(climbing)) == Word(WORD.side, b"c" * 20)
    assert Word.read(bytes(Word(WORD.side))) == Word(WORD.side)
    assert Word.read(bytes(WORD.side) + b"\x06" + bytes(17)).climb  # what nobody knows is no address

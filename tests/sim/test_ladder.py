"""The ladder in the simulated Internet: which of the 91 pairs with UDP meet, how soon, and with how many packets.

79 of them can (NAT.md 3.2): all but those of two hard networks of which one gives out any port.
"""

import itertools
import statistics

import pytest

from core.nat.report import Filtering, Mapping, Ports
from core.nat.side import Side
from core.punch.climb_config import ClimbConfig
from core.punch.rungs import Choice, choose
from core.values import Address
from tests.natlab.kinds import Kind
from tests.sim.pair import Met, meet
from tests.support.samples import some

KINDS = tuple(kind for kind in Kind if kind is not Kind.NO_UDP)
PAIRS = tuple(itertools.combinations_with_replacement(KINDS, 2))
HARD = {Kind.SYM_ADDR, Kind.SYM_SEQ, Kind.SYM_RANDOM, Kind.SYM_BLOCK, Kind.CGNAT_SYM}
IN_RANGE = {Kind.SYM_SEQ, Kind.SYM_BLOCK}
LIMIT = 120.0  # seconds; each round of port blocks opens the way in 8 of 9 tries, and three fit with their pauses
PROBES = 1750 + 768 + 200  # of one round: those that try, those that open, and plain punches of both sides


def can(one: Kind, other: Kind) -> bool:
    """Return whether this pair can meet without a relay."""
    return not {one, other} <= HARD or {one, other} <= IN_RANGE


def tried(pair: tuple[Kind, Kind], seed: int, *, rough: bool) -> Met:
    """Let a pair meet; on rough lines a packet of twenty is lost, and one side hears of the other 150 ms late."""
    if rough:
        return meet(*pair, seed, limit=LIMIT, loss=0.05, rtt=0.08, skew=0.15)
    return meet(*pair, seed, limit=LIMIT)


def judge(one: Kind, other: Kind, met: Met) -> None:
    assert (met.seconds is not None) == can(one, other), f"{one} x {other}: {met}"
    assert met.probes_to_others == 0


def test_79_of_91_can() -> None:
    assert len(PAIRS) == 91
    assert sum(can(*pair) for pair in PAIRS) == 79


@pytest.mark.parametrize("pair", PAIRS[::5], ids=lambda pair: f"{pair[0]}-{pair[1]}")
@pytest.mark.parametrize("rough", [False, True])
def test_a_sample_of_pairs_meets(pair: tuple[Kind, Kind], rough: bool) -> None:
    judge(*pair, tried(pair, 1, rough=rough))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("rough", [False, True])
def test_all_pairs_that_can_meet_do(seed: int, rough: bool) -> None:
    for pair in PAIRS:
        judge(*pair, tried(pair, seed, rough=rough))


@pytest.mark.parametrize("tries", some([5, 31], 2))
def test_a_birthday_is_within_a_second_in_half_of_all_tries_and_never_tries_more_ports_than_it_may(tries: int) -> None:
    found = [meet(Kind.PORT_RESTRICTED, Kind.SYM_RANDOM, seed, limit=LIMIT) for seed in range(tries)]
    assert all(each.by == "birthday" for each in found)
    seconds = [each.seconds for each in found if each.seconds is not None]
    assert len(seconds) == len(found)
    assert statistics.median(seconds) <= 1.0
    assert max(each.packets for each in found) <= PROBES


def test_ports_in_order_are_found_at_once_and_with_few_packets() -> None:
    for other in (Kind.PORT_RESTRICTED, Kind.LINUX_RACE, Kind.SYM_SEQ):
        met = meet(Kind.SYM_SEQ, other, 3, rtt=0.08)
        assert met.seconds is not None
        assert met.seconds < 1.0
        assert met.packets < 60


MAIL = 4.0  # seconds that a word takes by the public DHT at worst: written in one, read every 1.5 (tests/public)


def by_mail(pair: tuple[Kind, Kind], seed: int) -> None:
    """Let a pair that plain punching cannot join meet with words that are late."""
    met = meet(*pair, seed, limit=240.0, rtt=0.08, skew=MAIL, mail=MAIL, config=ClimbConfig.by_mail())
    judge(*pair, met)
    assert met.packets <= 3 * PROBES


CLIMBS = tuple(pair for pair in PAIRS if set(pair) & HARD and not set(pair) & {Kind.OPEN, Kind.FULL_CONE})


@pytest.mark.parametrize("pair", CLIMBS[::12], ids=lambda pair: f"{pair[0]}-{pair[1]}")
def test_a_sample_of_hard_pairs_meets_by_mail(pair: tuple[Kind, Kind]) -> None:
    by_mail(pair, 1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_all_hard_pairs_that_can_meet_do_so_by_mail(seed: int) -> None:
    for pair in CLIMBS:
        by_mail(pair, seed)


@pytest.mark.parametrize("traffic", [0, 1, 7])
def test_two_routers_with_ports_in_order_meet_by_mail_though_other_packets_take_some(traffic: int) -> None:
    for seed in range(4):
        met = meet(
            Kind.SYM_SEQ, Kind.SYM_SEQ, seed, limit=60.0, rtt=0.08, skew=MAIL, mail=MAIL,
            config=ClimbConfig.by_mail(), traffic=traffic,
        )  # fmt: skip
        assert (met.by, met.seconds is not None) == ("rows of ports", True), met
        assert met.probes_to_others == 0
        assert met.packets <= 400


def test_one_seed_gives_one_story() -> None:
    first, again = (tried((Kind.LINUX, Kind.SYM_RANDOM), 7, rough=True) for _ in range(2))
    assert first == again


# -- the choice ------------------------------------------------------------------------------------------------------

AT = Address("198.51.100.1", 40000)
SIDES = [
    Side(AT, Mapping.ENDPOINT_INDEPENDENT, Filtering.STRICT, Ports.FIXED, hosts=2),
    Side(AT, Mapping.ENDPOINT_INDEPENDENT, Filtering.UNKNOWN, Ports.FIXED, hosts=1),
    Side(AT, Mapping.UNKNOWN),
    Side(AT, Mapping.NONE, Filtering.LOOSE, Ports.KEPT),
    Side(AT, Mapping.ADDRESS_DEPENDENT, Filtering.STRICT, Ports.RANDOM),
    Side(AT, Mapping.ADDRESS_AND_PORT_DEPENDENT, Filtering.STRICT, Ports.RANDOM),
    Side(AT, Mapping.ADDRESS_AND_PORT_DEPENDENT, Filtering.STRICT, Ports.IN_ORDER, step=1),
    Side(AT, Mapping.ADDRESS_AND_PORT_DEPENDENT, Filtering.STRICT, Ports.BLOCK, block=(42000, 43007)),
]


@pytest.mark.parametrize("number", range(6))
@pytest.mark.parametrize("rows", [False, True])
def test_both_sides_choose_the_same(number: int, rows: bool) -> None:
    for ours, theirs in itertools.product(SIDES, repeat=2):
        one = choose(ours, theirs, number, first=True, rows=rows)
        other = choose(theirs, ours, number, first=False, rows=rows)
        if one is None or other is None:
            assert one is other
            continue
        opener = None if other.opener is None else 1 - other.opener
        assert one == Choice(other.rung, opener), (ours, theirs)

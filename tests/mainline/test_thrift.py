"""What the public DHT takes a day while nobody waits: bounded by an account, whatever nodes and strangers do."""

from collections.abc import Sequence

import pytest

from core.mainline.thrift import AT_ONCE, DAILY, DAY, Thrift, Use
from core.signal.pace import EAGER
from tests.mainline.cloud import Cloud
from tests.mainline.test_meeting import meets, pair
from tests.support.samples import some

PROMISED = 25e6  # bytes a day: what the window and the pages say
SEARCH = 50_000  # bytes of a search that has begun before the account was empty, and goes on
IDLE = [use for use in Use if use is not Use.AWAITED]


def greedy(thrift: Thrift, uses: Sequence[Use], seconds: float, size: int = 500) -> int:
    """Have each use take what it may, once a second and the first first; return how many bytes that were."""
    taken = 0
    for second in range(int(seconds)):
        for use in uses:
            if thrift.may(use, float(second)):
                thrift.spend(use, size, float(second))
                taken += size
    return taken


def test_whatever_is_wanted_a_day_has_no_more_than_the_account() -> None:
    taken = greedy(Thrift(), IDLE, DAY)
    assert taken <= DAILY + AT_ONCE + 500 * len(IDLE)
    assert DAILY + AT_ONCE + SEARCH <= PROMISED


def test_what_comes_first_goes_first_and_only_what_nodes_name_waits() -> None:
    thrift = Thrift()
    greedy(thrift, [Use.UPKEEP, Use.LISTS, Use.OTHERS], 3600.0, 5000)
    later = 3599.0
    assert thrift.may(Use.DOOR, later), "who may be called still looks at its door"
    assert not thrift.may(Use.LISTS, later)
    assert not thrift.may(Use.OTHERS, later)
    thrift.spend(Use.DOOR, int(2 * AT_ONCE), later)
    assert not any(thrift.may(use, later) for use in IDLE)
    assert thrift.may(Use.AWAITED, later), "what somebody waits for is never held up"


def test_a_call_takes_nothing_of_the_account() -> None:
    thrift = Thrift()
    thrift.spend(Use.AWAITED, int(10 * AT_ONCE), 0.0)
    assert all(thrift.may(use, 0.0) for use in IDLE)
    assert thrift.spent[Use.AWAITED] == 10 * AT_ONCE


def test_strangers_who_ask_without_end_keep_nobody_from_being_called() -> None:
    thrift = Thrift()
    for second in range(3600):
        thrift.spend(Use.OTHERS, 1_000_000, float(second))
    assert not thrift.may(Use.OTHERS, 3599.0)
    assert all(thrift.may(each, 3599.0) for each in IDLE if each is not Use.OTHERS)


def test_a_door_full_of_lies_leaves_the_letters_and_the_way_to_who_rings() -> None:
    thrift = Thrift()
    greedy(thrift, [Use.DOOR], DAY)
    assert thrift.may(Use.LETTERS, DAY)
    assert thrift.may(Use.RINGS, DAY)


def test_the_letters_of_very_many_people_leave_the_door_enough() -> None:
    thrift = Thrift()
    assert greedy(thrift, [Use.LETTERS], DAY, 20_000) <= 9.1e6
    assert greedy(Thrift(), [Use.LETTERS, Use.RINGS, Use.DOOR], DAY) - 11.2e6 >= 8e6


def test_who_waits_long_looks_often_for_twenty_minutes_and_then_as_rarely_as_an_idle_peer() -> None:
    cloud = Cloud(500)
    anna, _ = pair(cloud, eager=True)
    assert anna.exchange.interval(cloud.now) == EAGER
    cloud.run(900.0)
    assert anna.exchange.interval(cloud.now) == EAGER
    cloud.run(2700.0)
    spent = anna.node.thrift.spent
    assert spent[Use.EAGER] <= 1.2e6 + 2e6 * 3720 / DAY + SEARCH
    assert spent[Use.DOOR] > 100_000, "and it looks all the same"


def test_nodes_that_invent_rings_take_a_small_part() -> None:
    assert greedy(Thrift(), [Use.RINGS], DAY) <= 2.2e6


@pytest.mark.parametrize(("gone", "lying"), some([(0.3, 0.4), (0.3, 0.1)], 2))
def test_half_an_hour_with_nodes_that_are_gone_or_lie_keeps_to_the_account(gone: float, lying: float) -> None:
    cloud = Cloud(1000, gone=gone, lying=lying)
    anna, _ = pair(cloud, eager=False, warm=0.0)
    anna.node.thrift = Thrift(DAILY, 300e3)  # so that it is spent in half an hour
    cloud.run(1800.0)
    assert cloud.bytes[anna.address] <= 300e3 + DAILY * 1800.0 / DAY + SEARCH


def test_who_has_spent_all_is_called_again_later_and_calls_at_once() -> None:
    cloud = Cloud(500)
    anna, bert = pair(cloud, eager=False)
    anna.node.thrift.spend(Use.DOOR, 150_000, cloud.now)
    before = cloud.packets[anna.address]
    cloud.run(5.0)
    assert cloud.packets[anna.address] - before <= 8, "what was under way"
    anna.call(bert)
    cloud.run(10.0)
    assert cloud.packets[anna.address] - before > 20, "a call of its own is not held up"
    cloud.run(1500.0)
    assert meets(cloud, anna, bert) is not None


@pytest.mark.slow
@pytest.mark.parametrize(("gone", "lying"), [(0.0, 0.0), (0.3, 0.1), (0.3, 0.4)])
def test_a_day_of_an_idle_peer_keeps_the_promise(gone: float, lying: float) -> None:
    cloud = Cloud(1000, gone=gone, lying=lying)
    anna, _ = pair(cloud, eager=False, warm=0.0)
    cloud.run(DAY)
    uses = ", ".join(f"{use.name.lower()} {size / 1e6:.1f}" for use, size in anna.node.thrift.spent.items() if size)
    print(f"{gone:.0%} gone, {lying:.0%} lying: {cloud.bytes[anna.address] / 1e6:.1f} MB; {uses}")  # noqa: T201
    assert cloud.bytes[anna.address] <= PROMISED

"""Two that trust each other meet by letters and a bell, in a simulated public DHT."""

from statistics import median

import pytest

from core.signal.pace import IDLE
from tests.mainline.cloud import Cloud
from tests.mainline.people import Person


def pair(cloud: Cloud, *, eager: bool = True, skew: float = 0.0, warm: float = 120.0) -> tuple[Person, Person]:
    """Return a sharer that listens, and a caller."""
    anna, bert = Person(cloud, 1), Person(cloud, 2, skew=skew)
    anna.know(bert)
    bert.know(anna)
    anna.exchange.listen(True, eager)
    cloud.run(warm)
    return anna, bert


def meets(cloud: Cloud, anna: Person, bert: Person, seconds: float = 60.0) -> float | None:
    """Have Bert call; return after how many seconds Anna knows where to punch back, None: she never did."""
    began = cloud.now
    bert.call(anna)
    cloud.run(seconds, until=lambda: [at for at, each in anna.rung() if at > began and each == bert.address])
    rung = [at for at, each in anna.rung() if at > began and each == bert.address]
    return rung[0] - began if rung else None


def test_the_caller_learns_where_the_other_is_and_the_other_that_it_is_called() -> None:
    cloud = Cloud(1000)
    anna, bert = pair(cloud)
    took = meets(cloud, anna, bert)
    assert took is not None
    assert took <= 8.0
    (_, located), *_ = bert.located()
    assert located.letter.addresses == (anna.address,)
    assert located.seconds is not None
    assert located.seconds <= 2.0, "the letter was there before"
    cloud.run(10.0)
    assert any(each.letter.addresses == (bert.address,) for _, each in anna.located()), "and Bert's letter is read"


def test_who_is_idle_hears_of_a_call_within_twenty_seconds_and_a_little() -> None:
    cloud = Cloud(1000)
    anna, bert = pair(cloud, eager=False)
    took = meets(cloud, anna, bert)
    assert took is not None
    assert took <= IDLE + 5.0


def test_a_second_call_a_minute_later_is_heard_too() -> None:
    cloud = Cloud(1000)
    anna, bert = pair(cloud)
    assert meets(cloud, anna, bert) is not None
    bert.exchange.hang_up(anna.peer_id)
    cloud.run(60.0)
    took = meets(cloud, anna, bert)
    assert took is not None
    assert took <= 16.0


def test_nobody_is_heard_who_does_not_know_the_bell() -> None:
    cloud = Cloud(500)
    anna, _ = pair(cloud)
    eve = Person(cloud, 3)
    eve.know(anna)  # she has Anna's Peer ID, but Anna does not know hers
    cloud.run(60.0)
    assert meets(cloud, anna, eve) is None
    assert eve.located() == []


def test_a_caller_that_comes_first_meets_a_sharer_that_starts_later() -> None:
    cloud = Cloud(500)
    anna, bert = Person(cloud, 1), Person(cloud, 2)
    anna.know(bert)
    bert.know(anna)
    cloud.run(60.0)
    bert.call(anna)
    cloud.run(20.0)
    began = cloud.now
    anna.exchange.listen(True, True)
    cloud.run(30.0, until=anna.rung)
    assert anna.rung()
    assert cloud.now - began <= 15.0


@pytest.mark.parametrize("minutes", [0, *(pytest.param(each, marks=pytest.mark.slow) for each in (59, 60))])
def test_over_the_end_of_an_hour_they_meet(minutes: int) -> None:
    cloud = Cloud(500)
    anna, bert = pair(cloud)
    cloud.run((45 + minutes) * 60.0 - 130.0)
    assert meets(cloud, anna, bert) is not None


@pytest.mark.parametrize(
    "skew",
    [-3600.0, *(pytest.param(each, marks=pytest.mark.slow) for each in (-250.0, -100.0, 20.0, 250.0)), 100.0, 3600.0],
)
def test_with_a_clock_that_is_wrong_they_meet_all_the_same(skew: float) -> None:
    cloud = Cloud(500)
    anna, bert = pair(cloud, skew=skew)
    assert meets(cloud, anna, bert) is not None


@pytest.mark.parametrize(("gone", "lying"), [(0.0, 0.0), (0.3, 0.1)])
def test_an_idle_sharer_costs_less_than_25_mb_a_day(gone: float, lying: float) -> None:
    cloud = Cloud(1000, gone=gone, lying=lying)
    anna, _ = pair(cloud, eager=False, warm=300.0)
    before, began = cloud.bytes[anna.address], cloud.now
    cloud.run(1800.0)
    daily = (cloud.bytes[anna.address] - before) * 86400 / (cloud.now - began)
    assert daily <= 25e6, f"{daily / 1e6:.1f} MB a day"
    hosts: dict[str, int] = {}
    for (address, host, _), count in cloud.to.items():
        if address == anna.address:
            hosts[host] = hosts.get(host, 0) + count
    assert max(hosts.values()) / (cloud.now - 1000.0) < 0.2, "packets a second to the host that got most"


def success(seeds: range, count: int, gone: float, lying: float, calls: int) -> list[float | None]:
    """Return what became of calls in some networks."""
    outcomes: list[float | None] = []
    for seed in seeds:
        cloud = Cloud(count, seed, gone=gone, lying=lying)
        anna, bert = pair(cloud)
        for _ in range(calls):
            outcomes.append(meets(cloud, anna, bert))
            bert.exchange.hang_up(anna.peer_id)
            cloud.run(330.0)
    return outcomes


def check(outcomes: list[float | None]) -> None:
    times = sorted(each for each in outcomes if each is not None)
    print(f"{len(times)} of {len(outcomes)} met; median {median(times):.1f} s, slowest {times[-1]:.1f} s")  # noqa: T201
    assert len(times) >= 0.95 * len(outcomes), "the others meet when they try again"
    assert median(times) <= 8.0


def test_with_a_third_gone_and_a_tenth_lying_they_meet() -> None:
    check(success(range(1, 2), 1000, 0.3, 0.1, 2))


@pytest.mark.slow
def test_with_a_third_gone_and_a_tenth_lying_they_meet_in_many_networks() -> None:
    check(success(range(1, 9), 10_000, 0.3, 0.1, 5))

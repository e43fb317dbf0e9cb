"""The report by the kind of NAT: samples are made by a double of each, as NAT.md section 4.2 has them."""

import itertools
from collections.abc import Callable
from random import Random

import pytest

from core.nat.classify import Sample, Trial, classify
from core.nat.report import Filtering, Mapping, NatReport, Ports
from core.nat.words import Reach, describe
from core.values import Address

SERVING = Address("192.168.1.7", 4000)
FIRST, SECOND = Address("203.0.113.1", 7000), Address("203.0.113.2", 7000)
FIRST_ALSO = Address("203.0.113.1", 7001)
OUTSIDE = "198.51.100.5"

Ports_ = Callable[[int, Address], int]  # (inside port, remote) -> outside port


def in_order(step: int = 1) -> Ports_:
    seen: dict[tuple[int, Address], int] = {}
    numbers = itertools.count(41000, step)
    return lambda inside, remote: seen.setdefault((inside, remote), next(numbers))


def at_random(low: int, high: int, seed: int = 1) -> Ports_:
    seen: dict[tuple[int, Address], int] = {}
    random = Random(seed)
    return lambda inside, remote: seen.setdefault((inside, remote), random.randint(low, high))


def by_host(seed: int = 1) -> Ports_:
    ports = at_random(1024, 65535, seed)
    return lambda inside, remote: ports(inside, Address(remote.host, 0))


def sampled(ports: Ports_, *reflectors: Address, fresh: int = 0, host: str = OUTSIDE) -> list[Sample]:
    asked = [(SERVING.port, each) for each in reflectors]
    asked += [(30000 + number, each) for number in range(fresh) for each in reflectors[:2]]
    return [
        Sample(Address("0.0.0.0", inside), each, Address(host, ports(inside, each)), float(at))
        for at, (inside, each) in enumerate(asked)
    ]


def report(ports: Ports_, *reflectors: Address, fresh: int = 0, host: str = OUTSIDE, **trial: object) -> NatReport:
    samples = sampled(ports, *(reflectors or (FIRST, FIRST_ALSO, SECOND)), fresh=fresh, host=host)
    return classify(samples, SERVING, Trial(own_hosts=(SERVING.host,), **trial), 9.0)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("ports", "mapping", "kept"),
    [
        (lambda inside, remote: inside, Mapping.ENDPOINT_INDEPENDENT, Ports.KEPT),
        (lambda inside, remote: inside ^ 0x1555, Mapping.ENDPOINT_INDEPENDENT, Ports.FIXED),
        (by_host(), Mapping.ADDRESS_DEPENDENT, Ports.RANDOM),
        (in_order(), Mapping.ADDRESS_AND_PORT_DEPENDENT, Ports.IN_ORDER),
        (in_order(2), Mapping.ADDRESS_AND_PORT_DEPENDENT, Ports.IN_ORDER),
        (at_random(1024, 65535), Mapping.ADDRESS_AND_PORT_DEPENDENT, Ports.RANDOM),
        (at_random(42000, 43007), Mapping.ADDRESS_AND_PORT_DEPENDENT, Ports.BLOCK),
    ],
)
def test_each_kind_has_its_name(ports: Ports_, mapping: Mapping, kept: Ports) -> None:
    found = report(ports, fresh=12)
    assert (found.mapping, found.ports) == (mapping, kept)
    assert found.confidence >= 0.8


def test_the_step_of_ports_is_found_among_those_of_other_customers() -> None:
    assert report(in_order(), fresh=4).step == 1
    assert report(in_order(2), fresh=4).step == 2
    ports = itertools.count(50000)
    busy = lambda inside, remote: [next(ports) for _ in range(1 + (inside % 3 == 0))][-1]  # noqa: E731
    assert report(busy, fresh=8).step == 1


@pytest.mark.parametrize("seed", range(20))
def test_a_block_is_bounded(seed: int) -> None:
    found = report(at_random(42000, 43007, seed), fresh=12)
    assert found.block is not None
    low, high = found.block
    inside = sum(low <= port <= high for port in range(42000, 43008))
    assert inside >= 0.9 * 1008
    assert high - low < 1.3 * 1008


def test_sockets_that_asked_each_host_once_do_not_outvote_the_one_that_knows() -> None:
    samples = sampled(by_host(), FIRST, FIRST_ALSO, SECOND) + [
        each for each in sampled(by_host(), FIRST, SECOND, fresh=3) if each.inside.port != SERVING.port
    ]
    assert classify(samples, SERVING, Trial(), 1.0).mapping is Mapping.ADDRESS_DEPENDENT


def test_random_ports_are_never_taken_for_a_block_or_an_order() -> None:
    found = {seed: report(at_random(1024, 65535, seed), fresh=12).ports for seed in range(50)}
    assert found == dict.fromkeys(range(50), Ports.RANDOM)


def test_one_host_with_two_ports_proves_one_port_for_all_only_half() -> None:
    half = report(lambda inside, remote: inside, FIRST, FIRST_ALSO)
    assert (half.mapping, half.hosts, half.confidence) == (Mapping.ENDPOINT_INDEPENDENT, 1, 0.5)
    assert report(lambda inside, remote: inside, FIRST, SECOND).confidence == 0.8


def test_a_single_reflector_proves_nothing() -> None:
    assert report(lambda inside, remote: inside, FIRST).mapping is Mapping.UNKNOWN


def test_a_public_address_is_no_nat_and_its_firewall_shows_by_the_other_port() -> None:
    def found(other_port: bool | None) -> NatReport:
        return report(lambda inside, remote: inside, FIRST, host=SERVING.host, other_port=other_port)

    assert found(True).open
    assert found(False).filtering is Filtering.STRICT
    assert found(None).filtering is Filtering.UNKNOWN
    assert all(found(each).mapping is Mapping.NONE for each in (True, False, None))


def test_nobody_answers_and_the_network_is_there_means_blocked() -> None:
    blocked = classify([], SERVING, Trial(asked=2, online=True), 1.0)
    silent = classify([], SERVING, Trial(asked=2, online=False), 1.0)
    assert blocked.blocked
    assert not silent.blocked
    assert describe(blocked, brokers=1).reach is Reach.NOBODY
    assert describe(silent, brokers=0).reach is Reach.UNKNOWN


def test_an_address_of_a_carrier_is_seen() -> None:
    samples = sampled(lambda inside, remote: inside ^ 3, FIRST, SECOND)
    assert classify(samples, SERVING, Trial(own_hosts=("100.64.3.2",)), 1.0).carrier


def test_friends_get_in_by_a_broker_or_an_open_door() -> None:
    easy = report(lambda inside, remote: inside ^ 1, other_port=False)
    hard = report(at_random(1024, 65535), fresh=12)
    loose = report(lambda inside, remote: inside ^ 1, other_port=True)
    for found in (easy, hard):
        assert not describe(found, brokers=0).reach.friends
        assert describe(found, brokers=0).advice
        assert describe(found, brokers=1).reach.friends
    assert describe(loose, brokers=0).reach is Reach.EVERYBODY


def test_who_was_asked_at_home_only_proves_nothing_of_the_internet() -> None:
    found = report(lambda inside, remote: inside, Address("192.168.1.1", 7000), host=SERVING.host)
    assert found.local
    assert not describe(found, brokers=1).reach.friends


def test_the_same_network_seen_again_is_no_news() -> None:
    first = report(at_random(1024, 65535, 1), fresh=12)
    second = report(at_random(1024, 65535, 2), fresh=12)
    assert first.same(second)
    assert not first.same(report(in_order(), fresh=12))

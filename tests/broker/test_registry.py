"""A broker's entries on a hand-moved clock: which are shown to which peer, for how long, and which are refused."""

import pytest

from core.broker.registry import BrokerBusy, BrokerConfig, BrokerFull, BrokerRegistry, shown_to
from core.values import Address
from core.wire.broker_message import Registration

SERVICE = "fibonacci_worker"
WORKER = Address("192.0.2.7", 4000)
CONSUMER = Address("198.51.100.9", 5000)
OFFERS, WANTS = Registration(SERVICE, server=True), Registration(SERVICE, server=False)
OURS = Registration(SERVICE, server=False, wait=0.0)  # from a peer that knows a broker of ours


def shown(registry: BrokerRegistry, wanted: Registration, requester: Address, now: float = 0.0) -> list[Address]:
    listing = registry.listing(wanted, requester, now, shown_to(requester, None, None))
    return [listed.address for listed in listing]


def test_those_of_the_other_role_come_first_the_newest_before_the_others() -> None:
    registry = BrokerRegistry()
    other, fellow = Address("192.0.2.8", 4000), Address("198.51.100.10", 5000)
    for wanted, source in ((OFFERS, WORKER), (OFFERS, other), (WANTS, fellow), (WANTS, CONSUMER)):
        assert registry.register(wanted, source, None, 0.0)
    registry.register(Registration("another_worker", server=True), WORKER, None, 0.0)
    assert shown(registry, WANTS, CONSUMER) == [other, WORKER, CONSUMER, fellow]
    assert shown(registry, OFFERS, WORKER) == [CONSUMER, fellow, other, WORKER]


def test_an_entry_ends_fifteen_seconds_after_it_was_last_renewed() -> None:
    registry = BrokerRegistry()
    registry.register(OFFERS, WORKER, None, 0.0)
    assert not registry.register(OFFERS, WORKER, None, 10.0)
    assert shown(registry, WANTS, CONSUMER, now=24.0) == [WORKER]
    assert shown(registry, WANTS, CONSUMER, now=25.0) == []
    assert registry.register(OFFERS, WORKER, None, 25.0), "and is new again"


def test_news_are_of_new_entries_only_and_of_that_service() -> None:
    registry = BrokerRegistry()
    registry.register(OFFERS, WORKER, None, 0.0)
    first = registry.news(SERVICE)
    registry.register(OFFERS, WORKER, None, 1.0)
    registry.register(Registration("another_worker", server=True), WORKER, None, 1.0)
    assert registry.news(SERVICE) == first
    registry.register(WANTS, CONSUMER, None, 1.0)
    assert registry.news(SERVICE) != first


HOME, AT_HOME = Address("192.0.2.7", 61000), Address("192.168.1.20", 4000)


def test_where_somebody_is_at_home_is_shown_to_who_comes_from_the_same_host_only() -> None:
    registry = BrokerRegistry()
    registry.register(Registration(SERVICE, server=True, wait=0.0, local=AT_HOME), WORKER, None, 0.0)
    assert shown(registry, OURS, HOME) == [WORKER, AT_HOME]
    assert shown(registry, OURS, CONSUMER) == [WORKER], "nobody else learns it"
    assert shown(registry, WANTS, HOME) == [WORKER], "nor a plain peer, which could do nothing with it"


def test_where_somebody_is_at_home_is_news_once() -> None:
    registry = BrokerRegistry()
    registry.register(OFFERS, WORKER, None, 0.0)
    before = registry.news(SERVICE)
    at_home = Registration(SERVICE, server=True, wait=2.0, local=AT_HOME)
    assert not registry.register(at_home, WORKER, None, 0.1)
    told = registry.news(SERVICE)
    assert told != before
    registry.register(at_home, WORKER, None, 2.1)
    registry.register(OFFERS, WORKER, None, 4.1)
    assert registry.news(SERVICE) == told
    assert shown(registry, OURS, HOME, now=5.0) == [WORKER, AT_HOME]


@pytest.mark.parametrize("lie", ["192.0.2.99:4000", "127.0.0.1:4000", "0.0.0.0:4000", "100.64.0.9:4000", "224.0.0.1:9"])
def test_who_says_to_be_at_home_somewhere_else_is_not_shown_there(lie: str) -> None:
    registry = BrokerRegistry()
    said = Registration(SERVICE, server=True, wait=0.0, local=Address.parse(lie))
    registry.register(said, WORKER, None, 0.0)
    assert shown(registry, OURS, HOME) == [WORKER]


def test_ipv6_is_shown_to_peers_of_ours_and_never_to_plain_ones() -> None:
    registry = BrokerRegistry()
    six = Address("2001:db8::7", 4000)
    registry.register(OFFERS, six, None, 0.0)
    assert shown(registry, WANTS, CONSUMER) == []
    assert shown(registry, OURS, CONSUMER) == [six]


def test_an_ipv6_network_is_one_host() -> None:
    registry = BrokerRegistry(BrokerConfig(entries_each=2))
    for number in (1, 2):
        registry.register(OFFERS, Address(f"2001:db8::{number}", 4000), None, 0.0)
    with pytest.raises(BrokerFull):
        registry.register(OFFERS, Address("2001:db8::3", 4000), None, 0.0)
    registry.register(OFFERS, Address("2001:db8:0:1::3", 4000), None, 0.0)


def test_a_homes_own_addresses_are_not_shown_outside_of_it() -> None:
    registry = BrokerRegistry()
    registry.register(OFFERS, AT_HOME, None, 0.0)
    assert shown(registry, WANTS, CONSUMER) == []
    assert shown(registry, WANTS, Address("192.168.1.30", 5000)) == [AT_HOME]


def test_who_is_on_the_brokers_own_machine_is_shown_at_its_address() -> None:
    registry = BrokerRegistry()
    registry.register(OFFERS, Address("127.0.0.1", 4000), None, 0.0)
    listing = registry.listing(WANTS, CONSUMER, 0.0, shown_to(CONSUMER, "192.168.1.2", "192.0.2.1"))
    assert [listed.address for listed in listing] == [Address("192.0.2.1", 4000)]


def test_a_flood_from_one_host_is_refused_by_name_and_counted() -> None:
    registry = BrokerRegistry(BrokerConfig(rate_each=2.0))
    for _ in range(4):
        registry.register(OFFERS, WORKER, None, 0.0)
    with pytest.raises(BrokerBusy, match=r"192\.0\.2\.7 registers more than 2 times a second"):
        registry.register(OFFERS, WORKER, None, 0.0)
    registry.register(WANTS, CONSUMER, None, 0.0)
    registry.register(OFFERS, WORKER, None, 1.0)
    assert registry.refused == {"ERR_BROKER_RATE": 1}


def test_one_host_gets_its_share_of_entries_and_no_more() -> None:
    registry = BrokerRegistry(BrokerConfig(entries_each=2))
    for port in (4000, 4001):
        registry.register(OFFERS, Address("192.0.2.7", port), None, 0.0)
    with pytest.raises(BrokerFull, match="has 2 entries here already"):
        registry.register(OFFERS, Address("192.0.2.7", 4002), None, 0.0)
    assert registry.refused == {"ERR_BROKER_FULL": 1}


def test_a_full_broker_takes_from_who_has_most_for_who_has_least() -> None:
    registry = BrokerRegistry(BrokerConfig(entries=4, entries_each=3))
    crowd = [Address("192.0.2.7", port) for port in (4000, 4001, 4002)]
    for source in (*crowd, CONSUMER):
        registry.register(OFFERS, source, None, 0.0)
    registry.register(OFFERS, Address("203.0.113.5", 4000), None, 1.0)
    assert crowd[0] not in [entry.address for entry in registry.entries()]
    assert len(registry) == 4
    with pytest.raises(BrokerFull, match="this broker is full"):
        registry.register(OFFERS, Address("192.0.2.7", 4003), None, 1.0)


AWAY = Registration(SERVICE, server=True, wait=2.0, away=0.04)


def how_far(registry: BrokerRegistry, wanted: Registration, requester: Address) -> float | None:
    listing = registry.listing(wanted, requester, 0.0, shown_to(requester, None, None))
    return next(listed.away for listed in listing if listed.address == WORKER)


def test_how_far_somebody_is_shows_once_it_has_heard_of_the_reader() -> None:
    """Before, nobody can tell when it begins."""
    registry = BrokerRegistry()
    registry.register(AWAY, WORKER, None, 0.0)
    registry.told(AWAY, WORKER)
    assert how_far(registry, OURS, CONSUMER) is None, "who is not registered is news to nobody"
    registry.register(OURS, CONSUMER, None, 0.0)
    assert how_far(registry, OURS, CONSUMER) is None, "it waits for its turn to ask"
    registry.told(AWAY, WORKER)
    assert how_far(registry, OURS, CONSUMER) == 0.04
    assert how_far(registry, WANTS, CONSUMER) is None, "a plain peer could do nothing with it"
    registry.register(OURS, HOME, None, 0.0)
    assert how_far(registry, OURS, CONSUMER) == 0.04, "somebody else's coming changes nothing"
    assert how_far(registry, OURS, HOME) is None

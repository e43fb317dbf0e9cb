"""Announcing a name again: straight to those who took it before, for as long as that is right."""

from core.dht import Announced, DhtConfig
from core.dht.recent import MAX_AGE, MAX_KEYS, RecentWriters
from core.values import Address
from core.wire.compact import Contact
from tests.dht.net import Network, grow, loopback

KEY = b"fibonacci_worker"
WORKER = Address("127.0.0.1", 4000)
TOKENS = [(Contact(b"n" * 20, loopback(1)), b"token")]


def announced(network: Network, address: Address) -> tuple[int, int]:
    """Announce; return how many nodes stored it and how many datagrams that took."""
    before = network.sent
    event = network.finish(address, network.nodes[address].announce(KEY, WORKER, network.now))
    assert isinstance(event, Announced)
    return event.nodes, network.sent - before


def test_the_second_announce_needs_no_search() -> None:
    network = Network()
    addresses = grow(network, 4)
    assert announced(network, addresses[1]) == (3, 12)  # get_peers and announce_peer, and their answers
    assert announced(network, addresses[1]) == (3, 6)


def test_it_renews_the_age_of_the_peer() -> None:
    network = Network()
    addresses = grow(network, 2)
    for _ in range(3):
        announced(network, addresses[0])
        network.run(100.0)
    assert network.nodes[addresses[1]].statistics().keys == 1  # peers age 120 s after the last announce


def test_a_node_that_came_up_since_is_found() -> None:
    network = Network()
    addresses = grow(network, 3)
    announced(network, addresses[1])
    network.add(loopback(30001), addresses[:1])
    network.run(90.0)
    assert announced(network, addresses[1])[0] == 3


def test_a_lone_node_does_not_go_on_believing_that_it_is() -> None:
    network = Network()
    network.add(loopback(1))
    assert announced(network, loopback(1))[0] == 1
    network.add(loopback(2), [loopback(1)])
    network.run(1.0)
    announced(network, loopback(1))
    assert network.nodes[loopback(2)].statistics().keys == 1


def test_a_node_that_was_started_anew_refuses_the_old_token_and_gets_another() -> None:
    network = Network()
    addresses = grow(network, 3)
    announced(network, addresses[1])
    old = network.nodes[addresses[2]]
    network.add(addresses[2], addresses[:1], node_id=old.id)
    assert announced(network, addresses[1])[0] == 2
    assert network.nodes[addresses[2]].statistics().keys == 1
    assert network.nodes[addresses[1]].statistics().operations == 0


def test_a_node_that_died_since_costs_no_other_its_announce() -> None:
    network = Network()
    addresses = grow(network, 4)
    announced(network, addresses[1])
    network.remove(addresses[2])
    assert announced(network, addresses[1])[0] == 2
    assert announced(network, addresses[1]) == (2, 4)


def test_they_are_searched_for_again_when_the_tokens_are_old() -> None:
    recent = RecentWriters()
    recent.keep(KEY, TOKENS, 7, 100.0)
    assert recent.find(KEY, 7, 100.0 + MAX_AGE - 1) == TOKENS
    assert recent.find(KEY, 7, 100.0 + MAX_AGE) is None
    assert DhtConfig().token_rotation > MAX_AGE


def test_keys_are_bounded_and_the_oldest_makes_room() -> None:
    recent = RecentWriters()
    for number in range(MAX_KEYS + 1):
        recent.keep(b"%d" % number, TOKENS, 0, 0.0)
    assert len(recent) == MAX_KEYS
    assert recent.find(b"0", 0, 0.0) is None
    assert recent.find(b"1", 0, 0.0) == TOKENS


def test_a_search_that_found_nobody_is_not_remembered() -> None:
    recent = RecentWriters()
    recent.keep(KEY, TOKENS, 0, 0.0)
    recent.keep(KEY, [], 0, 0.0)
    assert recent.find(KEY, 0, 0.0) is None

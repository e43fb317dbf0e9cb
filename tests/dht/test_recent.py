"""Announcing a name again: straight to those who took it before, for as long as that is right."""

import pytest

from core.dht import Announced, DhtConfig, OperationId, Stored
from core.dht.items import SEQUENCE_OLD, Item
from core.dht.operations import PutItem
from core.dht.recent import MAX_AGE, MAX_KEYS, RecentWriters
from core.dht.tokens import Tokens
from core.values import Address
from core.wire.compact import Contact
from core.wire.krpc import PROTOCOL_ERROR, Error
from tests.dht.net import Network, grow, loopback
from tests.support.interpreted import interpreted

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


def put(network: Network, address: Address, value: bytes) -> tuple[int, int]:
    """Put; return how many nodes stored it and how many datagrams that took."""
    before = network.sent
    event = network.finish(address, network.nodes[address].put(Item(value), network.now))
    assert isinstance(event, Stored)
    return event.nodes, network.sent - before


def test_the_second_put_needs_no_search_whatever_its_value() -> None:
    network = Network()
    addresses = grow(network, 4)
    assert put(network, addresses[1], b"one") == (3, 12)
    assert put(network, addresses[1], b"two") == (3, 6)


def test_a_put_in_a_network_that_does_not_fit_a_bucket_is_searched_for() -> None:
    network = Network()
    addresses = grow(network, 4, config=DhtConfig(bucket_size=2))
    first = put(network, addresses[1], b"one")
    assert put(network, addresses[1], b"two")[1] > 2 * first[0]


def test_puts_at_once_to_a_node_that_was_started_anew_all_arrive() -> None:
    network = Network()
    addresses = grow(network, 2)
    put(network, addresses[0], b"one")
    old = network.nodes[addresses[1]]
    network.add(addresses[1], addresses[:1], node_id=old.id)
    operations = [network.nodes[addresses[0]].put(Item(b"%d" % number), network.now) for number in range(3)]
    for operation in operations:
        network.finish(addresses[0], operation)
    assert network.nodes[addresses[1]].statistics().items == 3


@interpreted
def test_a_node_that_refuses_every_token_is_searched_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network()
    addresses = grow(network, 2)
    put(network, addresses[0], b"one")
    monkeypatch.setattr(Tokens, "valid", lambda *_: False)
    assert put(network, addresses[0], b"two") == (1, 2 + 4)  # with the old token; a search, with the new one


def test_a_rule_of_the_items_is_a_judgement_and_a_bad_token_is_none() -> None:
    ended: list[int] = []
    task = PutItem(OperationId(1), Item(b"v"), lambda now: None, lambda event: None, lambda task, now: True)
    for code in (SEQUENCE_OLD, PROTOCOL_ERROR):
        task.writes(TOKENS)
        task.wrote(TOKENS[0][0], Error(b"t", code))
        ended.append(task.taken)
    assert ended == [1, 0]


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

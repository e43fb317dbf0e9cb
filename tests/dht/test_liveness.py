"""How a node keeps its table: liveness, restarts, back-off while alone, healing, strangers."""

from itertools import pairwise
from random import Random

import pytest

from core.dht import Announced, DhtConfig, Node, PeersFound
from core.values import Address
from core.wire.krpc import Query, Reply, parse
from tests.dht.net import Network, grow, loopback

A, B, C, D = (loopback(port) for port in (20001, 20002, 20003, 20004))


def counts(network: Network) -> dict[Address, int]:
    """Return how many others each node knows."""
    return {address: node.nodes() for address, node in network.nodes.items()}


def test_two_nodes_know_each_other_though_only_one_bootstraps() -> None:
    network = Network()
    network.add(A)
    network.add(B, [A])
    network.run(1.0)
    assert counts(network) == {A: 1, B: 1}


def test_a_silent_node_leaves_the_table_soon_after_its_liveness() -> None:
    network = Network()
    grow(network, 2, seconds=1.0)
    network.remove(B)
    network.run(298.0)
    assert network.nodes[A].nodes() == 1
    network.run(20.0)
    assert network.nodes[A].nodes() == 0


def test_a_short_liveness_is_kept() -> None:
    network = Network()
    network.add(A, config=DhtConfig(node_liveness=2.0))
    network.add(B, [A])
    network.run(1.0)
    network.remove(B)
    network.run(5.0)
    assert network.nodes[A].nodes() == 0


def test_live_nodes_stay() -> None:
    network = Network()
    addresses = grow(network, 5)
    network.run(3600.0)
    assert counts(network) == dict.fromkeys(addresses, 4)


def test_an_operation_drops_a_dead_node_and_ends_in_time() -> None:
    network = Network()
    grow(network, 3, seconds=1.0)
    network.remove(B)
    network.finish(A, network.nodes[A].lookup(b"name", network.now), seconds=2.5)
    assert counts(network)[A] == 1


def test_a_restarted_node_takes_the_place_of_the_old_one() -> None:
    network = Network()
    grow(network, 2, seconds=1.0)
    restarted = network.add(B, [A])
    network.run(1.0)
    assert [contact.id for contact in network.nodes[A]._table.closest(b"x", 9)] == [restarted.id]


def test_a_node_that_answers_under_another_id_leaves() -> None:
    network = Network()
    grow(network, 2, seconds=1.0)
    old = network.nodes[B].id
    replaced = network.add(B)  # a new identity that asks nobody
    network.finish(A, network.nodes[A].lookup(b"name", network.now))
    assert {contact.id for contact in network.nodes[A]._table.closest(b"x", 9)} == {replaced.id} != {old}


def test_a_lone_node_tries_again_with_back_off() -> None:
    network = Network()
    network.add(A, [B])
    moments: list[float] = []
    for _ in range(12000):
        before = len(network.strangers[B])
        network.run(0.01)
        if len(network.strangers[B]) > before:
            moments.append(network.now)
    attempts = [moment for moment in moments if not any(0 < moment - other < 1.0 for other in moments)]
    pauses = [round(later - earlier - 2.0) for earlier, later in pairwise(attempts)]
    assert pauses[:5] == [1, 2, 4, 8, 15]
    assert set(pauses[5:]) == {15}


def test_a_grape_that_comes_back_is_found_without_being_asked() -> None:
    network = Network()
    network.add(A, [B])
    network.run(300.0)
    network.add(B)
    network.run(18.0)
    assert counts(network) == {A: 1, B: 1}


def test_the_last_neighbour_dies_and_returns() -> None:
    network = Network()
    network.add(B)
    network.add(A, [B])
    network.run(1.0)
    network.remove(B)
    network.finish(A, network.nodes[A].lookup(b"name", network.now))
    assert network.nodes[A].nodes() == 0
    network.run(30.0)
    network.add(B)
    network.run(18.0)
    assert counts(network) == {A: 1, B: 1}


def test_two_halves_heal() -> None:
    network = Network()
    network.add(B, [C])
    network.add(A, [B])
    network.run(5.0)
    network.add(C)  # starts later, with its own circle
    network.add(D, [C])
    network.run(70.0)
    network.finish(A, network.nodes[A].announce(b"name", loopback(4000), network.now))
    found = network.finish(D, network.nodes[D].lookup(b"name", network.now))
    assert isinstance(found, PeersFound)
    assert found.peers == (loopback(4000),)
    network.run(60.0)
    assert counts(network) == {A: 3, B: 3, C: 3, D: 3}


def test_our_own_address_among_the_bootstrap_nodes_is_no_neighbour() -> None:
    network = Network()
    node = network.add(A, [A, B])
    network.run(120.0)
    assert node.nodes() == 0
    before = node.statistics().queries
    network.run(120.0)
    assert node.statistics().queries == before  # recognised, and not asked again


def test_bootstrap_takes_only_what_is_an_address() -> None:
    network = Network()
    network.add(A, [Address("224.0.0.1", 5), Address("localhost", 20001), Address("127.0.0.1", 0)])
    network.run(60.0)
    assert network.sent == 0


def ping_from(network: Network, source: Address, node_id: bytes, read_only: bool = False) -> None:
    """Send A a ping from an address without a node."""
    network.send(source, A, bytes(Query(b"pp", b"ping", {b"id": node_id}, read_only)))
    network.run(0.1)


def queries_to(network: Network, stranger: Address) -> list[Query]:
    """Return what A asked an address without a node."""
    return [query for raw in network.strangers[stranger] if isinstance(query := parse(raw), Query)]


def test_a_stranger_enters_only_once_it_answers() -> None:
    network = Network()
    node = network.add(A)
    ping_from(network, D, b"d" * 20)
    assert node.nodes() == 0
    (query,) = queries_to(network, D)
    network.send(C, A, bytes(Reply(query.transaction, {b"id": b"c" * 20})))  # not from where it was asked
    network.run(0.1)
    assert node.nodes() == 0
    assert node.statistics().dropped_unexpected == 1
    network.send(D, A, bytes(Reply(query.transaction, {b"id": b"d" * 20})))
    network.run(0.1)
    assert node.nodes() == 1


def test_a_read_only_stranger_is_not_asked() -> None:
    network = Network()
    network.add(A)
    ping_from(network, D, b"d" * 20, read_only=True)
    assert queries_to(network, D) == []


def test_strangers_in_flight_are_bounded() -> None:
    network = Network()
    node = network.add(A, config=DhtConfig(max_probes=5))
    for number in range(50):
        ping_from(network, loopback(40000 + number), number.to_bytes(20, "big"))
        assert node.statistics().in_flight <= 5
    network.run(3.0)
    assert node.statistics().in_flight == 0
    ping_from(network, D, b"d" * 20)
    assert len(queries_to(network, D)) == 1


@pytest.mark.parametrize("values", [{}, {b"id": b"short"}, {b"id": 5}, {b"id": b"d" * 20, b"nodes": b"odd"}])
def test_a_nonsensical_answer_is_as_good_as_none(values: dict[bytes, bytes | int]) -> None:
    network = Network()
    node = network.add(A, [D])
    network.run(0.1)
    (query,) = queries_to(network, D)
    network.send(D, A, bytes(Reply(query.transaction, dict(values))))
    operation = node.lookup(b"name", network.now)
    network.finish(A, operation, seconds=3.0)
    assert len([event for event in network.events[A] if event.operation == operation]) == 1


def test_what_waits_to_be_sent_is_bounded() -> None:
    network = Network()
    node = network.add(A, config=DhtConfig(max_outgoing=10))
    ping = bytes(Query(b"pp", b"ping", {b"id": b"d" * 20}, read_only=True))
    node.receive([ping] * 25, D, 0.0)
    assert sum(len(burst.datagrams) for burst in node.transmit(0.0)) == 10
    assert node.statistics().dropped_full == 15
    assert node.transmit(0.0) == []


@pytest.mark.parametrize("name", ["bucket_size", "query_timeout", "peer_max_age"])
def test_a_configuration_without_sense_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        DhtConfig(**{name: 0})


def test_dead_bootstrap_nodes_hold_the_first_operation_up_for_a_moment_only() -> None:
    node = Node(DhtConfig(), Random(1), 0.0)
    node.bootstrap([Address("192.0.2.1", 20001)], 0.0)
    operation = node.announce(b"fibonacci_worker", Address("127.0.0.1", 1337), 0.0)
    patience = DhtConfig().join_patience
    assert node.deadline() == patience
    node.tick(patience - 0.01)
    assert node.events() == []
    node.tick(patience)
    assert node.events() == [Announced(operation, 1)]

"""A node that somebody names is met with one packet, and joined by when it answers."""

from core.values import Address
from tests.dht.net import Network, grow, loopback


def test_two_that_were_alone_know_each_other() -> None:
    network = Network()
    one, other = network.add(loopback(1)), network.add(loopback(2))
    one.meet(loopback(2), network.now)
    network.run(2.0)
    assert one.knows(loopback(2))
    assert other.knows(loopback(1))


def test_who_meets_one_joins_all() -> None:
    network = Network()
    addresses = grow(network, 8)
    here = Address("127.0.0.1", 9)
    node = network.add(here)
    node.meet(addresses[3], network.now)
    network.run(5.0)
    assert node.nodes() == 8


def test_a_silent_address_gets_one_packet_and_is_not_kept() -> None:
    network = Network()
    node = network.add(loopback(1))
    for _ in range(5):
        node.meet(loopback(2), network.now)
    network.run(600.0)
    assert len(network.strangers[loopback(2)]) == 1
    assert not node.knows(loopback(2))


def test_who_is_known_is_not_asked_again_and_nonsense_is_nobody() -> None:
    network = Network()
    node = network.add(loopback(1))
    network.add(loopback(2))
    node.meet(loopback(2), network.now)
    network.run(2.0)
    sent = network.sent
    node.meet(loopback(2), network.now)
    node.meet(Address("224.0.0.251", 5353), network.now)
    node.meet(Address("127.0.0.1", 0), network.now)
    network.run(0.0)
    assert network.sent == sent


def test_an_answer_of_our_own_is_no_other_node() -> None:
    network = Network()
    node = network.add(loopback(1))
    node.meet(loopback(1), network.now)
    network.run(5.0)
    assert node.nodes() == 0

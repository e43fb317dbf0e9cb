"""Nodes among themselves on a simulated network: announce, lookup, put, get; with loss; alone."""

from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core.dht import Announced, DhtConfig, Failed, Found, Item, ItemRefused, OperationId, PeersFound, Stored, sign_item
from core.dht.storage import _Stored
from core.errors import LocalError
from core.values import Address
from core.wire.bencoding import Bencoded
from tests.dht.net import Network, grow, loopback
from tests.support.samples import some

KEY = b"fibonacci_worker"
WORKER = loopback(4000)
SIGNER = Ed25519PrivateKey.from_private_bytes(b"k" * 32)


def announce(network: Network, address: Address, key: bytes = KEY, peer: Address = WORKER) -> int:
    """Announce at the node of `address`; return how many stored it."""
    event = network.finish(address, network.nodes[address].announce(key, peer, network.now))
    assert isinstance(event, Announced), event
    return event.nodes


def lookup(network: Network, address: Address, key: bytes = KEY) -> set[Address]:
    """Look a key up at the node of `address`."""
    event = network.finish(address, network.nodes[address].lookup(key, network.now))
    assert isinstance(event, PeersFound), event
    assert len(set(event.peers)) == len(event.peers)
    return set(event.peers)


def put(network: Network, address: Address, item: Item) -> Stored | Failed:
    """Put an item at the node of `address`."""
    event = network.finish(address, network.nodes[address].put(item, network.now))
    assert isinstance(event, Stored | Failed), event
    return event


def get(network: Network, address: Address, target: bytes, salt: bytes = b"") -> Found:
    """Get an item at the node of `address`."""
    event = network.finish(address, network.nodes[address].get(target, network.now, salt=salt))
    assert isinstance(event, Found), event
    return event


def value(found: Found) -> "Bencoded | None":
    """Return the value that was found."""
    return None if found.item is None else found.item.value


# -- alone -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bootstrap", [[], [loopback(9)]], ids=["no bootstrap", "dead bootstrap"])
def test_a_lone_node_does_everything_by_itself(bootstrap: list[Address]) -> None:
    network = Network()
    (here,) = [loopback(20001)]
    node = network.add(here, bootstrap)
    assert lookup(network, here) == set()
    assert announce(network, here) == 1
    assert lookup(network, here) == {WORKER}
    stored = put(network, here, Item(b"hello"))
    assert isinstance(stored, Stored)
    assert stored.nodes == 1
    assert get(network, here, stored.target) == Found(get_operation(network), Item(b"hello"), node.id, None)
    item = sign_item(SIGNER, b"mutable", 3, b"salt")
    assert isinstance(put(network, here, item), Stored)
    assert get(network, here, item.target(), b"salt").item == item
    assert value(get(network, here, b"?" * 20)) is None
    assert node.nodes() == 0
    assert node.observed() is None


def get_operation(network: Network) -> OperationId:
    """Return the newest operation that ended."""
    return max(event.operation for events in network.events.values() for event in events)


def test_operations_wait_for_the_first_attempt_to_join() -> None:
    network = Network()
    first, second = loopback(20001), loopback(20002)
    network.add(first)
    announce(network, first)
    network.add(second, [first])
    assert lookup(network, second) == {WORKER}


def test_a_lone_nodes_announce_ages() -> None:
    network = Network()
    network.add(loopback(20001))
    announce(network, loopback(20001))
    network.run(121.0)
    assert lookup(network, loopback(20001)) == set()


# -- together --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [2, 3, 30])
def test_what_one_announces_all_find(count: int) -> None:
    network = Network()
    addresses = grow(network, count)
    assert all(network.nodes[address].nodes() >= min(count - 1, 19) for address in addresses)
    assert announce(network, addresses[1]) == min(count - 1, 20)
    for address in addresses:
        assert lookup(network, address) == {WORKER}


@pytest.mark.parametrize("count", [2, 3, 30])
def test_what_one_puts_all_get(count: int) -> None:
    network = Network()
    addresses = grow(network, count)
    stored = put(network, addresses[0], Item(b"hello"))
    assert isinstance(stored, Stored)
    assert stored.nodes == min(count - 1, 20)
    for address in addresses:
        found = get(network, address, stored.target)
        assert value(found) == b"hello"
        assert found.responder in {node.id for node in network.nodes.values()}


def test_several_announce_the_same_name() -> None:
    network = Network()
    addresses = grow(network, 5)
    for number, address in enumerate(addresses):
        announce(network, address, peer=loopback(4000 + number))
    assert lookup(network, addresses[3]) == {loopback(4000 + number) for number in range(5)}


@pytest.mark.parametrize("seed", some(range(8), 4))
def test_in_spite_of_loss(seed: int) -> None:
    network = Network(seed, loss=0.1)
    addresses = grow(network, 12, seconds=130.0)
    assert announce(network, addresses[3]) >= 8
    for address in addresses:
        assert lookup(network, address) == {WORKER}


def test_same_seed_same_trace() -> None:
    def trace() -> tuple[int, list[bytes]]:
        network = Network(5, loss=0.2)
        addresses = grow(network, 6)
        announce(network, addresses[2])
        return network.sent, [network.nodes[address].id for address in addresses]

    assert trace() == trace()


def test_a_mutable_item_is_found_at_its_highest_sequence() -> None:
    network = Network()
    addresses = grow(network, 4)
    assert isinstance(put(network, addresses[0], sign_item(SIGNER, b"one", 1, b"s")), Stored)
    newer = sign_item(SIGNER, b"two", 2, b"s")
    lonely = network.nodes.pop(addresses[3])  # misses the update, and keeps answering with the old one
    assert isinstance(put(network, addresses[1], newer), Stored)
    network.nodes[addresses[3]] = lonely
    for address in addresses:
        assert value(get(network, address, newer.target(), b"s")) == b"two"


def test_an_outdated_put_fails_with_the_code() -> None:
    network = Network()
    addresses = grow(network, 3)
    put(network, addresses[0], sign_item(SIGNER, b"two", 2))
    for address in addresses:
        failed = put(network, address, sign_item(SIGNER, b"one", 1))
        assert isinstance(failed, Failed)
        assert isinstance(failed.error, ItemRefused)
        assert failed.error.code == 302


def test_a_forged_item_is_not_believed() -> None:
    network = Network()
    addresses = grow(network, 2)
    target = Item(b"genuine").target()
    network.nodes[addresses[0]]._responder.items._items.put(
        target, _Stored(Item(b"forged"), None, network.now, "127.0.0.1"), "127.0.0.1"
    )
    assert value(get(network, addresses[1], target)) is None


# -- addresses -------------------------------------------------------------------------------------------------------


def test_a_service_of_another_machine_is_listed_there() -> None:
    network = Network()
    addresses = grow(network, 1)
    announce(network, addresses[0], peer=Address("192.168.1.7", 4000))
    assert lookup(network, addresses[0]) == {Address("192.168.1.7", 4000)}


def test_a_local_service_is_listed_once_here_and_at_our_address_elsewhere() -> None:
    network = Network()
    here, there = Address("192.168.1.5", 20001), Address("192.168.1.9", 20001)
    network.add(here, local_address=lambda requester: "192.168.1.5")
    network.add(there, [here])
    network.run(1.0)
    announce(network, here)
    assert lookup(network, here) == {WORKER}
    assert lookup(network, there) == {Address("192.168.1.5", 4000)}
    assert network.nodes[here].listed([WORKER], there) == [Address("192.168.1.5", 4000)]


def test_behind_a_nat_the_observed_address_is_listed() -> None:
    network = Network()
    outside, stranger = Address("203.0.113.5", 20001), Address("198.51.100.9", 20001)
    network.add(stranger)
    network.add(outside, [stranger], local_address=lambda requester: "192.168.1.5")  # its NAT's outside is its address
    network.run(1.0)
    assert network.nodes[outside].observed() == outside
    network.nodes[stranger].announce(KEY, Address("198.51.100.9", 1), network.now)
    network.nodes[outside].announce(KEY, WORKER, network.now)
    network.run(1.0)
    assert lookup(network, stranger) == {Address("203.0.113.5", 4000), Address("198.51.100.9", 1)}
    assert network.nodes[outside].listed([WORKER], stranger) == [Address("203.0.113.5", 4000)]


def test_nodes_of_this_machine_are_named_to_others_by_our_address() -> None:
    network = Network()
    here, beside, there = Address("192.168.1.5", 20001), loopback(20002), Address("192.168.1.9", 20001)
    node = network.add(here, local_address=lambda requester: "192.168.1.5")
    neighbour = network.add(beside, [here])
    network.run(1.0)
    assert node.nodes() == 1
    network.nodes[Address("192.168.1.5", 20002)] = neighbour  # bound to all interfaces
    stranger = network.add(there, [here])
    network.run(1.0)
    assert stranger.nodes() == 2


# -- what is refused, and bounds -------------------------------------------------------------------------------------

Start = Callable[[Network], int]


@pytest.mark.parametrize(
    "start",
    [
        lambda network: network.nodes[loopback(1)].lookup(b"", network.now),
        lambda network: network.nodes[loopback(1)].lookup(b"n" * 256, network.now),
        lambda network: network.nodes[loopback(1)].announce(b"", WORKER, network.now),
        lambda network: network.nodes[loopback(1)].announce(KEY, Address("127.0.0.1", 0), network.now),
        lambda network: network.nodes[loopback(1)].announce(KEY, Address("224.0.0.1", 5), network.now),
        lambda network: network.nodes[loopback(1)].announce(KEY, Address("0.0.0.0", 5), network.now),
        lambda network: network.nodes[loopback(1)].get(b"short", network.now),
        lambda network: network.nodes[loopback(1)].get(b"t" * 20, network.now, salt=b"s" * 65),
        lambda network: network.nodes[loopback(1)].put(Item(b"x" * 1001), network.now),
        lambda network: network.nodes[loopback(1)].put(Item(b"x", key=b"k" * 32), network.now),
    ],
)
def test_what_cannot_be_done_fails_once_in_words(start: Start) -> None:
    network = Network()
    network.add(loopback(1))
    operation = start(network)
    network.run(10.0)
    (event,) = network.events[loopback(1)]
    assert isinstance(event, Failed)
    assert event.operation == operation
    assert len(str(event.error)) > 20
    assert network.nodes[loopback(1)].statistics().operations == 0


def test_too_many_operations_fail_at_once() -> None:
    network = Network()
    here = loopback(20001)
    node = network.add(here, [loopback(9)], config=DhtConfig(max_operations=5))
    operations = [node.lookup(KEY, network.now) for _ in range(8)]
    network.run(0.0)
    refused = [event for event in network.events[here] if isinstance(event, Failed)]
    assert [event.operation for event in refused] == operations[5:]
    assert all(isinstance(event.error, LocalError) for event in refused)
    network.run(5.0)
    assert sorted(event.operation for event in network.events[here]) == operations
    network.finish(here, node.lookup(KEY, network.now))


def test_each_operation_ends_exactly_once_though_queries_are_scarce() -> None:
    network = Network(3, loss=0.1)
    addresses = grow(network, 10)
    hungry = loopback(30000)
    node = network.add(hungry, addresses[:1], config=DhtConfig(max_transactions=4))
    network.run(5.0)
    operations = [node.lookup(b"key %d" % number, network.now) for number in range(20)]
    operations += [node.announce(b"key %d" % number, WORKER, network.now) for number in range(20)]
    for _ in range(2000):
        network.run(0.05)
        assert node.statistics().in_flight <= 4
    assert sorted(event.operation for event in network.events[hungry]) == operations
    assert node.statistics().operations == 0

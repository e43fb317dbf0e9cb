"""Nobody is sent more than three times what it asked with, before it has shown that it receives what we send."""

import pytest

from core.dht import DhtConfig, Item, sign_item
from core.dht.amplification import PROVEN_FOR, PROVEN_MAX, PROVEN_PER_HOST, Proven, cut
from core.values import Address
from core.wire.compact import NODE_BYTES, pack_peer
from core.wire.krpc import Fields, Query, Reply, parse
from tests.dht.net import Network, grow, loopback
from tests.dht.test_queries import SIGNER
from tests.support.samples import some

GRAPE = loopback(20001)
STRANGER = Address("203.0.113.7", 6881)
KEY = b"fibonacci_worker"


@pytest.fixture(scope="module")
def crowd() -> Network:
    """A grape that knows twenty others, forty peers of a service, and an item of 900 bytes."""
    network = Network()
    grow(network, 21, config=DhtConfig(max_public_nodes_per_host=64))
    node = network.nodes[GRAPE]
    for number in range(40):
        node.announce(KEY, Address(f"198.51.100.{number + 1}", 4000), network.now)
    node.put(Item(b"x" * 900), network.now)
    node.put(sign_item(SIGNER, b"y" * 900, 1), network.now)
    network.run(5.0)
    return network


def received(network: Network, source: Address, query: bytes, seconds: float = 5.0) -> list[bytes]:
    """Send a query from an address where nobody answers, and return all that comes there."""
    before = len(network.strangers[source])
    network.send(source, GRAPE, query)
    network.run(seconds)
    return network.strangers[source][before:]


QUERIES: dict[bytes, Fields] = {
    b"ping": {},
    b"find_node": {b"target": b"t" * 20},
    b"get_peers": {b"info_hash": KEY},
    b"get": {b"target": Item(b"x" * 900).target()},
    b"announce_peer": {b"info_hash": KEY, b"port": 1, b"token": b"wrong"},
    b"nonsense": {},
}


@pytest.mark.parametrize("method", QUERIES)
@pytest.mark.parametrize("read_only", some([False, True], 2))
def test_all_that_a_stranger_gets_is_three_times_its_query_at_most(
    crowd: Network, method: bytes, read_only: bool
) -> None:
    source = Address(f"203.0.113.{50 + len(method) + 20 * read_only}", 6881)
    query = bytes(Query(b"aa", method, {b"id": b"s" * 20, **QUERIES[method]}, read_only=read_only))
    came = received(crowd, source, query)
    assert came
    assert sum(map(len, came)) <= 3 * len(query)


def test_a_mutable_item_is_no_lever_either(crowd: Network) -> None:
    target = sign_item(SIGNER, b"y" * 900, 1).target()
    query = bytes(Query(b"aa", b"get", {b"id": b"s" * 20, b"target": target}))
    assert sum(map(len, received(crowd, Address("203.0.113.140", 1), query))) <= 3 * len(query)


def test_who_answers_the_ping_gets_everything_from_then_on(crowd: Network) -> None:
    query = bytes(Query(b"aa", b"get_peers", {b"id": b"z" * 20, b"info_hash": KEY}))
    first = [parse(data) for data in received(crowd, STRANGER, query, 0.1)]
    (short,) = [each for each in first if isinstance(each, Reply)]
    (ping,) = [each for each in first if isinstance(each, Query)]
    listed = short.values[b"values"]
    assert isinstance(listed, list)
    assert 0 < len(listed) < 40
    assert b"token" in short.values
    crowd.send(STRANGER, GRAPE, bytes(Reply(ping.transaction, {b"id": b"z" * 20}, GRAPE)))
    crowd.run(0.1)
    (whole,) = [parse(data) for data in received(crowd, STRANGER, query, 0.1)]
    assert isinstance(whole, Reply)
    peers = whole.values[b"values"]
    assert isinstance(peers, list)
    assert len(peers) == 40
    assert crowd.nodes[GRAPE].statistics().cut >= 1


def test_a_token_is_a_proof_too(crowd: Network) -> None:
    source = Address("203.0.113.200", 7)
    query = bytes(Query(b"aa", b"get_peers", {b"id": b"w" * 20, b"info_hash": KEY}, read_only=True))
    (reply,) = [each for data in received(crowd, source, query, 0.1) if isinstance(each := parse(data), Reply)]
    write: Fields = {b"id": b"w" * 20, b"info_hash": b"other", b"port": 9, b"token": reply.values[b"token"]}
    received(crowd, source, bytes(Query(b"bb", b"announce_peer", write, read_only=True)), 0.1)
    (whole,) = [each for data in received(crowd, source, query, 0.1) if isinstance(each := parse(data), Reply)]
    peers = whole.values[b"values"]
    assert isinstance(peers, list)
    assert len(peers) == 40


def test_what_is_cut_is_the_end_of_lists_and_an_item_whole() -> None:
    nodes, peers = bytes(20 * NODE_BYTES), [pack_peer(Address("192.0.2.1", port)) for port in range(1, 41)]
    shorter = cut({b"nodes": nodes}, 27)[b"nodes"]
    assert isinstance(shorter, bytes)
    assert len(shorter) == 18 * NODE_BYTES
    assert cut({b"values": [*peers]}, 9)[b"values"] == peers[:38]
    assert cut({b"values": [*peers]}, 10_000)[b"values"] == []
    item = cut({b"v": b"x" * 900, b"k": b"k" * 32, b"sig": b"s" * 64, b"seq": 1, b"nodes": nodes, b"token": b"t"}, 950)
    assert set(item) == {b"nodes", b"token"}
    assert item[b"nodes"] == nodes


def test_a_proof_ages_and_the_table_is_bounded() -> None:
    proven = Proven()
    proven.add(STRANGER, 0.0)
    assert (STRANGER, PROVEN_FOR - 1) in proven
    assert (STRANGER, PROVEN_FOR) not in proven
    for number in range(PROVEN_MAX + 100):
        proven.add(Address(f"10.0.{number // 250}.{number % 250}", 1), 0.0)
    assert len(proven) == PROVEN_MAX
    assert (Address("10.0.0.0", 1), 0.0) not in proven


def test_one_host_proves_a_few_hundred_of_its_ports_at_most() -> None:
    proven = Proven()
    proven.add(STRANGER, 0.0)
    for port in range(1, 65536):
        proven.add(Address("192.0.2.1", port), 0.0)
    assert len(proven) == 1 + PROVEN_PER_HOST
    assert (STRANGER, 0.0) in proven

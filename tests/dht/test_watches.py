"""News of a key: who asks to hear of new peers hears of them, with few packets, and nobody else is told anything."""

from random import Random
from unittest.mock import patch

from core.dht import DhtConfig, Node, PeersFound
from core.dht.events import News, Watching
from core.dht.watches import (
    COOKIE_BYTES,
    LEASE,
    MAX_WATCHERS_OF_BOTH,
    MAX_WATCHERS_PER_HOST,
    MAX_WATCHERS_PER_KEY,
    TOLD_EVERY,
    Watch,
    Watchers,
)
from core.values import Address
from core.wire.krpc import Query, Reply, parse
from tests.dht.net import Network
from tests.support.interpreted import interpreted

KEY = b"fibonacci_consumer"
SOMEBODY = Address("127.0.0.1", 5000)
COOKIE = b"c" * COOKIE_BYTES


def host(number: int, port: int = 20001) -> Address:
    return Address(f"192.0.2.{number}", port)


def grown(count: int) -> tuple[Network, list[Address]]:
    """Return a network of so many nodes, each on a host of its own, that know one another."""
    network, addresses = Network(), [host(number) for number in range(1, count + 1)]
    for address in addresses:
        network.add(address, addresses[:1])
    network.run(90.0)
    return network, addresses


def watch(network: Network, address: Address) -> Watching:
    ended = network.finish(address, network.nodes[address].watch(KEY, network.now))
    assert isinstance(ended, Watching)
    return ended


def news(network: Network, address: Address) -> int:
    return sum(event == News(KEY) for event in network.events[address])


def test_a_watcher_is_told_of_a_newcomer_and_not_of_a_renewal() -> None:
    network, addresses = grown(6)
    watcher, comer = addresses[4], addresses[5]
    assert watch(network, watcher).granted
    network.finish(comer, network.nodes[comer].announce(KEY, SOMEBODY, network.now))
    network.run(0.1)
    assert news(network, watcher) == 3, "the two that were asked to tell, and our own, which stores it too"
    assert watch(network, watcher).peers == (Address(comer.host, SOMEBODY.port),)
    before = news(network, watcher)
    network.run(TOLD_EVERY + 0.1)
    network.finish(comer, network.nodes[comer].announce(KEY, SOMEBODY, network.now))
    network.run(5.0)
    assert news(network, watcher) == before


def test_a_renewal_costs_two_queries_and_a_lease_that_is_not_renewed_ends() -> None:
    network, addresses = grown(8)
    watcher, comer = addresses[6], addresses[7]
    watch(network, watcher)
    before = network.sent
    assert watch(network, watcher).granted
    assert network.sent - before == 4
    network.run(LEASE + 1.0)
    network.finish(comer, network.nodes[comer].announce(KEY, SOMEBODY, network.now))
    network.run(5.0)
    assert news(network, watcher) == 1, "our own store alone"


def test_what_is_announced_with_our_own_node_is_news_too() -> None:
    network, addresses = grown(3)
    watch(network, addresses[0])
    network.nodes[addresses[0]].announce(KEY, SOMEBODY, network.now)
    network.run(1.0)
    assert news(network, addresses[0]) >= 1


def test_who_watches_in_somebody_elses_name_gets_nothing() -> None:
    network, addresses = grown(3)
    liar, victim = host(66), host(77)
    told = network.ask(liar, addresses[0], b"get_peers", {b"info_hash": KEY, b"w": COOKIE})
    assert isinstance(told, Reply)
    assert b"w" not in told.values, "no token: it may not be there at all"
    arguments = {b"info_hash": KEY, b"w": COOKIE, b"token": told.values[b"token"], b"id": b"s" * 20}
    network.send(victim, addresses[0], bytes(Query(b"aa", b"get_peers", arguments, read_only=True)))
    network.run(0.1)
    before = len(network.strangers[victim])
    network.finish(addresses[1], network.nodes[addresses[1]].announce(KEY, SOMEBODY, network.now))
    network.run(5.0)
    assert len(network.strangers[victim]) == before, "a token is of the host that it was sent to"


def test_news_that_nobody_asked_for_are_ignored_and_not_answered() -> None:
    network, addresses = grown(2)
    watch(network, addresses[0])
    network.run(1.0)
    before = network.sent
    network.send(host(66), addresses[0], bytes(Query(b"aa", b"news", {b"id": b"s" * 20, b"w": COOKIE})))
    network.run(1.0)
    assert network.sent - before == 1
    assert news(network, addresses[0]) == 0


def test_watchers_are_bounded_by_host_and_by_key_and_told_once_a_second() -> None:
    watchers = Watchers()
    for number in range(2 * MAX_WATCHERS_PER_HOST):
        watchers.add(b"key %d" % number, host(1), COOKIE, 0.0)
    assert len(watchers) == MAX_WATCHERS_PER_HOST
    leases = [watchers.add(KEY, host(2 + number), COOKIE, 0.0) for number in range(MAX_WATCHERS_PER_KEY + 1)]
    assert leases == [LEASE] * MAX_WATCHERS_PER_KEY + [0]
    watchers.news(KEY, 1.0)
    assert len(watchers.take_due(1.0)) == MAX_WATCHERS_PER_KEY
    watchers.news(KEY, 1.5)
    assert watchers.take_due(1.5) == []
    assert watchers.deadline() == 1.0 + TOLD_EVERY
    assert len(watchers.take_due(2.0)) == MAX_WATCHERS_PER_KEY
    assert watchers.add(KEY, host(99), COOKIE, LEASE + 1.0) == LEASE, "those whose lease is over make room"


def test_where_nobody_tells_one_after_the_other_is_asked() -> None:
    turn, tokens = Watch(COOKIE), list(range(5))
    assert turn.pick(tokens) == [0, 1]
    turn.asked(2, 0)
    found = []
    for _ in range(5):
        found += turn.pick(tokens)
        turn.asked(1, 0)
    assert found == [2, 3, 4, 0, 1]
    turn.asked(1, 1)
    assert turn.pick(tokens) == [0, 1]


def test_a_client_behind_a_nat_asks_not_to_be_asked_and_writes_to_few() -> None:
    network, addresses = grown(12)
    inside = Address("198.51.100.9", 20001)  # as the others see it; its own address is another

    def client() -> Node:
        return Node(DhtConfig(), Random(3), network.now, local_address=lambda to: "192.168.1.7", client=True)

    node = network.nodes[inside] = client()
    node.bootstrap(addresses[:1], network.now)
    network.run(90.0)
    assert node.observed() == inside
    seen: list[Query] = []
    send = network.send

    def tap(source: Address, to: Address, datagram: bytes) -> None:
        message = parse(datagram)
        if source == inside and isinstance(message, Query):
            seen.append(message)
        send(source, to, datagram)

    network.send = tap  # type: ignore[method-assign]
    network.finish(inside, node.announce(KEY, SOMEBODY, network.now))
    assert all(query.read_only for query in seen)
    assert sum(query.method == b"announce_peer" for query in seen) == 8
    asker = host(66)
    network.send(asker, inside, bytes(Query(b"aa", b"ping", {b"id": b"s" * 20})))
    network.run(1.0)
    assert network.strangers[asker] == [], "BEP 43: it answers nobody outside"
    network.run(400.0)
    assert not any(network.nodes[address].knows(inside) for address in addresses)
    network.finish(inside, node.announce(KEY, SOMEBODY, network.now))
    found = network.finish(addresses[3], network.nodes[addresses[3]].lookup(KEY, network.now))
    assert isinstance(found, PeersFound)
    assert found.peers == (Address(inside.host, SOMEBODY.port),)


def test_one_host_leaves_places_of_a_key_to_others() -> None:
    watchers = Watchers()
    for port in range(1, 100):
        watchers.add(KEY, host(1, port), COOKIE, 0.0)
    assert len(watchers) == MAX_WATCHERS_OF_BOTH
    for number in range(10, 16):
        for port in range(1, 20):
            watchers.add(KEY, host(number, port), COOKIE, 0.0)
    assert len(watchers) == MAX_WATCHERS_PER_KEY
    assert [watchers.add(KEY, host(20 + number), COOKIE, 0.0) for number in range(20)] == [LEASE] * 20
    assert len(watchers) == MAX_WATCHERS_PER_KEY
    watchers.news(KEY, 1.0)
    told = [source for source, _ in watchers.take_due(1.0)]
    assert set(told) >= {host(20 + number) for number in range(20)}
    assert len(told) == MAX_WATCHERS_PER_KEY


@interpreted
def test_who_is_due_is_not_looked_for_among_all() -> None:
    """2,000 watchers that were due cost 0.6 ms for each packet that came: 1,600 packets a second were all there was."""
    watchers = Watchers()
    for number in range(2000):
        watchers.add(b"key %d" % (number // 60), Address(f"192.0.{number // 60}.1", number + 1), COOKIE, 0.0)
    for key in range(34):
        watchers.news(b"key %d" % key, 0.0)
    watchers.take_due(0.0)
    for key in range(34):
        watchers.news(b"key %d" % key, 0.5)
    with patch.object(type(watchers._all), "get", side_effect=AssertionError("one of them is looked at")):
        assert watchers.take_due(0.9) == []
        assert watchers.deadline() == TOLD_EVERY


def test_a_watcher_that_went_and_came_again_is_told_once() -> None:
    watchers = Watchers()
    watchers.add(KEY, host(1), COOKIE, 0.0)
    watchers.news(KEY, 0.0)
    watchers.drop(KEY, host(1))
    watchers.add(KEY, host(1), COOKIE, 0.0)
    assert watchers.take_due(0.0) == []
    watchers.news(KEY, 1.0)
    assert watchers.take_due(1.0) == [(host(1), COOKIE)]
    assert watchers.deadline() is None

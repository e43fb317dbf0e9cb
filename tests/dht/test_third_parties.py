"""A hostile network for ten minutes: whatever it answers and forges, we are no weapon against a third party."""

from collections import defaultdict
from collections.abc import Sequence
from random import Random

import pytest

from core.dht import Node, PeersFound
from core.dht.events import DhtEvent
from core.values import Address, Buffer, Burst
from core.wire.bencoding import Bencoded
from core.wire.compact import Contact, pack_nodes
from core.wire.krpc import Query, Reply, parse
from tests.dht.net import DELAY, Network
from tests.support.samples import some

US = Address("198.51.100.1", 20001)
VICTIM = "203.0.113.9"
NEIGHBOUR = "192.168.1.8"  # in our own network: only we could reach it
LONG = 600  # seconds
SHORT = 60
MIDDLING = 180  # longer than an address stays in doubt
PAUSE = 3  # seconds between our searches


class Hostile:
    """A node that names victims in every answer, with ids beside whatever is searched for; in the shape of a Node."""

    def __init__(self, network: "Recorded", address: Address, victims: Sequence[str]) -> None:
        self._network = network
        self._address = address
        self._victims = victims
        self._out: dict[Address, list[bytes]] = defaultdict(list)

    def receive(self, datagrams: Sequence[Buffer], source: Address, now: float) -> None:
        for datagram in datagrams:
            message = parse(bytes(datagram))
            if isinstance(message, Query):
                reply: dict[bytes, Bencoded] = {
                    b"id": self._own_id(),
                    b"token": b"token",
                    b"nodes": self._lies(message),
                }
                self._out[source].append(bytes(Reply(message.transaction, reply, source)))

    def _own_id(self) -> bytes:
        return Random(str(self._address)).randbytes(20)

    def _lies(self, query: Query) -> bytes:
        random = self._network.random
        target = query.arguments.get(b"info_hash") or query.arguments.get(b"target") or b""
        near = (bytes(target) if isinstance(target, bytes) else b"").ljust(20, b"\0")[:18]
        return pack_nodes(
            Contact(near + random.randbytes(2), Address(random.choice(self._victims), random.choice([53, *PORTS])))
            for _ in range(64)
        )

    def transmit(self, now: float) -> list[Burst]:
        out, self._out = self._out, defaultdict(list)
        return [Burst(to, datagrams) for to, datagrams in out.items()]

    def tick(self, now: float) -> None:
        pass

    def deadline(self) -> float | None:
        return None

    def events(self) -> list[DhtEvent]:
        return []


PORTS = range(1024, 3000)


class Recorded(Network):
    """Notes what we send, where and when, and how much the hostile nodes have sent."""

    def __init__(self, victims: Sequence[str] = (VICTIM,)) -> None:
        super().__init__()
        self.times: dict[str, list[float]] = defaultdict(list)  # of our datagrams, by host
        self.bytes: dict[str, int] = defaultdict(int)
        self.attackers_bytes = 0
        self.us: Node = self.add(US, [Address("198.51.100.200", 20001)])
        for number in range(6):
            address = Address(f"198.51.{100 + number}.200", 20001)
            self.nodes[address] = Hostile(self, address, victims)  # type: ignore[assignment]
            self.send(address, US, bytes(Query(b"hi", b"find_node", {b"id": self._id(address), b"target": b"t" * 20})))

    @staticmethod
    def _id(address: Address) -> bytes:
        return Random(str(address)).randbytes(20)

    def send(self, source: Address, to: Address, datagram: bytes) -> None:
        if source == US:
            self.times[to.host].append(self.now)
            self.bytes[to.host] += len(datagram)
        else:
            self.attackers_bytes += len(datagram)
        super().send(source, to, datagram)


def holds(times: Sequence[float]) -> bool:
    """Whether there are never more than 20 packets beyond two a second, in any span of time."""
    owed, last = 0.0, 0.0
    for moment in times:
        owed = max(0.0, owed - 2 * (moment - last)) + 1
        last = moment
        if owed > 20:
            return False
    return True


def attack(network: Recorded, seconds: int, forged: Sequence[Query] = (), a_second: int = 0) -> None:
    for second in range(seconds):
        if second % PAUSE == 0:
            network.us.lookup(b"name %d" % (second % 50), network.now)
        for number in range(a_second):
            source = Address(VICTIM, PORTS[(second * a_second + number) % len(PORTS)])
            network.send(source, US, bytes(forged[number % len(forged)]))
        network.run(1.0)


@pytest.mark.parametrize("seconds", [MIDDLING, pytest.param(LONG, marks=pytest.mark.slow)])
def test_whom_hostile_nodes_name_gets_few_packets(seconds: int) -> None:
    network = Recorded()
    attack(network, seconds)
    assert network.us.nodes() >= 5  # they are in our table, and asked in every search
    assert network.times[VICTIM]
    assert holds(network.times[VICTIM])
    assert network.bytes[VICTIM] <= 3 * network.attackers_bytes


def test_a_whole_network_of_victims_gets_no_more_bytes_than_three_times_the_attackers() -> None:
    victims = [f"203.0.{number // 200}.{number % 200}" for number in range(4000)]
    network = Recorded(victims)
    attack(network, SHORT)
    assert all(holds(network.times[victim]) for victim in victims)
    assert sum(network.bytes[victim] for victim in victims) <= 3 * network.attackers_bytes
    assert sum(len(network.times[victim]) for victim in victims) <= 500 + 50 * SHORT


@pytest.mark.parametrize(
    "method", some([b"get_peers", b"ping", b"find_node", b"get", b"announce_peer", b"nonsense"], 6)
)
def test_whose_address_is_forged_gets_few_packets(method: bytes) -> None:
    arguments = {b"id": b"f" * 20, b"target": b"t" * 20, b"info_hash": b"t" * 20, b"port": 1, b"token": b"forged"}
    network = Recorded()
    attack(network, SHORT, [Query(b"xx", method, arguments)], 20)  # type: ignore[arg-type]
    assert holds(network.times[VICTIM])
    assert network.bytes[VICTIM] <= 3 * network.attackers_bytes


@pytest.mark.parametrize("victim", some([NEIGHBOUR, "127.0.0.1", "10.0.0.1", "100.64.0.9"], 2))
def test_addresses_nearer_than_the_node_that_names_them_are_not_asked(victim: str) -> None:
    network = Recorded([victim])
    attack(network, SHORT)
    assert network.times[victim] == []


def test_a_silent_address_is_asked_with_one_packet_and_then_left_alone_for_longer_and_longer() -> None:
    network = Network()
    lone = Address(VICTIM, 20001)
    middle = Address("198.51.100.200", 20001)
    nodes = pack_nodes([Contact(b"n" * 20, lone)])

    class OneLie(Hostile):
        def _lies(self, query: Query) -> bytes:
            return nodes

    network.nodes[middle] = OneLie(network, middle, ())  # type: ignore[assignment,arg-type]
    us = network.add(US, [middle])
    network.run(3.0)
    assert len(network.strangers[lone]) == 1
    for _ in range(600):
        us.lookup(b"name", network.now)
        network.run(1.0)
    assert 5 <= len(network.strangers[lone]) <= 12


def test_honest_strangers_are_all_asked() -> None:
    """Eight grapes on one host, and dozens of hosts: the first search among them finds what they have."""
    network = Network()
    first = Address("203.0.113.1", 20001)
    others = [Address("203.0.113.1", 20002 + n) for n in range(7)]
    others += [Address(f"203.0.{n + 1}.5", 20001) for n in range(40)]
    for address in (first, *others):
        network.add(address, [] if address == first else [first])
        network.run(0.05)
    network.run(10.0)
    host = others[-1]
    network.finish(host, network.nodes[host].announce(b"svc", Address("203.0.40.5", 1337), network.now))
    us = network.add(US, [first])
    started = network.now
    found = network.finish(US, us.lookup(b"svc", network.now))
    assert isinstance(found, PeersFound)
    assert found.peers == (Address("203.0.40.5", 1337),)
    assert network.now - started < 40 * DELAY

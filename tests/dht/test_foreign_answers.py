"""What a node makes of the answers of other implementations: a scripted node at an address without one of ours."""

from core.dht import Node, PeersFound
from core.values import Address
from core.wire.compact import Contact, pack_nodes, pack_peer
from core.wire.krpc import Error, Fields, Query, Reply, parse
from tests.dht.net import Network, loopback

HERE = Address("192.168.1.5", 20001)
THERE = Address("192.168.1.9", 20001)
THEIR_ID = b"t" * 20


class Scripted:
    """Answers every query that reaches `address` with the values set for its method, until `run` returns."""

    def __init__(self, network: Network, address: Address, **answers: Fields) -> None:
        self.network = network
        self.address = address
        self.answers = answers
        self.queries: list[Query] = []
        self._read = 0

    def run(self, seconds: float) -> None:
        """Let time pass, answering."""
        for _ in range(round(seconds / 0.005)):
            self.network.run(0.005)
            for raw in self.network.strangers[self.address][self._read :]:
                self._read += 1
                query = parse(raw)
                if isinstance(query, Query):
                    self.queries.append(query)
                    self._answer(query)

    def _answer(self, query: Query) -> None:
        answer = self.answers.get(query.method.decode())
        reply = (
            Error(query.transaction, 204) if answer is None else Reply(query.transaction, {b"id": THEIR_ID, **answer})
        )
        self.network.send(self.address, HERE, bytes(reply))


def lookup(network: Network, node: Node, there: Scripted) -> tuple[Address, ...]:
    """Look a name up and return the peers found."""
    operation = node.lookup(b"name", network.now)
    there.run(5.0)
    (event,) = [event for event in network.events[HERE] if event.operation == operation]
    assert isinstance(event, PeersFound)
    return event.peers


def test_another_machines_loopback_peer_is_at_that_machine() -> None:
    network = Network()
    values: Fields = {b"token": b"t" * 20, b"values": [pack_peer(loopback(4000)), pack_peer(Address("192.168.1.7", 1))]}
    there = Scripted(network, THERE, find_node={b"nodes": b""}, get_peers=values)
    node = network.add(HERE, [THERE])
    assert lookup(network, node, there) == (Address(THERE.host, 4000), Address("192.168.1.7", 1))


def test_unusable_peers_are_left_out() -> None:
    network = Network()
    peers = [Address("0.0.0.0", 5), Address("224.0.0.1", 5), Address("192.168.1.7", 0), Address("192.168.1.7", 7)]
    values: Fields = {b"token": b"t" * 20, b"values": [*map(pack_peer, peers), b"x" * 18, 5]}
    there = Scripted(network, THERE, find_node={b"nodes": b""}, get_peers=values)
    node = network.add(HERE, [THERE])
    assert lookup(network, node, there) == (Address("192.168.1.7", 7),)


def test_another_machines_loopback_nodes_are_not_asked() -> None:
    network = Network()
    nodes = pack_nodes([Contact(b"u" * 20, loopback(9)), Contact(b"v" * 20, Address("192.168.1.8", 2009))])
    there = Scripted(network, THERE, find_node={b"nodes": nodes}, get_peers={b"nodes": nodes})
    network.add(HERE, [THERE])
    there.run(3.0)
    assert network.strangers[loopback(9)] == []
    assert network.strangers[Address("192.168.1.8", 2009)] != []


def test_one_answer_cannot_make_us_ask_hundreds() -> None:
    network = Network()
    crowd = [Contact(b"%020d" % port, Address(f"192.168.{port % 250}.8", 2000 + port)) for port in range(1, 300)]
    there = Scripted(network, THERE, find_node={b"nodes": pack_nodes(crowd)})
    node = network.add(HERE, [THERE])
    there.run(30.0)
    asked = sum(len(network.strangers[contact.address]) > 0 for contact in crowd)
    assert 20 <= asked <= 64
    assert node.nodes() == 1


def test_a_node_that_takes_nothing_is_not_counted() -> None:
    network = Network()
    there = Scripted(network, THERE, find_node={b"nodes": b""}, get_peers={b"token": b"t" * 20, b"nodes": b""})
    node = network.add(HERE, [THERE])
    there.run(1.0)
    operation = node.announce(b"name", loopback(4000), network.now)
    there.run(1.0)
    assert [query.arguments for query in there.queries if query.method == b"announce_peer"] == [
        {b"id": node.id, b"info_hash": b"name", b"port": 4000, b"implied_port": 0, b"token": b"t" * 20}
    ]
    (event,) = [event for event in network.events[HERE] if event.operation == operation]
    assert getattr(event, "nodes", None) == 1  # only we stored it
    assert node.nodes() == 1  # an error is an answer, too


def test_a_query_in_flight_is_sent_twice_at_most() -> None:
    network = Network()
    network.add(HERE, [THERE])
    network.run(2.9)
    (first, second) = network.strangers[THERE]
    assert first == second

"""A simulated network of DHT nodes on a hand-moved clock: same seed, same trace."""

import heapq
import itertools
from collections import defaultdict
from collections.abc import Callable, Sequence
from random import Random

from core.dht import DhtConfig, DhtEvent, Node, OperationId
from core.values import Address
from core.wire.bencoding import Bencoded
from core.wire.krpc import Error, Query, Reply, parse

DELAY = 0.01  # seconds, one way


def loopback(port: int) -> Address:
    """Return 127.0.0.1 with this port."""
    return Address("127.0.0.1", port)


class Network:
    """Carries datagrams between nodes, losing a `loss` part of them; `now` moves only in `run`."""

    def __init__(self, seed: int = 1, loss: float = 0.0) -> None:
        self.now = 0.0
        self.random = Random(seed)
        self.loss = loss
        self.nodes: dict[Address, Node] = {}
        self.events: dict[Address, list[DhtEvent]] = defaultdict(list)
        self.strangers: dict[Address, list[bytes]] = defaultdict(list)  # what reached addresses without a node
        self.sent = 0
        self._order = itertools.count()
        self._wire: list[tuple[float, int, Address, Address, bytes]] = []

    def add(
        self,
        address: Address,
        bootstrap: Sequence[Address] = (),
        *,
        config: DhtConfig | None = None,
        node_id: bytes | None = None,
        local_address: Callable[[Address], str | None] = lambda requester: None,
    ) -> Node:
        """Start a node; it takes the place of an earlier one at this address."""
        node = Node(
            config or DhtConfig(), Random(self.random.random()), self.now, node_id=node_id, local_address=local_address
        )
        self.nodes[address] = node
        node.bootstrap(bootstrap, self.now)
        self._collect()
        return node

    def remove(self, address: Address) -> None:
        """Kill the node at `address`: it falls silent."""
        del self.nodes[address]

    def send(self, source: Address, to: Address, datagram: bytes) -> None:
        """Put a datagram on the wire."""
        self.sent += 1
        if self.random.random() >= self.loss:
            heapq.heappush(self._wire, (self.now + DELAY, next(self._order), source, to, datagram))

    def run(self, seconds: float) -> None:
        """Let that much time pass."""
        end = self.now + seconds
        while True:
            self._collect()
            moments = [deadline for node in self.nodes.values() if (deadline := node.deadline()) is not None]
            if self._wire:
                moments.append(self._wire[0][0])
            upcoming = min(moments, default=end)
            if upcoming > end:
                self.now = end
                return
            self.now = max(self.now, upcoming)
            self._deliver()
            for node in self.nodes.values():
                node.tick(self.now)

    def finish(self, address: Address, operation: OperationId, seconds: float = 30.0) -> DhtEvent:
        """Run until the operation of the node at `address` ended, and return its event."""
        end = self.now + seconds
        while True:
            self._collect()
            found = [event for event in self.events[address] if event.operation == operation]
            if found:
                return found[0]
            if self.now >= end:
                raise AssertionError(f"operation {operation} of {address} did not end within {seconds} s")
            self.run(DELAY / 2)

    def ask(
        self, source: Address, to: Address, method: bytes, arguments: dict[bytes, Bencoded], node_id: bytes = b"s" * 20
    ) -> Reply | Error:
        """Send a query from an address without a node and return the answer."""
        before = len(self.strangers[source])
        query = Query(b"qq", method, {b"id": node_id, **arguments}, read_only=True)
        self.send(source, to, bytes(query))
        self.run(4 * DELAY)
        answers = [parse(datagram) for datagram in self.strangers[source][before:]]
        (answer,) = [answer for answer in answers if isinstance(answer, Reply | Error)]
        return answer

    def _deliver(self) -> None:
        while self._wire and self._wire[0][0] <= self.now:
            _, _, source, to, datagram = heapq.heappop(self._wire)
            node = self.nodes.get(to)
            if node is None:
                self.strangers[to].append(datagram)
            else:
                node.receive([datagram], source, self.now)

    def _collect(self) -> None:
        for address, node in self.nodes.items():
            for burst in node.transmit(self.now):
                for datagram in burst.datagrams:
                    self.send(address, burst.to, datagram)
            self.events[address].extend(node.events())


def grow(network: Network, count: int, seconds: float = 10.0, *, config: DhtConfig | None = None) -> list[Address]:
    """Start `count` nodes that all bootstrap off the first, and let them meet."""
    addresses = [loopback(20001 + number) for number in range(count)]
    for address in addresses:
        network.add(address, [] if address == addresses[0] else addresses[:1], config=config)
        network.run(0.1)
    network.run(seconds)
    return addresses

"""Grapes in both networks, in one of them, and old ones, on the simulated network of `tests.dht.net`."""

from collections.abc import Sequence
from random import Random

from core.dht import DhtConfig, DualNode, Node
from core.scope import is_six
from core.values import Address
from core.wire.krpc import Query, Reply, parse
from tests.dht.net import Network


def four(number: int) -> Address:
    """Return the IPv4 address of a machine on the Internet."""
    return Address(f"198.51.{number}.5", 20001)


def six(number: int) -> Address:
    """Return its IPv6 address."""
    return Address(f"2001:db8:{number:x}::5", 20001)


class Machines(Network):
    """Machines by number; each has an address of either kind or both. `log`: what left, by destination."""

    def __init__(self, seed: int = 1) -> None:
        super().__init__(seed)
        self.places: dict[int, tuple[Address | None, Address | None]] = {}
        self.grapes: dict[int, Node | DualNode] = {}
        self.log: list[tuple[Address, Address, bytes]] = []

    def start(
        self, number: int, bootstrap: Sequence[Address] = (), *, v4: bool = True, v6: bool = True, old: bool = False,
        client: bool = False, own: tuple[Address, Address] | None = None,
    ) -> Node | DualNode:  # fmt: skip
        """Start a grape. `old`: it knows IPv4 only. `own`: where it is, else on the Internet."""
        here = (four(number), six(number)) if own is None else own
        random, config = Random(self.random.random()), DhtConfig()
        at_4 = Node(config, random, self.now, local_address=lambda _: here[0].host, client=client)
        grape: Node | DualNode = at_4
        if not old:
            at_6 = Node(config, random, self.now, local_address=lambda _: here[1].host, client=client, beside=at_4)
            at_6.place = lambda requester: here[1] if v6 else None
            grape = DualNode(at_4, at_6)
        self.grapes[number] = grape
        self.places[number] = (here[0] if v4 else None, here[1] if v6 and not old else None)
        for address in self.places[number]:
            if address is not None:
                self.nodes[address] = grape  # type: ignore[assignment]
        grape.bootstrap(bootstrap, self.now)
        self._collect()
        return grape

    def send(self, source: Address, to: Address, datagram: bytes) -> None:
        """See Network."""
        self.log.append((source, to, datagram))
        super().send(source, to, datagram)

    def _collect(self) -> None:
        for number, grape in self.grapes.items():
            at_4, at_6 = self.places[number]
            for burst in grape.transmit(self.now):
                source = at_6 if is_six(burst.to.host) else at_4
                if source is not None:  # without an address of that kind nothing leaves
                    for datagram in burst.datagrams:
                        self.send(source, burst.to, datagram)
            known = at_4 or at_6
            assert known is not None
            self.events[known].extend(grape.events())

    def said_to(self, address: Address) -> list[Query | Reply]:
        """Return the questions and answers that left for an address so far."""
        found = [parse(datagram) for _, to, datagram in self.log if to == address]
        return [each for each in found if isinstance(each, Query | Reply)]

"""People in the simulated public DHT: each a node with an exchange, and what came of it."""

from collections.abc import Sequence
from random import Random

from core.identity.identity import Identity
from core.mainline.node import MainlineNode
from core.mainline.post import Post
from core.mainline.thrift import RING, Use
from core.signal.exchange import Exchange
from core.signal.keys import PURPOSE, bell
from core.signal.wishes import Contact, Located, Rung, SignalEvent
from core.values import Address, Burst
from tests.mainline.cloud import Cloud

START = 1_800_000_000 + 900  # Unix seconds of the cloud's beginning: a quarter past an hour


class Person:
    """A Machine of the cloud: node, exchange and post together. `skew` seconds is how wrong the clock is."""

    def __init__(self, cloud: Cloud, number: int, *, skew: float = 0.0, seeds: int = 4) -> None:
        self.cloud = cloud
        self.skew = skew
        self.address = Address(f"11.{number // 250}.{number % 250}.2", 40000 + number)
        self.identity = Identity.from_secret(number.to_bytes(32))
        self.peer_id = self.identity.peer_id
        self.node = MainlineNode(Random(number), cloud.now)
        self.exchange = Exchange(Random(number), lambda day: bell(self.identity.secret, day))
        self.exchange.be_at([self.address], 1)
        self.post = Post(self.node, self.exchange, self.address.port)
        self.told: list[tuple[float, SignalEvent]] = []
        self._tick_at = cloud.now
        cloud.clients[self.address] = self
        self.node.join(cloud.living(seeds), cloud.now)

    def know(self, *others: "Person") -> None:
        self.exchange.know(
            Contact(each.peer_id, self.identity.agree(each.peer_id, PURPOSE), self.peer_id.key, each.peer_id.key)
            for each in others
        )

    def call(self, other: "Person") -> None:
        self.exchange.call(other.peer_id, self.cloud.now, self.clock())
        self._tick_at = self.cloud.now

    def clock(self) -> float:
        return START + self.cloud.now + self.skew

    def rung(self) -> list[tuple[float, Address]]:
        return [(at, each.address) for at, each in self.told if isinstance(each, Rung)]

    def located(self) -> list[tuple[float, Located]]:
        return [(at, each) for at, each in self.told if isinstance(each, Located)]

    # -- as a client of the cloud

    def receive(self, datagrams: Sequence[bytes], source: Address, now: float) -> None:
        self.node.receive(datagrams, source, now)
        self._step(now)

    def tick(self, now: float) -> None:
        self.node.tick(now)
        if now >= self._tick_at:
            self._tick_at = now + 0.25
            self.exchange.tick(now, self.clock())
        self._step(now)

    def deadline(self) -> float | None:
        return min(self.node.deadline() or self._tick_at, self._tick_at)

    def transmit(self, now: float) -> list[Burst]:
        return self.node.transmit(now)

    def _step(self, now: float) -> None:
        for event in self.node.events():
            self.post.take(event, now, self.clock())
        for told in self.exchange.events():
            self.told.append((now, told))
            if isinstance(told, Rung) and self.node.thrift.may(Use.RINGS, now):  # as the public DHT of a peer does
                self.node.thrift.spend(Use.RINGS, RING, now)
                self.cloud.bytes[self.address] += RING
        self.post.step(now, self.clock())

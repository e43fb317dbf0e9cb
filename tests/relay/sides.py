"""Peers with lanes and uTP in the simulated Internet: what `core.net` does with them, without sockets."""

from collections.abc import Sequence
from functools import partial
from random import Random
from typing import Any

from core.peer_id import PeerId
from core.relay.config import LaneConfig, RelayConfig
from core.relay.events import Carried, LaneEvent, Moved
from core.relay.forwarder import Forwarder
from core.relay.keys import LinkKeys
from core.relay.lanes import Lanes
from core.utp.config import UtpConfig
from core.utp.connection import Connection
from core.utp.events import Incoming, Readable
from core.utp.mux import Mux
from core.values import Address, Buffer, Burst
from core.wire.relay_packet import BEAT, FROM_RELAY
from core.wire.utp_marks import Marks
from tests.sim.socket import SimulatedSocket
from tests.sim.world import World

ANN, BOB, FAY = (PeerId(bytes((number,)) * 32) for number in (1, 2, 3))
SECRET, SALT = bytes(range(32)), (b"a" * 16, b"b" * 16)
RELAY = Address("203.0.113.9", 9000)


class Side:
    """A machine: uTP over lanes over one socket."""

    def __init__(
        self, peer_id: PeerId, seed: int, own: Sequence[Address] = (), config: LaneConfig | None = None
    ) -> None:
        random = Random(seed)
        self.peer_id = peer_id
        self.own = list(own)
        self.asked: list[Address] = []
        self.mux = Mux(UtpConfig(marks=Marks.JOINS | Marks.PROBES), random)
        self.lanes = Lanes(config or LaneConfig(), random, lambda peer: self.own, self._may)
        self.told: list[LaneEvent] = []
        self.got = bytearray()
        self.accepted: list[Connection] = []
        self.now = 0.0

    def _may(self, address: Address, now: float, by: str) -> bool:
        self.asked.append(address)
        return True

    def receive(self, datagrams: Sequence[Buffer], source: Address, now: float) -> None:
        for each in datagrams:
            if each[0] in (BEAT, FROM_RELAY):
                self.lanes.receive([each], source, now)
            else:
                self._take(each, self.lanes.source(source, partial(self._knows, each)), now)
        self._settle(now)

    def _knows(self, datagram: Buffer, remote: Address) -> bool:
        return self.mux.knows(remote, datagram)

    def _take(self, datagram: Buffer, source: Address, now: float) -> None:
        self.mux.receive([datagram], source, now)

    def _settle(self, now: float) -> None:
        for event in self.lanes.events():
            if isinstance(event, Carried):
                for each in event.datagrams:
                    self._take(each, self.lanes.known_as(event.source, partial(self._knows, each)), now)
                continue
            self.told.append(event)
            if isinstance(event, Moved):
                for address in event.addresses:
                    self.mux.new_path(address, event.round_trip, now)
        for happened in self.mux.events():
            if isinstance(happened, Incoming):
                self.accepted.append(happened.connection)
            if isinstance(happened, Incoming | Readable):
                for chunk in happened.connection.read(now):
                    self.got += chunk

    def tick(self, now: float) -> None:
        self.lanes.tick(now)
        self.mux.tick(now)
        self._settle(now)

    def deadline(self) -> float | None:
        return min((at for at in (self.lanes.deadline(), self.mux.deadline()) if at is not None), default=None)

    def transmit(self, now: float) -> list[Burst]:
        bursts = [out for each in self.mux.transmit(now) if (out := self.lanes.out(each, now)) is not None]
        return [*bursts, *self.lanes.transmit(now)]

    def events(self) -> list[Any]:
        return []


class Scene:
    """Ann and Bob behind what `place` says, and Fay who passes on."""

    def __init__(self, world: World, ann: tuple[Any, str], bob: tuple[Any, str], config: RelayConfig | None = None,
                 lanes: LaneConfig | None = None) -> None:  # fmt: skip
        self.world = world
        self.relay = Forwarder(config or RelayConfig(), Random(7))
        world.host(RELAY.host).socket(RELAY.port, self.relay)
        self.ann, self.bob = Side(ANN, 1, config=lanes), Side(BOB, 2, config=lanes)
        self.sockets: list[SimulatedSocket] = []
        self.seen: dict[PeerId, Address] = {}
        for side, (place, host) in ((self.ann, ann), (self.bob, bob)):
            self.sockets.append(place.host(host).socket(5000, side))
        self.slots: tuple[bytes, bytes] = (b"", b"")

    def see(self) -> None:
        """Let the relay see where both are, as it would by their sessions."""
        seen: list[Address] = []
        original = self.relay.receive

        def look(datagrams: Sequence[Buffer], source: Address, now: float) -> None:
            seen.append(source)
            original(datagrams, source, now)

        self.relay.receive = look  # type: ignore[method-assign]
        for socket, peer in zip(self.sockets, (ANN, BOB), strict=True):
            socket.send(RELAY, b"?")
            self.world.run(self.world.now + 0.5)
            self.seen[peer] = seen[-1]
        self.relay.receive = original  # type: ignore[method-assign]

    def join(self) -> Address:
        """Give both a slot; return what stands for Bob at Ann's."""
        now = self.world.now
        joined = self.relay.join(
            (ANN, lambda: self.seen[ANN]), (BOB, lambda: self.seen[BOB]), now, trusted=True
        )  # fmt: skip
        assert joined is not None
        self.slots = joined.slots
        self.bob.lanes.open(ANN, FAY, lambda: RELAY, joined.slots[1], LinkKeys(SECRET, *SALT, first=False), now)
        return self.ann.lanes.open(BOB, FAY, lambda: RELAY, joined.slots[0], LinkKeys(SECRET, *SALT, first=True), now)

    def adopt(self, *, alive: bool = False) -> None:
        """Let the connections between both that run directly go by their lane too."""
        now = self.world.now
        self.ann.lanes.alias(BOB, self.seen[BOB], now, alive=alive)
        self.bob.lanes.alias(ANN, self.seen[ANN], now, alive=alive)

    def punch(self) -> None:
        """Open both routers for the other."""
        for socket, other in zip(self.sockets, (BOB, ANN), strict=True):
            socket.send(self.seen[other], b"?")
        self.world.run(self.world.now + 0.5)

    def join_again(self) -> None:
        """Give both a second slot each, with other keys."""
        now = self.world.now
        joined = self.relay.join(
            (ANN, lambda: self.seen[ANN]), (BOB, lambda: self.seen[BOB]), now, trusted=True
        )  # fmt: skip
        assert joined is not None
        salt = (b"c" * 16, b"d" * 16)
        self.bob.lanes.open(ANN, FAY, lambda: RELAY, joined.slots[1], LinkKeys(SECRET, *salt, first=False), now)
        self.ann.lanes.open(BOB, FAY, lambda: RELAY, joined.slots[0], LinkKeys(SECRET, *salt, first=True), now)

"""Two ends of a session's datagrams in the simulated network."""

from random import Random

from core.datagrams.config import DatagramConfig
from core.datagrams.events import Arrived
from core.datagrams.mux import Mux
from core.datagrams.path import Path
from core.values import Address
from core.wire.datagram_keys import EXPORTED_BYTES, DatagramKeys, split_keys
from tests.sim.link import Link
from tests.sim.nat import NatKind, NatTable
from tests.sim.socket import SimulatedSocket
from tests.sim.world import Nat, World

FLOW = 1


class Side:
    """A socket with one session; `heard` is what came, with its times."""

    def __init__(self, world: World, socket: SimulatedSocket, mux: Mux, path: Path, keys: DatagramKeys) -> None:
        self._world = world
        self._keys = keys
        self.socket, self.mux, self.path = socket, mux, path

    @property
    def heard(self) -> list[bytes]:
        return [event.data for _, event in self.socket.events if isinstance(event, Arrived)]

    def carry(self, flow: int = FLOW) -> None:
        """Let a stream send datagrams."""
        assert self.path.open_flow(flow, self._world.now)
        self._touch()

    def send(self, data: bytes, flow: int = FLOW) -> bool:
        taken = self.path.send(flow, data, self._world.now)
        self._touch()
        return taken

    def send_at(self, when: float, data: bytes) -> None:
        """Send a datagram later."""

        def send(now: float) -> None:
            self.send(data)

        self._world.at(when, send)

    def again(self) -> Path:
        """Open the session's side once more; only for one that has sent nothing."""
        path = self.mux.open(self._keys, self.path.remote)
        assert path is not None
        return path

    def _touch(self) -> None:
        self.mux.touch(self.path)
        self.socket.flush()


class Two:
    """`a` is behind a home router if `behind` is true, and `b` is on the public network."""

    def __init__(
        self, link: Link | None = None, *, seed: int = 1, config: DatagramConfig | None = None, behind: bool = False
    ) -> None:
        self.world = World(seed, link)
        self.kind = NatKind(preserves_ports=False)
        self.nat: Nat | None = self.world.nat("198.51.100.1", self.kind) if behind else None
        place = self.nat.host("192.168.1.2") if self.nat else self.world.host("192.0.2.1")
        exported = Random(seed).randbytes(EXPORTED_BYTES)
        there = Address("203.0.113.9", 6000)
        seen = Address("198.51.100.1", 1) if behind else Address("192.0.2.1", 5000)  # as b was told
        self.sides = []
        for host, port, remote, first in (
            (place, 5000, there, True), (self.world.host(there.host), there.port, seen, False),
        ):  # fmt: skip
            mux = Mux(config or DatagramConfig(), Random(seed + port))
            keys = split_keys(exported, initiator=first)
            path = mux.open(keys, remote)
            assert path is not None
            self.sides.append(Side(self.world, host.socket(port, mux), mux, path, keys))
        self.a, self.b = self.sides

    def settle(self, seconds: float = 5.0) -> None:
        self.world.run(until=self.world.now + seconds)

    def ready(self) -> "Two":
        """Open a flow at both ends, and run until both know that datagrams get through."""
        for side in self.sides:
            side.carry()
        self.settle()
        assert all(side.path.usable for side in self.sides)
        return self

    def rebind(self) -> None:
        """Let the router restart: it knows no mapping, and gives other ports."""
        assert self.nat is not None
        self.nat.table = NatTable(self.kind, self.world.random)

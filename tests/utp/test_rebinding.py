"""A live connection goes on when a NAT gives its peer another address, and only then."""

from dataclasses import dataclass, field
from random import Random

import pytest

from core.utp.config import UtpConfig
from core.utp.connection import Connection
from core.utp.events import Closed, Connected, Incoming, Moved, Readable, UtpEvent, Writable
from core.utp.mux import Mux
from core.values import Address
from tests.sim.link import Link
from tests.sim.nat import NatKind
from tests.sim.world import Nat, World

SERVER = Address("203.0.113.9", 7000)
ROUTER = "198.51.100.1"
HOME = "192.168.1.2"


@dataclass
class End:
    """A mux with one connection; what it has to send goes out as there is room, what comes is kept."""

    mux: Mux
    world: World
    connection: Connection | None = None
    received: bytearray = field(default_factory=bytearray)
    events: list[UtpEvent] = field(default_factory=list)
    outgoing: bytes = b""

    def on_event(self, event: UtpEvent) -> None:
        self.events.append(event)
        if isinstance(event, Incoming):
            self.connection = event.connection
        if isinstance(event, Readable):
            self.received += b"".join(event.connection.read(self.world.now))
        if isinstance(event, Writable | Connected | Incoming):
            self.push()

    def push(self) -> None:
        """Write what there is room for."""
        while self.connection is not None and self.outgoing:
            taken = self.connection.write(self.outgoing, self.world.now)
            self.outgoing = self.outgoing[taken:]
            if not taken:
                return

    def send(self, data: bytes) -> None:
        """Send all of `data`."""
        self.outgoing += data
        self.push()

    def of(self, kind: type[UtpEvent]) -> list[UtpEvent]:
        return [event for event in self.events if isinstance(event, kind)]


class Scene:
    """A client behind a router, connected to a server in public."""

    def __init__(self, seed: int = 1, *, loss: float = 0.0, kind: NatKind | None = None) -> None:
        self.world = World(seed, Link(delay=0.02, jitter=0.005, loss=loss, rate=2_000_000.0))
        self.router: Nat = self.world.nat(ROUTER, kind or NatKind(preserves_ports=False))
        self.client = End(Mux(UtpConfig(), Random(seed)), self.world)
        self.server = End(Mux(UtpConfig(), Random(seed + 1000)), self.world)
        host = self.router.host(HOME)
        self.home = host.socket(5000, self.client.mux, on_event=self.client.on_event)  # type: ignore[arg-type]
        public = self.world.host(SERVER.host)
        self.public = public.socket(SERVER.port, self.server.mux, on_event=self.server.on_event)  # type: ignore[arg-type]
        self.client.connection = self.client.mux.connect(SERVER, 0.0)
        assert self.until(lambda: self.server.connection is not None and bool(self.client.of(Connected)))

    def until(self, done: object, limit: float = 60.0) -> bool:
        """Run until it is done, for `limit` seconds at most."""
        return self.world.run_until(done, limit=self.world.now + limit)  # type: ignore[arg-type]

    @property
    def seen(self) -> Address:
        """Where the server has the client."""
        assert self.server.connection is not None
        return self.server.connection.remote

    def later(self, seconds: float) -> None:
        self.world.run(self.world.now + seconds)


def test_an_idle_connection_moves_at_the_next_word() -> None:
    scene = Scene()
    before = scene.seen
    scene.later(20.0)
    scene.router.table.flush()
    start = scene.world.now
    scene.client.send(b"question")
    assert scene.until(lambda: scene.server.received == b"question", limit=1.0)
    scene.server.send(b"answer")
    assert scene.until(lambda: scene.client.received == b"answer", limit=2.0)
    assert scene.seen != before
    assert scene.world.now - start < 0.3, "two round trips, not a timeout"
    moved = scene.server.of(Moved)
    assert [(event.old, event.new) for event in moved if isinstance(event, Moved)] == [(before, scene.seen)]
    assert scene.server.mux.statistics().moved == 1


@pytest.mark.parametrize("loss", [0.0, 0.1, 0.3])
@pytest.mark.parametrize("seed", range(10))
def test_a_transfer_both_ways_goes_on(seed: int, loss: float) -> None:
    scene = Scene(seed, loss=loss)
    there, back = Random(seed).randbytes(400_000), Random(seed + 1).randbytes(400_000)
    scene.client.send(there)
    scene.server.send(back)
    for _ in range(3):
        scene.later(0.3)
        scene.router.table.flush()
    both = lambda: len(scene.server.received) == len(there) and len(scene.client.received) == len(back)  # noqa: E731
    assert scene.until(both, limit=300.0)
    assert (bytes(scene.server.received), bytes(scene.client.received)) == (there, back)
    assert not scene.server.of(Closed) + scene.client.of(Closed)
    assert scene.server.mux.statistics().moved >= 1

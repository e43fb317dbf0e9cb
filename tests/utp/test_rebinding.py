"""A live connection goes on when a NAT gives its peer another address, and only then."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, field, replace
from random import Random

import pytest

from core.utp.config import UtpConfig
from core.utp.connection import Connection
from core.utp.events import Closed, Connected, Incoming, Moved, Readable, UtpEvent, Writable
from core.utp.mux import Mux
from core.values import Address, Buffer, Burst
from core.wire.utp_marks import Marks
from core.wire.utp_packet import Packet, PacketType, parse, seq_add
from tests.sim.link import Link
from tests.sim.nat import NatKind
from tests.sim.world import Nat, World
from tests.support.samples import some

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


class Tap:
    """A server's mux and what reaches it, as an attacker on the path sees it."""

    def __init__(self, mux: Mux) -> None:
        self.mux = mux
        self.heard: list[tuple[float, Address, bytes]] = []
        self.then: Callable[[Address, bytes, float], None] = lambda source, data, now: None

    def receive(self, datagrams: Sequence[Buffer], source: Address, now: float) -> None:
        for datagram in datagrams:
            self.heard.append((now, source, bytes(datagram)))
        self.mux.receive(datagrams, source, now)
        for datagram in datagrams:
            self.then(source, bytes(datagram), now)

    def tick(self, now: float) -> None:
        self.mux.tick(now)

    def deadline(self) -> float | None:
        return self.mux.deadline()

    def transmit(self, now: float) -> list[Burst]:
        return self.mux.transmit(now)

    def events(self) -> list[UtpEvent]:
        return self.mux.events()


class Attacker:
    """A host that keeps what it is sent."""

    def __init__(self, scene: "Scene", address: str = "192.0.2.66") -> None:
        self.got: list[bytes] = []
        self.on_packet: Callable[[bytes, float], None] = lambda data, now: None
        self.socket = scene.world.host(address).socket(666, self)
        self.address = self.socket.address

    def send(self, data: bytes) -> None:
        self.socket.send(SERVER, data)

    def receive(self, datagrams: Sequence[Buffer], source: Address, now: float) -> None:
        for datagram in datagrams:
            self.got.append(bytes(datagram))
            self.on_packet(bytes(datagram), now)

    def tick(self, now: float) -> None:
        pass

    def deadline(self) -> None:
        return None

    def transmit(self, now: float) -> list[Burst]:
        return []

    def events(self) -> list[object]:
        return []


class Scene:
    """A client behind a router, connected to a server in public."""

    def __init__(self, seed: int = 1, *, loss: float = 0.0, config: UtpConfig | None = None) -> None:
        self.world = World(seed, Link(delay=0.02, jitter=0.005, loss=loss, rate=2_000_000.0))
        self.router: Nat = self.world.nat(ROUTER, NatKind(preserves_ports=False))
        self.client = End(Mux(config or UtpConfig(marks=Marks.JOINS), Random(seed)), self.world)
        self.server = End(Mux(config or UtpConfig(marks=Marks.JOINS), Random(seed + 1000)), self.world)
        self.home_network = self.router.inside
        host = self.router.host(HOME)
        self.home = host.socket(5000, self.client.mux, on_event=self.client.on_event)  # type: ignore[arg-type]
        self.tap = Tap(self.server.mux)
        public = self.world.host(SERVER.host)
        self.public = public.socket(SERVER.port, self.tap, on_event=self.server.on_event)  # type: ignore[arg-type]
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
@pytest.mark.parametrize("seed", some(range(10), 5))
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


@pytest.mark.parametrize("outage", [0.0, 5.0])
def test_a_receiver_behind_a_router_that_restarts_speaks_up(outage: float) -> None:
    """Nothing reaches it any more, and it has nothing to send."""
    scene = Scene()
    data = Random(1).randbytes(1_500_000)
    scene.server.send(data)
    scene.later(0.5)
    scene.home_network.link = Link(loss=1.0)
    scene.later(outage)
    scene.home_network.link = Link(delay=0.001)
    scene.router.table.flush()
    start, had = scene.world.now, len(scene.client.received)
    assert scene.until(lambda: len(scene.client.received) > had + 100_000)
    assert scene.world.now - start < outage + 1.6
    assert scene.until(lambda: bytes(scene.client.received) == data)


def busy(seed: int = 1) -> tuple[Scene, bytes, bytes]:
    """A scene with a transfer both ways that takes about half a second."""
    scene = Scene(seed)
    there, back = Random(seed).randbytes(500_000), Random(seed + 1).randbytes(500_000)
    scene.client.send(there)
    scene.server.send(back)
    return scene, there, back


def finished(scene: Scene, there: bytes, back: bytes) -> bool:
    """Let the transfer end; tell whether all of it came."""
    scene.until(lambda: len(scene.server.received) == len(there) and len(scene.client.received) == len(back), 60.0)
    return (bytes(scene.server.received), bytes(scene.client.received)) == (there, back)


def test_who_knows_ids_and_numbers_but_not_the_time_starts_nothing() -> None:
    scene, there, back = busy()
    attacker, random, home = Attacker(scene), Random(7), scene.seen

    def forge(now: float) -> None:
        packet = parse(scene.tap.heard[-1][2])
        for _ in range(20):
            stamp, difference = random.getrandbits(32), random.getrandbits(32)
            attacker.send(bytes(replace(packet, timestamp=stamp, timestamp_difference=difference)))

    scene.world.every(0.01, forge)
    assert finished(scene, there, back)
    statistics = scene.server.mux.statistics()
    assert statistics.dropped_unknown > 500
    assert statistics.checks <= statistics.dropped_unknown / 1000, "one guess in 8,000 hits half a second"
    assert (statistics.moved, scene.seen) == (0, home)


def test_a_guessed_id_alone_starts_nothing() -> None:
    scene = Scene()
    attacker, random, home = Attacker(scene), Random(7), scene.seen
    clock = scene.server.connection.sequence_space().headers.clock(scene.world.now)  # type: ignore[union-attr]
    for connection_id in range(65_536):
        numbers = random.getrandbits(16), random.getrandbits(16)
        attacker.send(bytes(Packet(PacketType.STATE, connection_id, clock, 0, 1 << 20, *numbers)))
    scene.later(1.0)
    assert (scene.server.mux.statistics().checks, scene.seen) == (0, home)
    assert len(attacker.got) < 200, "what is nobody's is answered at a bounded rate"


def test_copies_from_an_address_that_does_not_answer_move_nothing() -> None:
    scene, there, back = busy()
    attacker, home = Attacker(scene), scene.seen
    sent: list[int] = []

    def copy(source: Address, data: bytes, now: float) -> None:
        if source == home:
            sent.append(len(data))
            attacker.send(data)

    scene.tap.then = copy
    assert finished(scene, there, back)
    statistics = scene.server.mux.statistics()
    assert statistics.checks >= 1, "a copy that is fresh may be the peer's"
    assert (statistics.moved, scene.seen) == (0, home)
    assert sum(map(len, attacker.got)) <= 3 * sum(sent)
    assert len(attacker.got) <= 2 * (scene.world.now + 4), "a challenge a second, after the first few"


def test_replays_that_are_old_start_nothing() -> None:
    scene, there, back = busy()
    attacker = Attacker(scene)
    assert finished(scene, there, back)
    scene.later(2.0)
    for _, _, data in list(scene.tap.heard):
        attacker.send(data)
    scene.later(2.0)
    assert (scene.server.mux.statistics().checks, scene.server.mux.statistics().moved) == (0, 0)


def test_a_flood_of_spoofed_sources_gets_no_more_than_it_sent_and_no_memory() -> None:
    scene, there, back = busy()
    home, sent = scene.seen, Counter[Address]()
    random = Random(3)

    def flood(source: Address, data: bytes, now: float) -> None:
        if source == home:
            for _ in range(4):
                victim = Address(f"198.18.{random.randrange(256)}.{random.randrange(256)}", random.randrange(1, 65536))
                sent[victim] += len(data)
                scene.world.public.carry(victim, SERVER, data)

    scene.tap.then = flood
    assert finished(scene, there, back)
    received = Counter[Address]()
    for entry in scene.world.trace.entries:
        if entry.what == "unrouted":
            received[entry.to] += len(entry.data)
    assert len(sent) > 1000
    assert all(count <= 3 * sent[victim] for victim, count in received.items())
    assert len(received) <= scene.world.now + 1, "one address a second"
    statistics = scene.server.mux.statistics()
    assert statistics.moved == 0
    assert statistics.checks_refused > 1000


def test_a_reset_from_elsewhere_ends_nothing() -> None:
    scene, there, back = busy()
    attacker = Attacker(scene)
    scene.tap.then = lambda source, data, now: attacker.send(
        bytes(replace(parse(data), type=PacketType.RESET, selective_ack=b"", payload=b""))
    )
    assert finished(scene, there, back)
    assert scene.server.mux.statistics().resets_dropped > 100


def test_an_address_that_has_such_an_id_already_keeps_it() -> None:
    """A connection of the same id from the new address gets its packets; neither is harmed."""
    scene, there, back = busy()
    attacker, home = Attacker(scene), scene.seen
    assert scene.server.connection is not None
    wanted = scene.server.connection.receive_id
    attacker.send(bytes(Packet(PacketType.SYN, seq_add(wanted, -1), 1, 0, 1 << 20, 5, 0)))
    scene.tap.then = lambda source, data, now: attacker.send(data) if source == home else None
    assert finished(scene, there, back)
    statistics = scene.server.mux.statistics()
    assert (statistics.checks, statistics.moved, statistics.connections) == (1, 0, 2)


def test_many_connections_move_at_once() -> None:
    """More than can be checked at a time: the others follow with their next packets."""
    scene = Scene(config=UtpConfig(connections_per_host=1000, half_open=1000))
    ends = [scene.client.mux.connect(SERVER, scene.world.now) for _ in range(300)]
    assert scene.until(lambda: len(scene.client.of(Connected)) == 301)
    scene.later(0.1)  # whose handshake is not over is not known yet, and starts again
    scene.router.table.flush()
    for end in ends:
        end.write(b"still here", scene.world.now)
    assert scene.until(lambda: scene.server.mux.statistics().moved >= 300)
    assert not scene.client.of(Closed)


def answering(scene: Scene, attacker: Attacker) -> None:
    """Make an attacker copy what the client sends, and answer challenges: it is on the path."""
    home = scene.seen
    scene.tap.then = lambda source, data, now: attacker.send(data) if source == home else None

    def answer(data: bytes, now: float) -> None:
        packet, challenge = parse(scene.tap.heard[-1][2]), parse(data)
        difference = (packet.timestamp - challenge.timestamp) & 0xFFFFFFFF
        bare = Packet(PacketType.STATE, *astuple(packet)[1:7])
        attacker.send(bytes(replace(bare, timestamp_difference=difference)))

    attacker.on_packet = answer


def test_an_attacker_on_the_path_that_answers_is_left_again() -> None:
    """RFC 9000 section 9.3.3: the former address is asked whether the peer really left."""
    scene, there, back = busy()
    attacker, home = Attacker(scene), scene.seen
    answering(scene, attacker)
    assert finished(scene, there, back)
    assert scene.world.now < 15.0, "asked at once, not when the refusal of the former address ran out"
    moves = [event.new for event in scene.server.of(Moved) if isinstance(event, Moved)]
    assert moves == [attacker.address, home]
    assert scene.server.mux.statistics().checks_refused > 10, "its copies go on"


def test_a_host_that_has_its_connections_takes_no_more() -> None:
    scene = Scene(config=UtpConfig(connections_per_host=1))
    attacker, home = Attacker(scene), scene.seen
    true = scene.server.connection
    attacker.send(bytes(Packet(PacketType.SYN, 7, 1, 0, 1 << 20, 5, 0)))
    scene.later(0.1)
    answer = parse(attacker.got[-1])
    attacker.send(bytes(Packet(PacketType.DATA, 8, 1, 0, 1 << 20, 6, seq_add(answer.seq, -1), payload=b"mine")))
    scene.later(0.1)
    scene.server.connection = true
    answering(scene, attacker)
    scene.client.send(b"from where there is room")
    scene.later(2.0)
    statistics = scene.server.mux.statistics()
    assert (statistics.connections, statistics.checks, statistics.checks_failed, statistics.moved) == (2, 1, 1, 0)
    assert scene.seen == home

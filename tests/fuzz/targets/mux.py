"""A uTP mux, with a connection of its own and strangers' datagrams in any order at any time: nothing raises.
Every table stays within its bound, a connection ends once, and when all have fallen silent nothing is left.
"""

import contextlib
from random import Random

from core.errors import LocalError
from core.utp.config import UtpConfig
from core.utp.events import Closed, Connected, Incoming
from core.utp.mux import Mux
from core.values import Address
from core.wire.utp_marks import ALL_MARKS, pack_marks
from core.wire.utp_packet import EXTENSION_BITS, Packet, PacketType, parse
from core.wire.utp_probe import PATH_ANSWER, PATH_PROBE, Probe, pack_probe
from tests.fuzz.inputs import Input
from tests.fuzz.test_fuzz_utp import within_bounds

WATCHED = ["core.utp"]
CONFIG = UtpConfig(
    connections=8,
    half_open=4,
    closed_kept=4,
    reorder_packets=16,
    receive_window=8000,
    send_buffer=8000,
    marks=ALL_MARKS,
)
PEER, OTHER, THIRD = Address("192.0.2.1", 1001), Address("192.0.2.2", 1002), Address("192.0.2.1", 1003)
SOURCES = (PEER, PEER, PEER, OTHER, THIRD)
STEPS = 100
EXTENSIONS = (
    (),
    ((EXTENSION_BITS, pack_marks(ALL_MARKS)),),
    (pack_probe(PATH_PROBE, Probe(7, 1400)),),
    (pack_probe(PATH_ANSWER, Probe(0, 1400)),),
    ((9, b"unknown"),),
)
MASKS = (b"", b"", b"\1\0\0\0", b"\xff" * 4, b"\x55" * 32)
WAITS = (0.0, 0.0, 0.001, 0.02, 0.3, 1.0, 7.0, 70.0)
SEEDS = [
    bytes([1, 0, 4, 1, 1, 0, 0, 1, 0, 9, 0, 0, 0, 1, 0, 2, 0, 1, 1, 0, 0, 2, 5]),
    b"\2" * 60 + b"\1\0\0\1\1" * 8,
    bytes([3, 1, 2, 0, 0, 0, 3, 1, 0, 1, 0, 1, 3, 1, 1, 0, 2, 0, 0, 5]) * 3,
    b"\0\x21" + bytes(20) + b"\0\x41\0\1" + bytes(18),
]
MAX_INPUT = 1500


class Scene:
    """A mux and what a fuzzer lets happen to it."""

    def __init__(self) -> None:
        self.mux = Mux(CONFIG, Random(0))
        self.now = 0.0
        self.sent: list[Packet] = []  # the last of what left, to be answered by guesses near the truth
        self.closed: set[int] = set()
        self.alive = [self.mux.connect(PEER, 0.0)]  # kept, so that no number is of two connections
        self.pump()

    def pump(self) -> None:
        """Do what a pump does, and read and answer as an owner would."""
        for burst in self.mux.transmit(self.now):
            self.sent += [parse(datagram) for datagram in burst.datagrams]
        del self.sent[:-8]
        for event in self.mux.events():
            if id(event.connection) in self.closed:
                raise AssertionError(f"{event} after the end")
            if isinstance(event, Closed):
                self.closed.add(id(event.connection))
            elif isinstance(event, Incoming | Connected):
                self.alive.append(event.connection)
            event.connection.read(self.now)
            if event.connection.writable() > 100:
                event.connection.write(b"hello", self.now, boundary=True)
        if not within_bounds(self.mux, CONFIG):
            raise AssertionError("a table is over its bound")

    def datagram(self, source: Input) -> bytes:
        """Make a datagram: arbitrary, built of fields, or an answer to one of ours that is almost right."""
        kind = source.byte()
        if kind % 4 == 0:
            return source.block()
        model = source.choose(self.sent) if kind % 4 != 1 and self.sent else Packet(PacketType.SYN, 1, 0, 0, 9999, 1, 0)
        near = kind % 4 == 3
        return bytes(
            Packet(
                source.choose(list(PacketType)),
                (model.connection_id + source.byte() % 3 - 1) & 0xFFFF,
                source.number(1 << 16) << 16,
                source.number(1 << 16),
                source.choose((0, 1, 9999, 1 << 30)),
                (model.ack + source.byte() % 8) & 0xFFFF if near else source.number(1 << 16),
                (model.seq + source.byte() % 8 - 4) & 0xFFFF if near else source.number(1 << 16),
                source.choose(MASKS),
                source.take(source.byte() % 40),
                source.choose(EXTENSIONS),
            )
        )

    def step(self, source: Input) -> None:
        """Let one thing happen."""
        what = source.byte() % 16
        if what < 12:
            data = self.datagram(source)
            times = 2 if what == 11 else 1
            self.mux.receive([memoryview(data)] * times, source.choose(SOURCES), self.now)
        elif what == 12 and len(self.alive) < 6:
            with contextlib.suppress(LocalError):  # when there are too many
                self.alive.append(self.mux.connect(source.choose(SOURCES), self.now))
        elif what == 13:
            connection = source.choose(self.alive)
            if id(connection) not in self.closed and connection.writable() > 2000:
                connection.write(bytes(2000), self.now, boundary=bool(source.byte() & 1))
        elif what == 14:
            source.choose(self.alive).close(self.now)
        else:
            source.choose(self.alive).abort(self.now)
        self.pump()
        self.now += source.choose(WAITS)
        self.mux.tick(self.now)
        self.pump()


def run(data: bytes) -> None:
    source, scene = Input(data), Scene()
    for _ in range(STEPS):
        if not source:
            break
        scene.step(source)
    for connection in scene.alive:
        connection.close(scene.now)
    for _ in range(400):
        scene.pump()
        due = scene.mux.deadline()
        if due is None:
            break
        scene.now = max(scene.now + 0.001, due)
        scene.mux.tick(scene.now)
    scene.pump()
    if scene.mux.statistics().connections:
        raise AssertionError("a connection is left that nobody speaks on")

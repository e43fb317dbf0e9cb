"""What the uTP engine itself costs: CPU time per data packet, two engines in one process, no sockets and no losses."""

import time
from collections.abc import Callable
from random import Random

from benchmarks.peers import OURS
from benchmarks.runner import Sample, Settings
from core.utp.config import UtpConfig
from core.utp.connection import Connection
from core.utp.events import Incoming, Readable
from core.utp.mux import Mux
from core.values import Address, Burst

REQUESTS = 32  # written together, each a packet of its own
REQUEST_BYTES = 90
DELAY = 0.0002  # seconds that a datagram travels: about what loopback and two event loops take
WARM_UP = 200  # turns before the measuring
ARRIVAL = 64  # datagrams that are handed over together, as a joined arrival


class Side:
    """An engine, driven as `core.net.pump` does, and the CPU time it took."""

    def __init__(self, address: Address, random: Random) -> None:
        self.address = address
        self.mux = Mux(UtpConfig(), random)
        self.connection: Connection | None = None
        self.spent = 0  # ns
        self.got = 0  # data packets
        self.on_chunks: Callable[[list[bytes], float], None] = lambda chunks, now: None

    def write(self, pieces: list[bytes], now: float, *, boundary: bool) -> None:
        """Write what fits, as an owner would; counted as the engine's time."""
        began = time.process_time_ns()
        for piece in pieces:
            if self.connection is not None:
                self.connection.write(piece, now, boundary=boundary)
        self.spent += time.process_time_ns() - began

    def turn(self, arrived: list[Burst], source: Address, now: float) -> list[Burst]:
        """Take what arrived, answer, and return what leaves."""
        views = [[memoryview(datagram) for datagram in burst.datagrams] for burst in arrived]
        began = time.process_time_ns()
        for datagrams in views:
            for start in range(0, len(datagrams), ARRIVAL):
                self.mux.receive(datagrams[start : start + ARRIVAL], source, now)
        leaving = self.mux.transmit(now)
        while events := self.mux.events():
            for event in events:
                if isinstance(event, Incoming):
                    self.connection = event.connection
                elif isinstance(event, Readable):
                    chunks = event.connection.read(now)
                    self.got += len(chunks)
                    self.on_chunks(chunks, now)
            leaving += self.mux.transmit(now)
        deadline = self.mux.deadline()
        if deadline is not None and deadline <= now:
            self.mux.tick(now)
            leaving += self.mux.transmit(now)
        self.spent += time.process_time_ns() - began
        return leaving


class Wire:
    """Two connected sides."""

    def __init__(self) -> None:
        random = Random(7)
        self.now = 1000.0
        self.near = Side(Address("192.0.2.1", 1001), random)
        self.far = Side(Address("192.0.2.2", 1002), random)
        self.near.connection = self.near.mux.connect(self.far.address, self.now)
        self._forth: list[Burst] = []
        for _ in range(3):
            self.pass_on()

    def pass_on(self) -> None:
        """Let each side have its turn once, the near one first."""
        arrived, self._forth = self._forth, []
        forth = self.near.turn(arrived, self.far.address, self.now)
        self.now += DELAY
        self._forth = self.far.turn(forth, self.near.address, self.now)
        self.now += DELAY


def _requests(wire: Wire) -> None:
    wire.near.write([bytes(REQUEST_BYTES)] * REQUESTS, wire.now, boundary=True)


def _bulk(wire: Wire) -> None:
    wire.near.write([bytes(65536)] * 4, wire.now, boundary=False)


def _one(wire: Wire) -> None:
    wire.near.write([bytes(REQUEST_BYTES)], wire.now, boundary=True)


def _answering(wire: Wire) -> None:
    """The far side answers each chunk with one as long."""

    def answer(chunks: list[bytes], now: float) -> None:
        for chunk in chunks:
            if wire.far.connection is not None:
                wire.far.connection.write(chunk, now, boundary=True)

    wire.far.on_chunks = answer


WORK: dict[str, tuple[Callable[[Wire], None], bool]] = {
    f"{REQUESTS} packets of {REQUEST_BYTES} bytes at a time": (_requests, False),
    "full packets in bulk": (_bulk, False),
    f"{REQUESTS} requests in flight, answered": (_requests, True),
    "request and answer, one after the other": (_one, True),
}


class PacketCost:
    """The sender's cost includes taking the acks, the receiver's reading and acknowledging."""

    name = "engine"
    baseline = OURS
    once = False

    def __init__(self, settings: Settings) -> None:
        self._packets = 100_000 if settings.full else 20_000

    def variants(self) -> tuple[str, ...]:
        """Only ours: libutp's work cannot be told from its sockets'."""
        return (OURS,)

    async def measure(self, variant: str) -> list[Sample]:
        """Move some ten thousand packets for each kind of work."""
        samples: list[Sample] = []
        for row, (work, answered) in WORK.items():
            near, far = measure(work, self._packets, answered=answered)
            samples.append(Sample(f"{row}: sender", "cpu per packet", near))
            samples.append(Sample(f"{row}: receiver", "cpu per packet", far))
        return samples


def measure(work: Callable[[Wire], None], packets: int, *, answered: bool) -> tuple[float, float]:
    """Return the CPU time of both sides in microseconds for each data packet that the far one read."""
    wire = Wire()
    if answered:
        _answering(wire)
    for _ in range(WARM_UP):
        work(wire)
        wire.pass_on()
    wire.near.spent = wire.far.spent = wire.far.got = 0
    while wire.far.got < packets:
        work(wire)
        wire.pass_on()
    return wire.near.spent / wire.far.got / 1000, wire.far.spent / wire.far.got / 1000


if __name__ == "__main__":
    for row, (work, answered) in WORK.items():
        best = min((measure(work, 20_000, answered=answered) for _ in range(3)), key=sum)
        print(f"{row:45} sender {best[0]:6.2f}  receiver {best[1]:6.2f} us")

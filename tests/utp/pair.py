"""Two `Mux`es joined by a seeded link (loss, duplicates, jitter that reorders); their deadlines move the clock."""

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random

from core.utp.config import UtpConfig
from core.utp.connection import Connection
from core.utp.events import Closed, Connected, Ended, Incoming, Readable, UtpEvent, Writable
from core.utp.mux import Mux
from core.values import Address, Fragments
from core.wire.utp_marks import Marks
from core.wire.utp_packet import Packet, parse

A = Address("192.0.2.1", 1001)
B = Address("192.0.2.2", 1002)


@dataclass(frozen=True)
class Link:
    """What the network does to a datagram; times in seconds, the others are probabilities."""

    delay: float = 0.02
    jitter: float = 0.0
    loss: float = 0.0
    duplicate: float = 0.0
    mtu: int = 1 << 16  # UDP payload; what is longer is lost, unless it may be cut and this path passes fragments
    fragments: bool = True


@dataclass
class Sent:
    """A datagram that left, lost or not."""

    at: float
    by: Address
    to: Address
    packet: Packet


class Side:
    """A mux and its owner, who reads at once (unless told not to) and keeps everything."""

    def __init__(self, address: Address, config: UtpConfig, seed: int) -> None:
        self.address = address
        self.mux = Mux(config, Random(seed))
        self.events: list[UtpEvent] = []
        self.chunks: dict[Connection, list[bytes]] = {}
        self.incoming: list[Connection] = []
        self.reading = True

    def received(self, connection: Connection) -> bytes:
        """Return all bytes read from a connection."""
        return b"".join(self.chunks.get(connection, []))

    def kinds(self, connection: Connection) -> list[type[UtpEvent]]:
        """Return the kinds of the events of a connection, in order."""
        return [type(event) for event in self.events if event.connection is connection]

    def closed(self, connection: Connection) -> Closed | None:
        """Return the Closed event of a connection, if it came."""
        found = [event for event in self.events if isinstance(event, Closed) and event.connection is connection]
        return found[0] if found else None

    def read(self, connection: Connection, now: float) -> None:
        """Read and keep."""
        self.chunks.setdefault(connection, []).extend(connection.read(now))

    def take_events(self, now: float) -> list[UtpEvent]:
        """Fetch the events, reading what is readable."""
        fresh = self.mux.events()
        self.events.extend(fresh)
        for event in fresh:
            if isinstance(event, Incoming):
                self.incoming.append(event.connection)
            elif isinstance(event, Readable) and self.reading:
                self.read(event.connection, now)
        return list(fresh)


class Pair:
    """Sides `a` and `b`, one link, one clock. Everything that left is in `sent`."""

    def __init__(
        self, seed: int = 1, *, link: Link | None = None, config: UtpConfig | None = None, start: float = 1000.0
    ) -> None:
        self.random = Random(seed)
        self.now = start
        self.link = link or Link()
        self.config = config or UtpConfig(marks=Marks.JOINS)  # no probes among the packets that tests count
        self.a = Side(A, self.config, seed * 2 + 1)
        self.b = Side(B, self.config, seed * 2 + 2)
        self.sides = {A: self.a, B: self.b}
        self.sent: list[Sent] = []
        self.drop: Callable[[Sent], bool] = lambda sent: False
        self.on_event: Callable[[Side, UtpEvent], None] = lambda side, event: None
        self.together = True  # what arrives at the same moment is handed over in one call
        self._wire: list[tuple[float, int, Address, Address, bytes]] = []
        self._numbers = itertools.count()

    def connect(self) -> tuple[Connection, Connection]:
        """Connect `a` to `b` and return both ends."""
        before = len(self.b.incoming)
        connection = self.a.mux.connect(B, self.now)
        if not self.run(lambda: len(self.b.incoming) > before, limit=60.0):
            raise AssertionError("the pair did not connect")
        return connection, self.b.incoming[-1]

    def flush(self) -> None:
        """Do what a pump does: transmit and take events, until nothing comes any more."""
        busy = True
        while busy:
            busy = False
            for side in self.sides.values():
                for burst in side.mux.transmit(self.now):
                    busy = True
                    for datagram in burst.datagrams:
                        self._send(side.address, burst.to, datagram, burst.fragments)
                for event in side.take_events(self.now):
                    busy = True
                    self.on_event(side, event)

    def run(self, until: Callable[[], bool] = lambda: False, *, limit: float = 300.0) -> bool:
        """Let time pass until the condition holds (True), or for `limit` seconds, or nothing is pending."""
        end = self.now + limit
        self.flush()
        while not until():
            at = self.next_at()
            if at is None or at > end:
                self.now = end
                return until()
            self.now = max(self.now, at)
            self._deliver()
            for side in self.sides.values():
                side.mux.tick(self.now)
            self.flush()
        return True

    def next_at(self) -> float | None:
        """Return when something happens next."""
        times = [side.mux.deadline() for side in self.sides.values()]
        times.append(self._wire[0][0] if self._wire else None)
        return min((at for at in times if at is not None), default=None)

    def inject(self, source: Address, to: Address, datagram: bytes) -> None:
        """Deliver a forged datagram now."""
        self.sides[to].mux.receive([datagram], source, self.now)
        self.flush()

    def packets(self, side: Side, since: float = 0.0) -> list[Packet]:
        """Return what a side sent, lost or not."""
        return [sent.packet for sent in self.sent if sent.by == side.address and sent.at >= since]

    def lossless(self) -> None:
        """From now on nothing is lost."""
        self.link = replace(self.link, loss=0.0, duplicate=0.0)
        self.drop = lambda sent: False

    def _send(self, source: Address, to: Address, datagram: bytes, fragments: Fragments) -> None:
        sent = Sent(self.now, source, to, parse(datagram))
        self.sent.append(sent)
        if len(datagram) > self.link.mtu and not (self.link.fragments and fragments is Fragments.ALLOW):
            return
        if self.drop(sent) or self.random.random() < self.link.loss or to not in self.sides:
            return
        copies = 2 if self.random.random() < self.link.duplicate else 1
        for _ in range(copies):
            at = self.now + self.link.delay + self.random.random() * self.link.jitter
            heapq.heappush(self._wire, (at, next(self._numbers), source, to, datagram))

    def _deliver(self) -> None:
        """Hand over what arrives now; neighbours from one source together."""
        due: list[tuple[Address, Address, bytes]] = []
        while self._wire and self._wire[0][0] <= self.now:
            _, _, source, to, datagram = heapq.heappop(self._wire)
            due.append((source, to, datagram))
        if not self.together:
            for source, to, datagram in due:
                self.inject(source, to, datagram)
            return
        for (source, to), group in itertools.groupby(due, key=lambda item: item[:2]):
            self.sides[to].mux.receive([memoryview(item[2]) for item in group], source, self.now)


@dataclass
class Writer:
    """Writes all of `data` to a connection as space comes, then closes it if asked."""

    pair: Pair
    connection: Connection
    data: bytes
    close: bool = False
    offset: int = field(default=0)

    def start(self) -> None:
        """Begin; continues on the Writable events of the pair."""
        previous = self.pair.on_event

        def on_event(side: Side, event: UtpEvent) -> None:
            previous(side, event)
            if isinstance(event, Writable | Connected) and event.connection is self.connection:
                self._write()

        self.pair.on_event = on_event
        self._write()

    def _write(self) -> None:
        while self.offset < len(self.data):
            taken = self.connection.write(memoryview(self.data)[self.offset :], self.pair.now)
            if not taken:
                return
            self.offset += taken
        if self.close:
            self.connection.close(self.pair.now)


__all__ = ["A", "B", "Closed", "Connected", "Ended", "Incoming", "Link", "Pair", "Readable", "Sent", "Side", "Writer"]

"""A pair whose link has a rate and a queue: what congestion control is for. Deterministic, hand-moved clock."""

import heapq
from dataclasses import dataclass, field
from random import Random

from core.utp.config import UtpConfig
from core.utp.connection import Connection
from core.utp.events import Readable, UtpEvent, Writable
from core.values import Address, Fragments
from tests.utp.pair import A, B, Link, Pair, Side

OVERHEAD = 28  # bytes of IPv4 and UDP header; RFC 791, RFC 768
CHUNK = bytes(65536)


@dataclass
class Line:
    """One way: a tail-drop queue of `queue` bytes before a line of `rate` bytes per second."""

    rate: float
    queue: int
    free_at: float = 0.0
    dropped: int = 0
    waits: list[tuple[float, float]] = field(default_factory=list)  # (when, seconds waited) of all that entered

    def enter(self, size: int, now: float) -> float | None:
        """Return when a datagram leaves, or None when the queue was full."""
        waiting = max(0.0, self.free_at - now)
        if waiting * self.rate + size > self.queue:
            self.dropped += 1
            return None
        self.waits.append((now, waiting))
        self.free_at = now + waiting + (size + OVERHEAD) / self.rate
        return self.free_at

    def waited(self, percent: float, since: float = 0.0) -> float:
        """Return a percentile of the queueing delay, seconds."""
        ranked = sorted(wait for at, wait in self.waits if at >= since)
        return ranked[min(len(ranked) - 1, int(len(ranked) * percent / 100))] if ranked else 0.0


class Bottleneck(Pair):
    """Two sides; `a` pours into `b`. `megabits` each way; `rtt` in seconds; `queue` in seconds of the rate."""

    def __init__(
        self,
        megabits: float,
        rtt: float,
        *,
        loss: float = 0.0,
        queue: float = 0.3,
        seed: int = 1,
        config: UtpConfig | None = None,
    ) -> None:
        super().__init__(seed, link=Link(delay=rtt / 2, loss=loss), config=config)
        rate = megabits * 1e6 / 8
        self.lines = {side: Line(rate, max(64_000, int(rate * queue))) for side in (A, B)}
        self.chance = Random(seed)
        self.got = 0
        self.steady_since = 0.0

    @property
    def up(self) -> Line:
        """The way of the data."""
        return self.lines[A]

    def pour(self, seconds: float) -> float:
        """Send all that fits for so long over a new connection; return the goodput in Mbit/s."""
        connection, _ = self.connect()
        began, before = self.now, self.got
        self.start(connection)
        self.run(limit=seconds)
        return (self.got - before) * 8 / 1e6 / (self.now - began)

    def start(self, connection: Connection) -> None:
        """Keep a connection's send buffer full from now on."""
        previous = self.on_event

        def on_event(side: Side, event: UtpEvent) -> None:
            previous(side, event)
            if isinstance(event, Writable) and event.connection is connection:
                self._fill(connection)

        self.on_event = on_event
        self._fill(connection)

    def _fill(self, connection: Connection) -> None:
        while connection.write(CHUNK, self.now):
            pass

    def run_for(self, seconds: float) -> None:
        """Let time pass."""
        self.run(limit=seconds)

    def _send(self, source: Address, to: Address, datagram: bytes, fragments: Fragments) -> None:
        if len(datagram) > self.link.mtu and not (self.link.fragments and fragments is Fragments.ALLOW):
            return
        out = self.lines[source].enter(len(datagram), self.now)
        if out is None or self.chance.random() < self.link.loss:
            return
        heapq.heappush(self._wire, (out + self.link.delay, next(self._numbers), source, to, datagram))

    def flush(self) -> None:
        """As in a pair, but what was read is counted only."""
        super().flush()
        for side in self.sides.values():
            side.events.clear()
            for chunks in side.chunks.values():
                self.got += sum(map(len, chunks))
                chunks.clear()


__all__ = ["Bottleneck", "Line", "Readable"]

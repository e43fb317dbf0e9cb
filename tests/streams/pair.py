"""Two engines joined by memory: what one has to send reaches the other in pieces of any size."""

from random import Random

from core.streams.config import StreamConfig
from core.streams.engine import StreamEngine
from core.streams.events import StreamEvent

MOST = 1 << 20


class Pair:
    """`a` connected, `b` accepted. `now` is moved by hand."""

    def __init__(self, config: StreamConfig | None = None, *, seed: int = 1) -> None:
        self.a = StreamEngine(initiator=True, config=config)
        self.b = StreamEngine(initiator=False, config=config)
        self.now = 0.0
        self._random = Random(seed)

    def send(self, source: StreamEngine, sink: StreamEngine, most: int = MOST) -> int:
        """Carry what one side has to send now; return how many bytes that was."""
        data = b"".join(source.outgoing(most))
        at = 0
        while at < len(data):
            size = self._random.choice((1, 3, 8, 1400, 16384))
            sink.receive(data[at : at + size], self.now)
            at += size
        return len(data)

    def settle(self) -> list[tuple[str, StreamEvent]]:
        """Carry everything both ways until nothing moves; return the events of both, in order."""
        events: list[tuple[str, StreamEvent]] = []
        moved = True
        while moved:
            moved = bool(self.send(self.a, self.b)) | bool(self.send(self.b, self.a))
            for name, side in (("a", self.a), ("b", self.b)):
                events += [(name, event) for event in side.events()]
        return events

    def opened(self, payload: bytes = b"x") -> int:
        """Open a stream from `a` that `b` accepts; the events of it are taken."""
        number = self.a.open(payload, self.now)
        self.settle()
        self.b.accept(number)
        self.settle()
        return number

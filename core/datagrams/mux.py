"""All sessions' datagrams on one socket, told apart by their ids."""

from collections.abc import Sequence
from random import Random

from core.datagrams.config import DatagramConfig
from core.datagrams.events import Arrived, Counters, DatagramStatistics
from core.datagrams.path import Path
from core.values import Address, Buffer, Burst, MayAnswer, anybody
from core.wire.datagram_keys import DatagramKeys
from core.wire.datagram_packet import parse_header


class Mux:
    """A machine (`core.values.Machine`). A verb of a `Path` is followed by `touch`."""

    def __init__(self, config: DatagramConfig, random: Random, may_answer: MayAnswer = anybody) -> None:
        """`may_answer`: is asked before anything leaves for a source that has not proved itself."""
        self._config = config
        self._may_answer = may_answer
        self._random = random
        self._paths: dict[bytes, Path] = {}
        self._busy: dict[Path, None] = {}  # they may have something to send
        self._due: dict[Path, float] = {}
        self._events: list[Arrived] = []
        self.counters = Counters()

    def open(self, keys: DatagramKeys, remote: Address) -> Path | None:
        """Begin to take the datagrams of a session; None when there are too many, or its id is taken."""
        if len(self._paths) >= self._config.paths or keys.receive.session in self._paths:
            return None
        path = Path(keys, remote, self._config, self._random, self.counters, self._may_answer)
        self._paths[path.session] = path
        return path

    def close(self, path: Path) -> None:
        """Forget a session. Idempotent."""
        if not path.closed:
            path.close()
            del self._paths[path.session]
            self._busy.pop(path, None)
            self._due.pop(path, None)

    def touch(self, path: Path) -> None:
        """A verb was used on this path."""
        if not path.closed:
            self._busy[path] = None

    def too_long(self, to: Address, size: int, now: float) -> None:
        """The system knows that a datagram of `size` bytes is too long for the path to an address."""
        for path in self._paths.values():
            if path.remote == to:
                path.too_long(size, now)
                self._busy[path] = None

    def statistics(self) -> DatagramStatistics:
        """Return the counts so far."""
        return self.counters.snapshot(len(self._paths))

    # -- as a machine -------------------------------------------------------------------------------------------------

    def idle(self) -> bool:
        """Tell, cheaply, that there is nothing to send, to tell or to wait for."""
        return not (self._busy or self._due or self._events)

    def receive(self, datagrams: Sequence[Buffer], source: Address, now: float) -> None:
        """See `core.values.Machine`."""
        for datagram in datagrams:
            header = parse_header(datagram)
            if header is None:
                self.counters.malformed += 1
                continue
            session, counter = header
            path = self._paths.get(session)
            if path is None:
                self.counters.unknown += 1
                continue
            arrived = path.receive(counter, bytes(datagram), source, now)
            if arrived is not None:
                self._events.append(arrived)
            if arrived is None or path.pending:  # an answer may bring the next question
                self._busy[path] = None

    def tick(self, now: float) -> None:
        """See `core.values.Machine`."""
        for path, at in list(self._due.items()):
            if at <= now:
                self._busy[path] = None

    def deadline(self) -> float | None:
        """See `core.values.Machine`."""
        if self._busy:
            return 0.0
        return min(self._due.values(), default=None)

    def transmit(self, now: float) -> list[Burst]:
        """See `core.values.Machine`; each session has one turn."""
        bursts: list[Burst] = []
        busy, self._busy = self._busy, {}
        for path in busy:
            bursts += path.transmit(now)
            if path.pending:
                self._busy[path] = None
            at = path.deadline()
            if at is None:
                self._due.pop(path, None)
            else:
                self._due[path] = at
        return bursts

    def events(self) -> list[Arrived]:
        """See `core.values.Machine`."""
        events, self._events = self._events, []
        return events

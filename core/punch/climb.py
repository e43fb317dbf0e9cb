"""One pair's way up the ladder: agree on a rung, try it, and take the first path that proves to work both ways.

Without I/O. The owner carries out `orders`, hands in what comes (`mail`, `sampled`, `receive`), and reads `outcomes`.
What the two say to one another goes through a broker, sealed with the pair's key. A round begins when each has shown
that it heard the other's token of this round: nothing is sent toward a host on an old or a lone word.
"""

import struct
from collections import OrderedDict
from collections.abc import Callable, Iterator
from enum import Enum
from random import Random
from typing import Protocol, TypeAlias

from core.frozen import dataclass
from core.nat.side import Side
from core.punch.climb_config import ClimbConfig
from core.punch.rungs import Choice, Rung, choose
from core.punch.shots import Planned, Scene, plan, samples, sockets, wants_sample
from core.values import Address, Buffer
from core.wire.probe_packet import NONCE_BYTES, Probe, ProbeCodec, ProbeKind

_MAIL = struct.Struct("!BB8s8sH")
_VERSION = 1
_TOKEN_BYTES = 8
_NO_TOKEN = bytes(_TOKEN_BYTES)
REPEATS = 5  # of a probe on a path by which one came
NONCES = 4096  # of ours that an echo may still have: two rounds' worth


@dataclass(frozen=True, slots=True)
class Say:
    """Let the other side have this, sealed; it takes the place of what was said before."""

    text: bytes


@dataclass(frozen=True, slots=True)
class Open:
    """Open so many sockets, numbered from 1; those of an earlier round are closed. 0: only close."""

    count: int


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask a reflector, from socket 1, where it sees that; tell by `sampled`."""


@dataclass(frozen=True, slots=True)
class Shot:
    """Send a datagram from socket `via`."""

    via: int
    to: Address
    datagram: bytes
    ttl: int | None = None


Order: TypeAlias = Say | Open | Ask | Shot


@dataclass(frozen=True, slots=True)
class Climbed:
    """A round has ended. `via` and `remote`: the path, None where there is none. `packets` that we sent in it."""

    rung: Rung
    via: int | None
    remote: Address | None
    packets: int
    seconds: float
    round: int


class Places(Protocol):
    """The rule for probes (`core.reach.probing`)."""

    def begin(self, now: float) -> bool:
        """Take the one place for a try of many ports, or return False."""

    def end(self) -> None:
        """Give the place back."""

    def probe(self, now: float) -> bool:
        """Take the place for one packet, or return False: a little later, then."""


class _State(Enum):
    AGREEING = "agreeing"
    TRYING = "trying"
    RESTING = "resting"
    OPEN = "open"
    OVER = "over"


class Climb:
    """See the module. `first` tells the two sides apart; both know the other by `codec`."""

    def __init__(
        self, ours: Side, theirs: Side, codec: ProbeCodec, first: bool, random: Random, places: Places,
        config: ClimbConfig | None = None, proved: Callable[[], bool] = lambda: True,
    ) -> None:  # fmt: skip
        """`proved()`: ports that nobody named may be tried at the other's host. Until then we only talk."""
        self.ours, self.theirs = ours, theirs
        self._codec, self._first, self._random, self._places = codec, first, random, places
        self._config = config or ClimbConfig()
        self._proved = proved
        self._state = _State.RESTING
        self._round = -1
        self._choice: Choice | None = None
        self._token = self._echo = _NO_TOKEN
        self._port: int | None = None  # of our fresh socket
        self._their_port: int | None = None
        self._asked_at: float | None = None  # when the reflector is asked, or was
        self._ask_due = False
        self._agreed = self._heard_us = self._placed = False
        self._began_at = self._until = 0.0
        self._shots: Iterator[Planned] = iter(())
        self._next: Planned | None = None
        self._again: OrderedDict[tuple[int, Address], tuple[float, int]] = OrderedDict()  # next, and how many are left
        self._nonces: OrderedDict[bytes, tuple[int, Address]] = OrderedDict()
        self._confirmable: OrderedDict[bytes, tuple[int, Address]] = OrderedDict()
        self._orders: list[Order] = []
        self._outcomes: list[Climbed] = []
        self._mail: tuple[int, bytes, bytes, int] | None = None
        self.packets = 0

    # -- what the owner tells -----------------------------------------------------------------------------------------

    def start(self, now: float) -> bool:
        """Begin with the next round; False when no rung can help this pair."""
        if self._state in (_State.AGREEING, _State.TRYING):
            return True
        return self._begin(self._round + 1, now)

    def mail(self, text: bytes, now: float) -> None:
        """Take what the other side says."""
        try:
            version, number, token, echo, port = _MAIL.unpack(text)
        except struct.error:
            return
        if version != _VERSION or self._state in (_State.OPEN, _State.OVER):
            return
        self._mail = (number, token, echo, port)
        behind = self._state is _State.RESTING or (self._state is _State.AGREEING and number > self._round)
        if behind and number > self._round and now >= self._began_at + (0.0 if self._round < 0 else 1.0):
            self._begin(number, now)
        self._read_mail(now)

    def look(self, now: float) -> None:
        """Begin if that was all that was missing: what `proved` tells may be another thing now."""
        self._read_mail(now)

    def sampled(self, port: int | None, now: float) -> None:
        """Take where the reflector saw socket 1; None: it did not answer."""
        if self._state is _State.AGREEING and self._asked_at is not None:
            self._asked_at = None
            self._port = port
            self._say()
            self._read_mail(now)

    def receive(self, via: int, datagram: Buffer, source: Address, now: float) -> None:
        """Take a probe that arrived at one of our sockets. Forged ones, and those of other hosts, are dropped."""
        if source.host != self.theirs.address.host or self._state in (_State.OVER, _State.RESTING):
            return
        probe = self._codec.parse(datagram)
        if probe is None:
            return
        match probe.kind:
            case ProbeKind.PROBE:
                self._on_probe(probe, via, source, now)
            case ProbeKind.ECHO if self._nonces.get(probe.nonce, (None,))[0] == via:
                del self._nonces[probe.nonce]
                self._send(via, source, ProbeKind.CONFIRM, probe.nonce)
                self._won(via, source, now)
            case ProbeKind.CONFIRM if self._confirmable.pop(probe.nonce, None) == (via, source):
                self._won(via, source, now)

    def close(self) -> None:
        """Nothing happens any longer."""
        self._state = _State.OVER
        self._leave_place()
        self._orders.append(Open(0))

    # -- time ---------------------------------------------------------------------------------------------------------

    def tick(self, now: float) -> None:
        """Act on what is due."""
        if self._state is _State.AGREEING:
            self._tick_agreeing(now)
        elif self._state is _State.TRYING:
            self._tick_trying(now)
        elif self._state is _State.RESTING and self._choice is not None and now >= self._until:
            self._begin(self._round + 1, now)

    def deadline(self) -> float | None:
        """Return when `tick` is next due; None: never."""
        if self._state is _State.AGREEING:
            wait = 0.0 if self._ask_due else self._config.sample
            sample = None if self._asked_at is None else self._asked_at + wait
            return self._until if sample is None else min(self._until, sample)
        if self._state is _State.TRYING:
            due = [self._until, *(at for at, _ in self._again.values())]
            if self._next is not None:
                due.append(self._began_at + self._next.at)
            return min(due)
        return self._until if self._state is _State.RESTING and self._choice is not None else None

    def orders(self) -> list[Order]:
        """Return, and forget, what is to be done now, in this order."""
        orders, self._orders = self._orders, []
        return orders

    def outcomes(self) -> list[Climbed]:
        """Return, and forget, what has ended."""
        outcomes, self._outcomes = self._outcomes, []
        return outcomes

    @property
    def busy(self) -> bool:
        """Whether a round is under way."""
        return self._state in (_State.AGREEING, _State.TRYING)

    # -- agreeing -----------------------------------------------------------------------------------------------------

    def _begin(self, number: int, now: float) -> bool:
        choice = choose(self.ours, self.theirs, number, first=self._first, rows=self._config.rows)
        self._choice = choice
        if choice is None:
            return False
        if choice.rung in (Rung.BIRTHDAY, Rung.BLOCKS) and not self._placed:
            if not self._places.begin(now):  # another pair has the place: a little later
                self._state, self._until = _State.RESTING, now + 1.0 + self._random.random()
                self._round = max(self._round, number - 1)
                return True
            self._placed = True
        self._ask_due = False
        self._state, self._round = _State.AGREEING, number
        self._began_at, self._until = now, now + self._config.parley
        self._token, self._echo = self._random.randbytes(_TOKEN_BYTES), _NO_TOKEN
        self._port = self._their_port = None
        self._agreed = False
        self._orders.append(Open(sockets(choice, self.ours, self._config)))
        if samples(choice, self.ours):
            self._asked_at = now + self._config.settle
            self._ask_due = True
        else:
            self._asked_at = None
            self._say()
        return True

    def _say(self) -> None:
        text = _MAIL.pack(_VERSION, min(self._round, 255), self._token, self._echo, self._port or 0)
        self._orders.append(Say(text))

    def _read_mail(self, now: float) -> None:
        """Answer their token by ours with it; begin when they have answered ours."""
        if self._mail is None or self._state is not _State.AGREEING:
            return
        number, token, echo, port = self._mail
        if number != min(self._round, 255):
            return
        self._their_port = port or None
        ready = self._asked_at is None and (self._names_ports() or self._proved())
        if self._echo != token and ready:
            self._echo = token
            self._say()
        if echo == self._token and ready:
            self._try(now)

    def _names_ports(self) -> bool:
        return self._choice is not None and self._choice.rung is Rung.EXACT

    def _tick_agreeing(self, now: float) -> None:
        if self._ask_due and self._asked_at is not None and now >= self._asked_at:
            self._ask_due = False
            self._orders.append(Ask())
        elif self._asked_at is not None and now >= self._asked_at + self._config.sample:
            self.sampled(None, now)
        elif now >= self._until:
            self._lost(now)

    # -- trying -------------------------------------------------------------------------------------------------------

    def _try(self, now: float) -> None:
        assert self._choice is not None
        self._state, self._began_at, self.packets = _State.TRYING, now, 0
        missing = wants_sample(self._choice, self.theirs) and self._their_port is None
        scene = Scene(self._choice, self.ours, self.theirs, self._their_port, self._random, self._config)
        self._shots = iter(()) if missing else plan(scene)
        self._next = next(self._shots, None)
        self._until = now + (self._config.linger if missing else self._longest())
        self._tick_trying(now)

    def _longest(self) -> float:
        """Return how long a round may take: as long as its side that has most to send."""
        assert self._choice is not None
        if self._choice.rung in (Rung.BIRTHDAY, Rung.BLOCKS):
            return self._config.begin + 1.25 * self._config.probes * self._config.spacing + self._config.linger
        return self._config.patience + self._config.linger

    def _tick_trying(self, now: float) -> None:
        while self._next is not None and self._began_at + self._next.at <= now:
            if self._next.ttl is None and not self._places.probe(now):
                self._next = self._next._replace(at=now - self._began_at + self._config.spacing)
                break
            self._probe(self._next.via, self._next.to, self._next.ttl)
            self._next = next(self._shots, None)
        for path, (at, left) in list(self._again.items()):
            if at <= now:
                self._probe(*path)
                if left > 1:
                    self._again[path] = (now + self._config.again, left - 1)
                else:
                    del self._again[path]
        if now >= self._until:
            self._lost(now)

    def _probe(self, via: int, to: Address, ttl: int | None = None) -> None:
        nonce = self._random.randbytes(NONCE_BYTES)
        self._nonces[nonce] = (via, to)
        if len(self._nonces) > NONCES:
            self._nonces.popitem(last=False)
        self._send(via, to, ProbeKind.PROBE, nonce, ttl)

    def _send(self, via: int, to: Address, kind: ProbeKind, nonce: bytes, ttl: int | None = None) -> None:
        self.packets += 1
        self._orders.append(Shot(via, to, self._codec.pack(kind, nonce), ttl))

    def _on_probe(self, probe: Probe, via: int, source: Address, now: float) -> None:
        """Answer; and if we do not know yet that our packets arrive there, probe that path too."""
        self._confirmable[probe.nonce] = (via, source)
        if len(self._confirmable) > NONCES:
            self._confirmable.popitem(last=False)
        self._send(via, source, ProbeKind.ECHO, probe.nonce)
        if self._state is _State.TRYING:
            self._again.setdefault((via, source), (now + self._config.again, REPEATS))

    def _won(self, via: int, remote: Address, now: float) -> None:
        if self._state is _State.OPEN:
            return
        rung = self._choice.rung if self._choice else Rung.PLAIN
        self._state = _State.OPEN
        self._leave_place()
        self._outcomes.append(Climbed(rung, via, remote, self.packets, now - self._began_at, self._round))

    def _lost(self, now: float) -> None:
        assert self._choice is not None
        pauses = self._config.pauses
        pause = pauses[min(self._round, len(pauses) - 1)]
        if self._choice.rung in (Rung.PREDICT, Rung.EXACT, Rung.ROWS) and self._round < self._config.quick_rounds:
            pause = self._config.quick
        self._state, self._until = _State.RESTING, now + pause * (1.0 + 0.2 * self._random.random())
        self._again.clear()
        self._nonces.clear()
        self._leave_place()
        self._orders.append(Open(0))
        ended = Climbed(self._choice.rung, None, None, self.packets, now - self._began_at, self._round)
        self._outcomes.append(ended)

    def _leave_place(self) -> None:
        if self._placed:
            self._placed = False
            self._places.end()

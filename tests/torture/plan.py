"""What one run of the arena does, drawn from one seed: the line, the clocks, the habits of both owners, mishaps."""

import math
from dataclasses import dataclass, field, replace
from random import Random

from core.utp.config import UtpConfig
from core.wire.utp_marks import ALL_MARKS, Marks

WRAP = 2**32 / 1e6  # seconds; when the microseconds of a timestamp start from 0


@dataclass(frozen=True)
class Line:
    """One way of the network. Times are seconds, the others are probabilities."""

    delay: float = 0.02
    jitter: float = 0.0
    loss: float = 0.0
    duplicate: float = 0.0
    mtu: int = 1 << 16  # bytes of UDP payload; what is longer is lost, unless routers may cut it
    held: float = 0.0  # of being overtaken by what follows in the next quarter of a second


@dataclass(frozen=True)
class Clock:
    """How a side's clock differs from the arena's, and how late its timers are."""

    offset: float = 0.0  # seconds
    rate: float = 1.0
    late: float = 0.0  # seconds, at most
    early: float = 0.0  # probability of a needless tick after anything that happens


@dataclass(frozen=True)
class Habits:
    """What an owner does with each connection. Times are seconds from the start of the run."""

    size: int = 20_000  # bytes to write
    most: int = 5_000  # bytes in one write
    boundary: float = 0.3  # probability of a write with a boundary
    pause: float = 0.0  # up to this long between writes
    read_every: float = 0.0  # 0: as soon as there is something
    read_from: float = 0.0
    closes: str = "written"  # or "ended": after the peer's FIN; "at": at `at`, whatever was written
    at: float = math.inf
    abort_at: float = math.inf


@dataclass(frozen=True)
class Mishap:
    """Something that befalls a side (0 or 1) at a time."""

    kind: str  # "suspend", "jump", "die", "restart", "blackout", "rebind"
    side: int
    at: float
    seconds: float = 0.0
    clock_stops: bool = False  # of a suspended machine


@dataclass(frozen=True)
class Plan:
    """All of one run."""

    seed: int
    lines: tuple[Line, Line] = (Line(), Line())
    clocks: tuple[Clock, Clock] = (Clock(), Clock())
    habits: tuple[Habits, Habits] = (Habits(), Habits())
    config: UtpConfig = field(default_factory=UtpConfig)
    start: float = 1000.0
    near_wrap: bool = False  # ids and sequence numbers begin close to 65535
    calls: tuple[tuple[int, float], ...] = ((0, 0.0),)  # which side connects, and when
    mishaps: tuple[Mishap, ...] = ()
    corrupt: float = 0.0  # probability that a datagram is changed on the way
    anywhere: bool = False  # changed anywhere; else only where it must do no harm
    garbage: float = 0.0  # probability that a made-up datagram follows a real one

    @property
    def peaceful(self) -> bool:
        """Whether everything has to arrive and to end without an error."""
        quiet = all(m.kind == "jump" or m.seconds < 20.0 for m in self.mishaps)
        fatal = any(m.kind in ("die", "restart", "jump", "rebind") for m in self.mishaps)
        polite = all(h.abort_at == math.inf for h in self.habits)
        return quiet and not fatal and polite and not self.anywhere and max(line.loss for line in self.lines) < 0.25


def _line(random: Random, loss: float) -> Line:
    delay = random.choice((0.0, 0.001, 0.02, 0.15))
    return Line(
        delay,
        jitter=random.choice((0.0, delay / 2, 2 * delay)),
        loss=loss,
        duplicate=random.choice((0.0, 0.0, 0.05, 0.3)),
        held=random.choice((0.0, 0.0, 0.02, 0.2)),
        mtu=random.choice((1 << 16, 1 << 16, 1402)),
    )


def _clock(random: Random) -> Clock:
    return Clock(
        offset=random.choice((0.0, 3600.0, WRAP - 1000.0 - random.random() * 5)),
        rate=random.choice((1.0, 1.0, 0.9995, 1.0005)),
        late=random.choice((0.0, 0.0, 0.025, 0.5)),
        early=random.choice((0.0, 0.2)),
    )


def _habits(random: Random) -> Habits:
    most = random.choice((1, 40, 1382, 5_000, 70_000))
    return Habits(
        size=random.choice((0, 1, 3000, 20_000, 60_000)) if most > 40 else random.choice((1, 600)),
        most=most,
        boundary=random.choice((0.0, 0.3, 1.0)),
        pause=random.choice((0.0, 0.0, 0.0, 0.2, 40.0)) if most > 1382 else 0.0,
        read_every=random.choice((0.0, 0.0, 0.0, 0.3, 3.0)),
        read_from=random.choice((0.0, 0.0, 0.0, 30.0)),
        closes=random.choice(("written", "written", "ended", "at")),
        at=random.choice((0.0, 0.03, 1.0, 30.0)),
    )


def _config(random: Random) -> UtpConfig:
    mtu = random.choice((1402, 1402, 576, 150))
    return UtpConfig(
        # a path that is probed begins at 548 bytes: shorter packets, and buffers for them, are for others
        marks=random.choice((ALL_MARKS, ALL_MARKS, Marks.JOINS, Marks(0)) if mtu > 548 else (Marks.JOINS, Marks(0))),
        mtu=mtu,
        receive_window=random.choice((1 << 20, 1 << 20, 8 * mtu, 2 * mtu, mtu)),
        send_buffer=random.choice((1 << 20, 20_000, 3 * mtu)),
        send_packets=random.choice((4096, 8)),
        unread_packets=random.choice((8192, 4)),
        selective_ack_bits=random.choice((256, 32)),
    )


def draw(seed: int) -> Plan:
    """Draw a run in which nothing worse happens than a bad line, slow owners and odd clocks."""
    random = Random(f"plan {seed}")
    loss = random.choice((0.0, 0.0, 0.02, 0.1, 0.2, 0.3, 0.4))
    habits = (_habits(random), _habits(random))
    if habits[0].closes == habits[1].closes == "ended":  # each would wait for the other
        habits = (replace(habits[0], closes="written"), habits[1])
    return Plan(
        seed,
        lines=(_line(random, loss), _line(random, random.choice((loss, 0.0)))),
        clocks=(_clock(random), _clock(random)),
        habits=habits,
        config=_config(random),
        near_wrap=random.random() < 0.5,
        calls=random.choice((((0, 0.0),), ((1, 0.0),), ((0, 0.0), (1, 0.0)), ((0, 0.0), (1, 0.01), (0, 2.0)))),
    )


def _when(random: Random) -> float:
    """Return a moment of any phase: connecting, sending, ending, over."""
    return random.choice((0.0, 0.01, 0.03, 0.1, random.random(), random.random() * 10, random.random() * 60))


def with_mishaps(plan: Plan) -> Plan:
    """Add suspended machines, clocks that jump, dead lines, deaths, restarts and aborts, at any phase."""
    random = Random(f"mishaps {plan.seed}")
    mishaps = []
    for _ in range(random.randint(1, 2)):
        kind = random.choice(("suspend", "jump", "die", "restart", "blackout", "rebind", "abort"))
        side, at = random.randrange(2), _when(random)
        if kind == "abort":
            habits = list(plan.habits)
            habits[side] = replace(habits[side], abort_at=at)
            plan = replace(plan, habits=(habits[0], habits[1]))
            continue
        seconds = random.choice((2.0, 15.0, 70.0, 150.0, 4 * 3600.0))
        if kind == "restart":
            seconds = random.choice((2.0, 15.0, 70.0))
        mishaps.append(Mishap(kind, side, at, seconds, clock_stops=random.random() < 0.5))
    return replace(plan, mishaps=tuple(mishaps))


def with_corruption(plan: Plan, *, anywhere: bool) -> Plan:
    """Change datagrams on the way, and mix made-up ones in."""
    random = Random(f"corruption {plan.seed}")
    chance = random.choice((0.01, 0.05, 0.2))
    garbage = random.choice((0.0, 0.2))
    lines = (replace(plan.lines[0], loss=0.0), replace(plan.lines[1], loss=0.0))
    return replace(plan, lines=lines, corrupt=chance, anywhere=anywhere, garbage=garbage)

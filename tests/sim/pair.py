"""Two peers behind routers, with reflectors and a broker: all engines of the ladder in virtual time."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from random import Random

from core.nat.classify import Sample, Trial, classify
from core.nat.reflection import Reflected, Reflection, Reflector
from core.nat.report import Filtering, Mapping
from core.nat.side import Side, parse_side, side_of
from core.punch.climb import Ask, Climb, Climbed, Open, Say, Shot
from core.punch.climb_config import ClimbConfig
from core.punch.events import PunchFinished, PunchHeard
from core.punch.meeting import MeetingEnded, Meetings
from core.punch.puncher import Puncher
from core.punch.rungs import choose, plain_may_do
from core.reach.probing import Probing
from core.values import Address, Buffer, Burst, Machine
from core.wire.probe_packet import KEY_BYTES, ProbeCodec, is_probe
from core.wire.reflect_packet import is_reflection
from tests.natlab.kinds import Kind
from tests.sim.kinds import place
from tests.sim.link import Link
from tests.sim.socket import SimulatedSocket
from tests.sim.world import Host, World

REFLECTORS = (Address("203.0.113.1", 7000), Address("203.0.113.1", 7001), Address("203.0.113.2", 7000))
SERVING = 40000
FIRST_FRESH = 41000
KEY = bytes(KEY_BYTES)


class Port:
    """One socket's part of a climb, as a machine."""

    def __init__(self, peer: "SimPeer", via: int) -> None:
        self._peer, self._via = peer, via

    def receive(self, datagrams: Sequence[Buffer], source: Address, now: float) -> None:
        for datagram in datagrams:
            if self._peer.climb is not None:
                self._peer.climb.receive(self._via, datagram, source, now)
        self._peer.act(now)

    def tick(self, now: float) -> None:
        """Nothing is due: the peer has the timer."""

    def deadline(self) -> float | None:
        return None

    def transmit(self, now: float) -> list[Burst]:
        return []

    def events(self) -> list[object]:
        return []


def sort_afresh(datagram: bytes) -> str | None:
    """Name the engine that a datagram at a fresh socket is for: a punch that finds one by chance is for none."""
    if is_probe(datagram):
        return "climb"
    return "reflection" if is_reflection(datagram) else None


def sort(datagram: bytes) -> str:
    """Name the engine that a datagram at the serving socket is for."""
    return sort_afresh(datagram) or "punch"


@dataclass
class SimPeer:
    """One side."""

    world: World
    host: Host
    seed: int
    first: bool
    mail_delay: float
    config: ClimbConfig = field(default_factory=ClimbConfig)
    traffic: int = 0  # new destinations that other packets of ours go to with each word
    climb: Climb | None = None
    other: "SimPeer | None" = None
    opened_at: float | None = None
    by: str = ""
    packets: int = 0
    climbed: list[Climbed] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        self.places = Probing()
        self.meetings = Meetings()
        self.puncher = Puncher()
        self.reflection = Reflection(self.random, answers=False)
        machines: dict[str, Machine[object]] = {
            "punch": self.puncher, "climb": Port(self, 0), "reflection": self.reflection,
        }  # fmt: skip
        self.serving = self.host.socket(SERVING, machines, sort, on_event=self._on_event)
        self.fresh: list[SimulatedSocket] = []
        self._fresh_port = FIRST_FRESH
        self._timer = 0.0
        self._elsewhere = 1000 * self.first

    # -- knowing the network

    def _fresh_socket(self, via: int) -> tuple[SimulatedSocket, Reflection]:
        reflection = Reflection(self.random, answers=False)
        self._fresh_port += 1
        machines: dict[str, Machine[object]] = {"climb": Port(self, via), "reflection": reflection}
        return self.host.socket(self._fresh_port, machines, sort_afresh), reflection

    def look(self) -> Side:
        """Classify our network with real packets; the clock moves."""
        samples: list[Sample] = []

        def take(*asking: tuple[SimulatedSocket, Reflection]) -> None:
            self.world.run(self.world.now + 1.6)
            for socket, _ in asking:
                for _, event in socket.events:
                    if isinstance(event, Reflected) and event.observed is not None:
                        inside = Address("0.0.0.0", socket.address.port)
                        samples.append(Sample(inside, event.reflector.address, event.observed, event.asked_at))

        def ask(asking: tuple[SimulatedSocket, Reflection], *reflectors: Address) -> None:
            for each in reflectors:
                asking[1].ask(Reflector(each), self.world.now)
            asking[0].flush()

        mine = (self.serving, self.reflection)
        ask(mine, *REFLECTORS)
        take(mine)
        for _ in range(4):
            one = self._fresh_socket(0)
            ask(one, REFLECTORS[0])
            take(one)
            self.host.close(one[0].address.port)
        many = [self._fresh_socket(0) for _ in range(12)]
        for one in many:
            ask(one, *REFLECTORS[:2])
        take(*many)
        for one in many:
            self.host.close(one[0].address.port)
        seen = next(each.observed for each in samples if each.inside.port == SERVING)
        report = classify(samples, Address("0.0.0.0", SERVING), Trial(), self.world.now)
        return parse_side(bytes(side_of(report, seen)))

    # -- meeting

    def meet(self, ours: Side, theirs: Side) -> None:
        """Hear of the other, as a broker tells both at once."""
        now = self.world.now
        self.meetings.meet(theirs.address, now)
        self._after_plain(ours, theirs, now)
        self.act(now)

    def _after_plain(self, ours: Side, theirs: Side, now: float) -> None:
        """The next rung at once where plain punching cannot do, else when it has failed."""
        self.climb = Climb(ours, theirs, ProbeCodec(KEY, self.first), self.first, self.random, self.places, self.config)
        hopeless = choose(ours, theirs, 0, first=self.first) is not None and not plain_may_do(ours, theirs)
        if hopeless:
            self.climb.start(now)

    def _on_event(self, event: object) -> None:
        now = self.world.now
        if isinstance(event, PunchHeard):
            self.meetings.heard(event.remote, now)
        elif isinstance(event, PunchFinished) and event.confirmed:
            self.meetings.reached(event.remote, now)
        self.act(now)

    def act(self, now: float) -> None:
        """Carry out what the engines want, and arm the timer."""
        for order in self.meetings.orders():
            self.puncher.punch(order.remote, now, packets=order.packets, openers=order.openers)
            self.packets += order.packets
        for ended in self.meetings.outcomes():
            self._plain_ended(ended, now)
        climb = self.climb
        if climb is not None:
            for each in climb.orders():
                self._carry_out(each, climb)
            for climbed in climb.outcomes():
                self.climbed.append(climbed)
                if climbed.remote is not None:
                    self._open(climbed.rung.value, now)
        if not self.serving._flushing:
            self.serving.flush()
        due = [each for each in (self.meetings.deadline(), climb.deadline() if climb else None) if each is not None]
        if due and (self._timer <= now or min(due) < self._timer):
            self._timer = max(now, min(due))
            self.world.at(self._timer, self._wake)

    def _wake(self, now: float) -> None:
        self._timer = now
        self.meetings.tick(now)
        if self.climb is not None:
            self.climb.tick(now)
        self.act(now)

    def _plain_ended(self, ended: MeetingEnded, now: float) -> None:
        if ended.open and ended.confirmed:
            self._open("plain", now)
        elif self.opened_at is None and self.climb is not None:
            self.climb.start(now)

    def _open(self, how: str, now: float) -> None:
        if self.opened_at is None:
            self.opened_at, self.by = now, how

    def _carry_out(self, order: Say | Open | Ask | Shot, climb: Climb) -> None:
        world = self.world
        if isinstance(order, Shot):
            self.packets += 1
            socket = self.serving if order.via == 0 else self.fresh[order.via - 1]
            socket.send(order.to, order.datagram, order.ttl)
        elif isinstance(order, Open):
            for socket in self.fresh:
                self.host.close(socket.address.port)
            asking = [self._fresh_socket(via) for via in range(1, order.count + 1)]
            self.fresh = [socket for socket, _ in asking]
            self._asking = asking[0][1] if asking else None
        elif isinstance(order, Ask):
            self._ask(climb)
        elif self.other is not None:
            for _ in range(self.traffic):
                self._elsewhere += 1
                self.serving.send(Address(REFLECTORS[0].host, 20_000 + self._elsewhere), b"d1:q4:pinge")
            other, text = self.other, order.text
            # TCP-like: what is lost on its way to the broker or from it comes half a second later
            late = 0.6 if self.random.random() < 1 - (1 - world.public.link.loss) ** 2 else 0.0

            def deliver(now: float) -> None:
                if other.climb is not None:
                    other.climb.mail(text, now)
                    other.act(now)

            world.at(world.now + self.mail_delay + late, deliver)

    def _ask(self, climb: Climb) -> None:
        socket, reflection = self.fresh[0], self._asking
        assert reflection is not None

        def told(event: object) -> None:
            if isinstance(event, Reflected):
                climb.sampled(event.observed.port if event.observed else None, self.world.now)
                self.act(self.world.now)

        socket.on_event = told
        reflection.ask(Reflector(REFLECTORS[0]), self.world.now)
        socket.flush()


@dataclass(frozen=True)
class Met:
    """What became of a pair. `seconds`: until the later side knew a path, from when the first heard of the other."""

    by: str
    seconds: float | None
    packets: int
    probes_to_others: int


def meet(one: Kind, other: Kind, seed: int, *, loss: float = 0.0, rtt: float = 0.0, skew: float = 0.0,
         limit: float = 60.0, config: ClimbConfig | None = None, mail: float | None = None,
         traffic: int = 0) -> Met:  # fmt: skip
    """Let two meet; `mail`: seconds that a word takes from one to the other."""
    world = World(seed, Link(delay=rtt / 2, loss=0.0))
    for reflector in dict.fromkeys(each.host for each in REFLECTORS):
        host = world.host(reflector)
        for each in REFLECTORS:
            if each.host == reflector:
                host.socket(each.port, Reflection(Random(seed)))
    word = rtt if mail is None else mail
    peers = [
        SimPeer(
            world,
            place(world, kind, 10 + number),
            seed * 2 + number,
            number == 0,
            word,
            config or ClimbConfig(),
            traffic,
        )
        for number, kind in enumerate((one, other))
    ]
    sides = [_filtered(peer.look(), kind) for peer, kind in zip(peers, (one, other), strict=True)]
    peers[0].other, peers[1].other = peers[1], peers[0]
    world.public.link = Link(delay=rtt / 2, loss=loss)
    began = world.now
    late = seed % 2
    for number, peer in enumerate(peers):
        ours, theirs = sides[number], sides[1 - number]
        world.call(began + (skew if number == late else 0.0), partial(_meet, peer, ours, theirs))
    world.run_until(lambda: all(peer.opened_at is not None for peer in peers), limit=began + limit, step=0.05)
    times = [peer.opened_at for peer in peers]
    hosts = {"198.51.100.10", "198.51.100.11", *(each.host for each in REFLECTORS)}
    others = sum(1 for _, what, _, to, _ in world.trace.entries if what == "sent" and to.host not in hosts)
    found = [each for each in times if each is not None]
    seconds = max(found) - began if len(found) == 2 else None
    by = next((peer.by for peer in peers if peer.by), "")
    return Met(by, seconds, sum(peer.packets for peer in peers), others)


def _meet(peer: SimPeer, ours: Side, theirs: Side, _now: float) -> None:
    peer.meet(ours, theirs)


_STRICT = {Kind.OPEN: Filtering.LOOSE, Kind.FULL_CONE: Filtering.LOOSE, Kind.RESTRICTED: Filtering.LOOSE}


def _filtered(side: Side, kind: Kind) -> Side:
    """Add what a broker with two ports tells of the filter (tests/natlab/test_doctor.py)."""
    mapping = Mapping.NONE if kind is Kind.OPEN else side.mapping
    return replace(side, filtering=_STRICT.get(kind, Filtering.STRICT), mapping=mapping)

"""Two muxes, their owners, a bad line and odd clocks: runs a `Plan` and says what is wrong with how it went.

Every run can be made again from its seed, which is in every failure's message.
"""

import heapq
import itertools
from collections.abc import Callable
from functools import partial
from random import Random

from core.utp.connection import Connection
from core.utp.events import UtpEvent
from core.utp.mux import Mux
from core.utp.state import State
from core.values import Address, Fragments
from tests.torture.damage import anything, garbage, harmless
from tests.torture.invariants import Broken, check_empty, check_mux, demand
from tests.torture.owner import End, Owner
from tests.torture.plan import Mishap, Plan

ADDRESSES = (Address("192.0.2.1", 1001), Address("192.0.2.2", 1002))
_SOCKET_BUFFER = 64  # datagrams kept by the kernel for a suspended process
_ROUNDS = 3000  # of transmit and events in one flush: every round sends or tells something, and nothing is endless
_IDLE_WAKES = 200  # wakes in a row at one moment that send and tell nothing
_CHECK_EVERY = 8  # flushes; a sum that is wrong stays wrong
_ROUNDING = 1e-6  # seconds
_STEPS = 400_000  # of one run
_LONGEST = 40_000.0  # seconds; hours of suspension, and every time-out after it


class EdgyRandom(Random):
    """Gives 16-bit numbers close to their end, other ones than that of the other side: ids must not meet by chance."""

    def __init__(self, seed: str, side: int) -> None:
        super().__init__(seed)
        self._first = (65_524, 65_535)[side]

    def getrandbits(self, k: int) -> int:
        """Return a random number of k bits, of 16 one that wraps soon."""
        return (self._first + super().getrandbits(3)) & 0xFFFF if k == 16 else super().getrandbits(k)


class Host:
    """One side: a mux, its owner, a clock of its own. `now` is local, all else is the arena's time."""

    def __init__(self, arena: "Arena", side: int) -> None:
        self.side, self.address = side, ADDRESSES[side]  # the address as others see it
        self.arena = arena
        self.clock = arena.plan.clocks[side]
        self.offset = self.clock.offset
        self._newest = 0.0
        self.alive, self.suspended = True, False
        self.inbox: list[tuple[Address, bytes]] = []
        self.wake_number = self.flushes = 0
        self.idle_wakes = 0
        self.born(0)

    def born(self, life: int) -> None:
        """Begin, or begin again with the same ids and numbers: what a restarted libutp does."""
        seed = f"mux {self.arena.plan.seed} {self.side}"
        random = EdgyRandom(seed, self.side) if self.arena.plan.near_wrap else Random(seed)
        self.mux = Mux(self.arena.plan.config, random)
        self.owner = Owner(self, self.arena, life)
        self.alive = True

    @property
    def now(self) -> float:
        """Return the local time; like the pump's it never goes back, nor stays before the deadline that woke us."""
        self._newest = max(self._newest, self.offset + self.clock.rate * self.arena.now)
        return self._newest

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        """Do something in a while, unless this life is over then; a suspended machine does it when it wakes up."""
        mux = self.mux

        def act() -> None:
            if self.mux is not mux or not self.alive:
                return
            if self.suspended:
                self.later(1.0, action)
                return
            action()
            self.flush()

        self.arena.at(self.arena.now + seconds, act)

    def take(self, source: Address, datagrams: list[bytes]) -> None:
        """What a socket does with what arrives."""
        if not self.alive:
            return
        if self.suspended:
            self.inbox += [(source, datagram) for datagram in datagrams]
            del self.inbox[_SOCKET_BUFFER:]
            return
        self.mux.receive([memoryview(datagram) for datagram in datagrams], source, self.now)
        self.flush()

    def flush(self) -> None:
        """Do what a pump does, until nothing comes any more, and check the engine."""
        if self.arena.random.random() < self.clock.early:
            self.mux.tick(self.now)
        for _ in range(_ROUNDS):
            busy = False
            for burst in self.mux.transmit(self.now):
                busy = True
                for datagram in burst.datagrams:
                    self.arena.send(self, burst.to, datagram, whole=burst.fragments is not Fragments.ALLOW)
            for event in self.mux.events():
                busy = True
                self.idle_wakes = 0
                self.arena.saw(event)
                self.owner.hear(event)
            if not busy:
                break
        else:
            raise Broken("it sends and tells for ever")
        self.flushes += 1
        if self.flushes % _CHECK_EVERY == 0:
            check_mux(self.mux, self.arena.plan.config)
        self.arm()

    def arm(self) -> None:
        """Set the one timer, to fire in time or late."""
        self.wake_number += 1
        deadline = self.mux.deadline()
        if deadline is None:
            return
        demand(deadline == deadline, "a deadline that is no number", deadline)
        at = max(self.arena.now, (deadline - self.offset) / self.clock.rate)
        at += self.arena.random.random() * self.clock.late
        self.arena.at(at, partial(self._wake, self.wake_number))

    def _wake(self, number: int) -> None:
        if number != self.wake_number or not self.alive or self.suspended:
            return
        self.idle_wakes = self.idle_wakes + 1 if self.arena.now == self.arena.last_wake else 0
        self.arena.last_wake = self.arena.now
        demand(self.idle_wakes < _IDLE_WAKES, "its deadline stays in the past", self.mux.deadline(), self.now)
        due = self.mux.deadline()
        if due is not None and due - self.now < _ROUNDING:
            self._newest = max(self.now, due)
        self.mux.tick(self.now)
        self.flush()


class Arena:
    """Runs a plan. `transitions` are those of every connection's state; `errors` what connections ended with."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.random = Random(f"arena {plan.seed}")
        self.now = plan.start
        self.last_wake = -1.0
        self.steps = 0
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self.dark = False  # nothing passes
        self.callers: dict[tuple[int, int], End] = {}  # by side and the id that it receives; the latest
        self.hosts = (Host(self, 0), Host(self, 1))
        self.owners = [host.owner for host in self.hosts]  # of every life

    def run(self) -> "Arena":
        """Run to the end, or raise AssertionError with the seed."""
        try:
            for side, at in self.plan.calls:
                self.at(self.plan.start + at, partial(self._call, self.hosts[side]))
            for mishap in self.plan.mishaps:
                self.at(self.plan.start + mishap.at, partial(self._befall, mishap))
            self._until_quiet()
            self._judge()
        except Exception as error:
            raise AssertionError(f"{type(error).__name__}: {error}; again: {self.plan!r}") from error
        return self

    def at(self, when: float, action: Callable[[], None]) -> None:
        """Do something at a time."""
        heapq.heappush(self._queue, (when, next(self._numbers), action))

    def send(self, host: Host, to: Address, datagram: bytes, *, whole: bool) -> None:
        """Carry a datagram, or lose, double, delay, damage it."""
        line, random, other = self.plan.lines[host.side], self.random, self.hosts[1 - host.side]
        demand(to.host == other.address.host, "sent to a stranger", to)
        demand(len(datagram) <= self.plan.config.packet_max, "too long a datagram", len(datagram))
        if random.random() < self.plan.garbage:
            self.at(self.now + line.delay, partial(other.take, host.address, [garbage(random)]))
        too_long = whole and len(datagram) > line.mtu
        if self.dark or random.random() < line.loss or to != other.address or too_long:
            return
        if random.random() < self.plan.corrupt:
            damaged = (anything if self.plan.anywhere else harmless)(datagram, random)
            datagram = bytes(damaged)
        for _ in range(2 if random.random() < line.duplicate else 1):
            at = self.now + line.delay + random.random() * line.jitter
            if random.random() < line.held:
                at += random.random() / 4
            self.at(at, partial(other.take, host.address, [datagram]))

    def saw(self, event: UtpEvent) -> None:
        """Every event of either side passes here."""

    def _call(self, host: Host) -> None:
        if host.alive and not host.suspended:
            host.owner.call(self.hosts[1 - host.side].address)
            host.flush()

    def _until_quiet(self) -> None:
        while self._queue:
            when, _, action = heapq.heappop(self._queue)
            self.now = max(self.now, when)
            self.steps += 1
            demand(self.now < self.plan.start + _LONGEST, "it never ends", self._states())
            demand(self.steps < _STEPS, "too many steps", self._states())
            action()

    def _states(self) -> list[tuple[Connection, State]]:
        return [(c, c.state) for host in self.hosts for c in host.mux._connections.values()]

    # -- mishaps ------------------------------------------------------------------------------------------------

    def _befall(self, mishap: Mishap) -> None:
        host = self.hosts[mishap.side]
        if mishap.kind == "jump":
            host.offset += mishap.seconds
            if host.alive and not host.suspended:
                host.flush()
        elif mishap.kind == "rebind":  # the NAT before it forgets, and maps again
            host.address = host.address._replace(port=host.address.port + 1)
        elif mishap.kind == "blackout":
            self.dark = True
            self.at(self.now + mishap.seconds, self._light)
        elif mishap.kind == "suspend":
            host.suspended = True
            self.at(self.now + mishap.seconds, partial(self._resume, host, mishap))
        else:
            host.alive = False
            if mishap.kind == "restart":
                self.at(self.now + mishap.seconds, partial(self._restart, host))

    def _light(self) -> None:
        self.dark = False

    def _resume(self, host: Host, mishap: Mishap) -> None:
        host.suspended = False
        if mishap.clock_stops:
            host.offset -= mishap.seconds * host.clock.rate
        arrived, host.inbox = host.inbox, []
        if not host.alive:
            return
        if self.random.random() < 0.5:
            host.mux.tick(host.now)
        for source, datagram in arrived:
            host.take(source, [datagram])
        host.flush()

    def _restart(self, host: Host) -> None:
        if host.alive:
            return
        for each in self.hosts:  # with the same numbers, what is that old cannot be told from new
            each.inbox.clear()
        host.born(len(self.owners))
        self.owners.append(host.owner)
        for side, _ in self.plan.calls:
            if side == host.side:
                self._call(host)

    # -- the verdict --------------------------------------------------------------------------------------------

    def _judge(self) -> None:
        for host in self.hosts:
            if host.alive:
                check_empty(host.mux)
        for owner in self.owners:
            owner.judge(alive=any(owner is host.owner and host.alive for host in self.hosts))


def reproduce(plan: Plan) -> Arena:
    """Run a plan: what a failure's message asks for."""
    return Arena(plan).run()

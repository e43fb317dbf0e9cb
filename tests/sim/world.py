"""A simulated Internet that drives sans-IO engines; same seed, same trace.

    world = World(seed=1, link=Link(delay=0.03, loss=0.3))
    home = world.nat("198.51.100.1", NatKind(filtering=Filtering.ADDRESS_DEPENDENT))
    alice = home.host("192.168.1.2").socket(5000, puncher)
    bob = world.host("203.0.113.9").socket(6000, {"punch": puncher2, "utp": mux}, classify)
    world.every(1.0, lambda now: puncher.punch(bob.address, now))
    world.run(until=20.0)

The clock moves only in `run`. Every engine is treated as the real pump treats it: after any call transmit, events,
deadline; one timer per socket. Verbs may be called from `at` and `every`, from a socket's `on_event`, or between
two runs; a caller of a verb of *another* socket's engine, in `on_event`, calls that socket's `flush`.
"""

import heapq
import itertools
import random
from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeAlias

from core.values import Address, Machine
from tests.sim.link import Link, LinkState
from tests.sim.nat import NatKind, NatTable, Table
from tests.sim.socket import Classify, SimulatedSocket, SimulationError, only
from tests.sim.trace import Trace

Action: TypeAlias = Callable[[float], None]
_CALLS_AT_ONE_INSTANT = 100_000  # beyond this the clock stands still: an engine re-arms itself for the same instant


class Network:
    """Where addresses can reach one another: the public Internet, or what is behind one NAT."""

    def __init__(self, world: "World", link: Link, gateway: "Nat | None") -> None:
        self.link = link
        self._world = world
        self._gateway = gateway
        self._members: dict[str, Host | Nat] = {}
        self._state = LinkState()

    def add(self, address: str, member: "Host | Nat") -> None:
        """Give `member` an address here. Raises SimulationError when it is taken."""
        if address in self._members:
            raise SimulationError(f"{address} is taken")
        self._members[address] = member

    def carry(self, source: Address, to: Address, data: bytes, ttl: int | None = None) -> None:
        """Take a datagram across this network, to a member or to the gateway; what the link does to it is drawn.

        The public network is long: what has a `ttl` ends in it.
        """
        world = self._world
        if ttl is not None and self._gateway is None:
            world.note("ended", source, to, data)
            return
        target = self._members.get(to.host) or self._gateway
        if target is None:
            world.note("unrouted", source, to, data)
            return
        arrivals = self._state.arrivals(self.link, (source.host, to.host), len(data), world.now, world.random)
        if not arrivals:
            world.note("lost", source, to, data)
        outward = target is self._gateway
        for at in arrivals:
            world.at(at, partial(_take, target, source, to, data, outward, ttl))


def _take(
    target: "Host | Nat", source: Address, to: Address, data: bytes, outward: bool, ttl: int | None, _now: float
) -> None:
    target.take(source, to, data, outward=outward, ttl=ttl)


class Host:
    """One machine: sockets on ports of one address."""

    def __init__(self, world: "World", network: Network, address: str) -> None:
        self.address = address
        self.network = network
        self._world = world
        self._sockets: dict[int, SimulatedSocket] = {}
        network.add(address, self)

    def socket(
        self,
        port: int,
        machines: Machine[object] | Mapping[str, Machine[object]],
        classify: Classify | None = None,
        *,
        on_event: Callable[[object], None] | None = None,
    ) -> SimulatedSocket:
        """Open a UDP port for one engine, or for several told apart by `classify` (which names one, or None)."""
        if port in self._sockets:
            raise SimulationError(f"{self.address}:{port} is in use")
        if isinstance(machines, Mapping):
            if classify is None:
                raise SimulationError("several machines need a classify function")
        else:
            machines, classify = {"": machines}, only("")
        opened = SimulatedSocket(self._world, self.network, Address(self.address, port), machines, classify, on_event)
        self._sockets[port] = opened
        self._world.sockets.append(opened)
        return opened

    def close(self, port: int) -> None:
        """Close a port: its engine is not called again, its datagrams go unheard."""
        gone = self._sockets.pop(port)
        gone.closed = True
        self._world.sockets.remove(gone)

    def take(self, source: Address, to: Address, data: bytes, *, outward: bool, ttl: int | None = None) -> None:
        """Take a datagram off the network."""
        opened = self._sockets.get(to.port)
        self._world.note("unheard" if opened is None else "delivered", source, to, data)
        if opened is not None:
            opened.deliver(source, data)


class Nat:
    """A NAT between the network it stands in (`outside`) and one of its own (`inside`). May stand behind another."""

    def __init__(self, world: "World", outside: Network, address: str, kind: NatKind | Table, lan: Link) -> None:
        self.address = address
        self.outside = outside
        self.inside = Network(world, lan, self)
        self.table: Table = NatTable(kind, world.random) if isinstance(kind, NatKind) else kind
        self._world = world
        outside.add(address, self)

    def host(self, address: str) -> Host:
        """Put a host behind this NAT."""
        return Host(self._world, self.inside, address)

    def nat(self, address: str, kind: NatKind | Table | None = None, *, lan: Link | None = None) -> "Nat":
        """Put another NAT behind this one, as behind a carrier's."""
        return Nat(self._world, self.inside, address, kind or NatKind(), lan or _LAN)

    def take(self, source: Address, to: Address, data: bytes, *, outward: bool, ttl: int | None = None) -> None:
        """Translate a datagram that leaves (`outward`) or comes in."""
        if outward:
            port = self.table.outbound(source, to, self._world.now)
            seen_as = Address(self.address, port)
            if to.host != self.address:
                self.outside.carry(seen_as, to, data, ttl)
                return
            if not self.table.hairpins:
                self._world.note("refused", seen_as, to, data)
                return
            source = seen_as
        inside = self.table.inbound(to.port, source, self._world.now)
        if inside is None:
            self._world.note("refused", source, to, data)
        else:
            self.inside.carry(source, inside, data)


_LAN = Link(delay=0.001)


class World:
    """The clock, the queue of what is to happen, the public network and the trace."""

    def __init__(self, seed: int, link: Link | None = None, *, timer_slack: float = 0.0) -> None:
        """Make an empty world. `link` is the public network's; timers fire up to `timer_slack` seconds late."""
        self.now = 0.0
        self.random = random.Random(seed)
        self.trace = Trace()
        self.timer_slack = timer_slack
        self.sockets: list[SimulatedSocket] = []
        self.public = Network(self, link or Link(), None)
        self._queue: list[tuple[float, int, Action, bool]] = []
        self._order = itertools.count()

    def host(self, address: str) -> Host:
        """Put a host on the public network."""
        return Host(self, self.public, address)

    def nat(self, address: str, kind: NatKind | Table | None = None, *, lan: Link | None = None) -> Nat:
        """Put a NAT on the public network; its own network has the quality `lan`."""
        return Nat(self, self.public, address, kind or NatKind(), lan or _LAN)

    def at(self, when: float, action: Action, *, flush: bool = False) -> None:
        """Call `action(now)` at a time; `flush` when it may call verbs of engines."""
        heapq.heappush(self._queue, (max(when, self.now), next(self._order), action, flush))

    def every(self, interval: float, action: Action, *, start: float | None = None) -> None:
        """Call `action(now)` at `start` (now, if None) and every `interval` seconds; it may call verbs of engines."""
        first = self.now if start is None else start

        def repeat(index: int) -> None:
            def act(now: float) -> None:
                action(now)
                repeat(index + 1)

            self.at(first + index * interval, act, flush=True)  # a product, not a sum: no drift

        repeat(0)

    def call(self, when: float, action: Action) -> None:
        """Call `action(now)`, which may call verbs of engines, at a time."""
        self.at(when, action, flush=True)

    def run(self, until: float) -> None:
        """Move the clock to `until` seconds, letting everything happen that is due on the way.

        Raises SimulationError when an engine keeps the clock from moving.
        """
        self._flush_all()
        calls, instant = 0, self.now
        while self._queue and self._queue[0][0] <= until:
            when, _, action, flush = heapq.heappop(self._queue)
            calls = calls + 1 if when == instant else 0
            if calls > _CALLS_AT_ONE_INSTANT:
                raise SimulationError(f"the clock stands still at {when}")
            self.now = instant = when
            action(when)
            if flush:
                self._flush_all()
        self.now = max(self.now, until)

    def run_until(self, done: Callable[[], bool], *, limit: float, step: float = 0.01) -> bool:
        """Run in steps until `done()` or until the time `limit`; return whether it was done."""
        while not done():
            if self.now >= limit:
                return False
            self.run(min(limit, self.now + step))
        return True

    def note(self, what: str, source: Address, to: Address, data: bytes) -> None:
        """Write to the trace."""
        self.trace.add(self.now, what, source, to, data)

    def _flush_all(self) -> None:
        for opened in list(self.sockets):
            opened.flush()

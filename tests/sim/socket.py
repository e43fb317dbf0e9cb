"""A simulated UDP socket: drives the engines that share it, as the real pump does."""

from collections.abc import Callable, Mapping
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, TypeAlias

from core.values import Address, Machine

if TYPE_CHECKING:
    from tests.sim.world import Network, World

Classify: TypeAlias = Callable[[bytes], str | None]
_ROUNDS = 1000  # of transmit and events for one flush; beyond it the engine answers itself for ever


class SimulationError(Exception):
    """The world was built wrongly, or an engine breaks the contract of `Machine`."""


def only(name: str) -> Classify:
    """Return a classify function for a socket with one engine."""
    return lambda _: name


class SimulatedSocket:
    """`address` is the inside one; others see it through the NATs. `events` keeps all events with their times."""

    def __init__(
        self,
        world: "World",
        network: "Network",
        address: Address,
        machines: Mapping[str, Machine[object]],
        classify: Classify,
        on_event: Callable[[object], None] | None,
    ) -> None:
        self.address = address
        self.closed = False
        self.unclassified = 0  # datagrams that no engine wanted
        self.events: list[tuple[float, object]] = []
        self._world = world
        self._network = network
        self._machines = machines
        self._classify = classify
        self.on_event = on_event
        self._arrived: list[tuple[Address, str, bytes]] = []
        self._wakes_at: float | None = None
        self._flushing = False

    def send(self, to: Address, data: bytes, ttl: int | None = None) -> None:
        """Send a datagram as if an engine had: for tests that need a forged or foreign one."""
        self._world.note("sent", self.address, to, data)
        self._network.carry(self.address, to, bytes(data), ttl)

    def deliver(self, source: Address, data: bytes) -> None:
        """Take a datagram off the wire. Those that arrive at one instant are handed over together, as GRO does."""
        name = self._classify(data)
        if name is None:
            self.unclassified += 1
            return
        if not self._arrived:
            self._world.at(self._world.now, self._hand_over)
        self._arrived.append((source, name, data))

    def flush(self) -> None:
        """Send and report what the engines have, until they have nothing more, and arm the timer."""
        if self._flushing or self.closed:  # a verb called from on_event: the flush under way goes round again
            return
        self._flushing = True
        try:
            for _ in range(_ROUNDS):
                if not self._round():
                    break
            else:
                raise SimulationError(f"{self.address}: an engine answers itself for ever")
        finally:
            self._flushing = False
        self._arm()

    def _round(self) -> bool:
        busy = False
        for machine in self._machines.values():
            for burst in machine.transmit(self._world.now):
                busy = True
                for datagram in burst.datagrams:
                    self.send(burst.to, datagram, burst.ttl)
            for event in machine.events():
                busy = True
                self.events.append((self._world.now, event))
                if self.on_event is not None:
                    self.on_event(event)
        return busy

    def _hand_over(self, now: float) -> None:
        arrived, self._arrived = self._arrived, []
        if self.closed:
            return
        for (source, name), group in groupby(arrived, key=lambda item: item[:2]):
            self._machines[name].receive([data for _, _, data in group], source, now)
        self.flush()

    def _deadline(self) -> float | None:
        deadlines = [machine.deadline() for machine in self._machines.values()]
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def _arm(self) -> None:
        wanted = self._deadline()
        if wanted is None or (self._wakes_at is not None and self._wakes_at <= wanted):
            return
        world = self._world
        # Late never early: the real pump hands `max(now, due)` to an engine whose timer fired early.
        late = world.random.random() * world.timer_slack if world.timer_slack else 0.0
        self._wakes_at = max(wanted, world.now)
        world.at(wanted + late, partial(self._wake, self._wakes_at))

    def _wake(self, armed: float, now: float) -> None:
        if self._wakes_at == armed:
            self._wakes_at = None
        if self.closed:
            return
        for machine in self._machines.values():
            due = machine.deadline()
            if due is not None and due <= now:
                machine.tick(now)
        self.flush()

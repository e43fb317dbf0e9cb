"""Drives the machines of one socket: input, then transmit, events and ONE timer.

The timer is re-armed only when the deadline moves earlier; a later deadline lets the old timer fire and look again.
That suits Qt's loop, where a cancelled timer stays alive until it would have fired, and where timers fire early:
the pump's clock never goes back, and on a wake-up it reads at least the time the wake-up was meant for.
"""

import asyncio
import math
from collections.abc import Callable, Sequence
from typing import Any, Final, Generic, Protocol, TypeVar

from core.aio.clock import clock_of
from core.values import Address, Buffer, Burst, Machine

EventT = TypeVar("EventT")
Received = tuple[Address, Sequence[Buffer]]

# Transmit-and-events rounds per flush: callbacks that answer each other for ever must not hold the loop; the rest is
# done in its next turn.
ROUNDS_MAX: Final = 16
FLUSH_SECONDS: Final = 0.003  # after which no further round is begun: with one more, a window's 5 ms are kept
TIMER_FLOOR = (
    0.001  # seconds; a machine whose deadline stays in the past costs 1,000 wake-ups/s, not the whole processor
)
REPORTS_MAX = 20  # failures of callbacks reported in full per pump; a flood of packets must not become a flood of logs


class Route(Generic[EventT]):
    """A machine and the listener to its events. `on_source` is told each source that the machine got datagrams from.

    `idle` tells, cheaply, that there is nothing to transmit, to tell or to wait for: then the machine is not asked.
    None: it always is.
    """

    __slots__ = ("idle", "machine", "on_event", "on_source")

    def __init__(
        self,
        machine: Machine[EventT],
        on_event: Callable[[EventT], None],
        on_source: Callable[[Address, float], None] | None = None,
        idle: Callable[[], bool] | None = None,
    ) -> None:
        self.machine = machine
        self.on_event = on_event
        self.on_source = on_source
        self.idle = idle


class Classify(Protocol):
    """Names the route of a datagram by its content; None for what is nobody's."""

    def __call__(self, datagram: Buffer, /) -> Route[Any] | None: ...


class Pump:
    """The asyncio side of sans-IO machines that share one socket.

    Call `flush` after every verb used on a machine directly. Exceptions in callbacks, and bugs in machines, go to
    the loop's exception handler; the pump goes on.
    """

    def __init__(
        self, send: Callable[[Burst], None], classify: Classify, *, loop: asyncio.AbstractEventLoop | None = None
    ) -> None:
        self._loop = loop or asyncio.get_running_loop()
        self._send = send
        self._classify = classify
        self._routes: list[Route[Any]] = []
        self._clock = clock_of(self._loop)
        self._now = self._clock()
        self._timer: asyncio.Handle | None = None
        self._timer_at = math.inf
        self._flushing = False
        self._again = False
        self._sent = False  # the newest round sent something
        self._soon = False  # a flush is booked for the loop's next turn
        self._closed = False
        self.dropped_unknown = 0  # datagrams that were nobody's
        self.failures = 0  # exceptions caught from callbacks and machines

    def add(self, route: Route[Any]) -> None:
        """Drive one more machine. Machines transmit in the order they were added."""
        self._routes.append(route)

    def remove(self, route: Route[Any]) -> None:
        """Drive it no longer. Idempotent."""
        if route in self._routes:
            self._routes.remove(route)

    def now(self) -> float:
        """Return seconds on this pump's clock: the loop's, but never less than it said before.

        Callbacks get the time of the wake-up that they are called in; the clock is read again before anything is sent.
        """
        return self._now if self._flushing else self._read_clock()

    def _read_clock(self) -> float:
        time = self._clock()
        if time > self._now:
            self._now = time
        return self._now

    def receive(self, batch: Sequence[Received]) -> None:
        """Give each run of datagrams of one source and one route to its machine in one call, then flush once."""
        if self._closed:
            return
        now = self.now()
        reached: list[Route[Any]] = []
        for source, datagrams in batch:
            self._receive_from(source, datagrams, now, reached)
        if not self._flushing:
            self._flushing = True
            try:  # before anything is sent: what is answered at once leaves with the ack of what it answers
                self._tell(reached)
            finally:
                self._flushing = False
        self.flush()

    def _receive_from(
        self, source: Address, datagrams: Sequence[Buffer], now: float, reached: list[Route[Any]]
    ) -> None:
        """Hand each run to its route; add the routes that got one to `reached`, each once."""
        route: Route[Any] | None = None
        run: list[Buffer] = []
        for datagram in datagrams:
            found = self._classify(datagram)
            if found is not route:
                if run:
                    self._deliver(route, run, source, now)
                route, run = found, []
                if found is not None and found not in reached:
                    reached.append(found)
            run.append(datagram)
        if run:
            self._deliver(route, run, source, now)

    def _deliver(self, route: Route[Any] | None, run: list[Buffer], source: Address, now: float) -> None:
        if route is None:
            self.dropped_unknown += len(run)
            return
        try:
            route.machine.receive(run, source, now)
            if route.on_source is not None:
                route.on_source(source, now)
        except Exception as error:  # a bug of ours, met with a peer's bytes: it costs this run, never the socket
            self.report(f"{type(route.machine).__name__} failed on datagrams from {source}", error)

    def flush(self) -> None:
        """Send what the machines have, hand out their events, arm the timer.

        From within a callback it only asks for one more round, so callbacks see events in order.
        """
        if self._closed:
            return
        if self._flushing:
            self._again = True
            return
        self._soon = False
        self._flushing = True
        now = self._read_clock()
        until = now + FLUSH_SECONDS
        try:
            for number in range(1, ROUNDS_MAX + 1):
                self._again = False
                busy = self._busy()
                self._round(busy, now)
                if not self._again:
                    break
                now = self._read_clock()
                if number == ROUNDS_MAX or now >= until:
                    self.flush_soon()
                    break
        finally:
            self._flushing = False
        self._arm(busy)

    def flush_soon(self) -> None:
        """Flush in the loop's next turn, unless something else does before: for what is rarely urgent."""
        if not self._soon and not self._closed:
            self._soon = True
            self._loop.call_soon(self._flush_booked)

    def _flush_booked(self) -> None:
        if self._soon:
            self.flush()

    def _busy(self) -> list[Route[Any]]:
        """Return the routes to ask; an idle one stays idle until a verb is used on it, and a flush follows."""
        return [route for route in self._routes if route.idle is None or not route.idle()]

    def _round(self, busy: list[Route[Any]], now: float) -> None:
        """Run transmit and events of these machines once. Callbacks that change a machine flush: the next round."""
        self._sent = False
        for route in busy:
            try:
                for burst in route.machine.transmit(now):
                    self._sent = True
                    self._send(burst)
            except Exception as error:
                self.report(f"{type(route.machine).__name__} failed while transmitting", error)
        self._tell(busy)

    def _tell(self, busy: list[Route[Any]]) -> None:
        """Hand out the events of these machines."""
        for route in busy:
            try:
                events = route.machine.events()
            except Exception as error:
                self.report(f"{type(route.machine).__name__} failed to tell", error)
                continue
            for event in events:
                self._emit(route, event)

    def _emit(self, route: Route[Any], event: object) -> None:
        try:
            route.on_event(event)
        except Exception as error:
            self.report(f"a callback failed on {type(event).__name__}", error)

    def _arm(self, busy: list[Route[Any]]) -> None:
        wanted = math.inf
        for route in busy:
            if (at := route.machine.deadline()) is not None and at < wanted:
                wanted = at
        if wanted <= self._now:
            if self._sent:
                self.flush_soon()  # an engine that bounds what it sends at once has more
            wanted = self._now + TIMER_FLOOR
        if wanted >= self._timer_at or self._closed:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = wanted
        self._timer = self._loop.call_at(self._timer_at, self._wake)

    def _wake(self) -> None:
        due, self._timer, self._timer_at = self._timer_at, None, math.inf
        self._now = max(self.now(), due)  # the loop may have fired early
        for route in self._routes:
            try:
                route.machine.tick(self._now)
            except Exception as error:
                self.report(f"{type(route.machine).__name__} failed on its timer", error)
        self.flush()

    def report(self, message: str, error: BaseException) -> None:
        """Count a failure and hand it to the loop's exception handler, the first REPORTS_MAX times."""
        self.failures += 1
        if self.failures <= REPORTS_MAX:
            self._loop.call_exception_handler({"message": message, "exception": error})

    def close(self) -> None:
        """Stop: nothing is sent, handed out or woken from now on. Idempotent."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

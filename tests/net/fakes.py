"""A loop with a hand-moved clock that may fire early, and a machine that records what the pump does with it."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, cast

from core.values import Address, Buffer, Burst

A = Address("192.0.2.1", 1000)
B = Address("192.0.2.2", 2000)


class FakeHandle:
    """What `call_at` and `call_soon` return."""

    def __init__(self, when: float, callback: Callable[[], object]) -> None:
        self.when, self.callback, self.cancelled = when, callback, False

    def cancel(self) -> None:
        self.cancelled = True


class FakeLoop:
    """The four methods of an event loop that a pump uses."""

    def __init__(self, *, early: float = 0.0) -> None:
        self.clock = 100.0
        self.early = early  # seconds by which timers fire too soon
        self.timers: list[FakeHandle] = []
        self.soon: list[FakeHandle] = []
        self.reports: list[str] = []

    def as_loop(self) -> asyncio.AbstractEventLoop:
        return cast(asyncio.AbstractEventLoop, self)

    def time(self) -> float:
        return self.clock

    def call_at(self, when: float, callback: Callable[[], object]) -> FakeHandle:
        self.timers.append(FakeHandle(when, callback))
        return self.timers[-1]

    def call_soon(self, callback: Callable[[], object]) -> FakeHandle:
        self.soon.append(FakeHandle(self.clock, callback))
        return self.soon[-1]

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.reports.append(f"{context['message']}: {context['exception']}")

    def pending(self) -> list[float]:
        """When the live timers are due."""
        return [timer.when for timer in self.timers if not timer.cancelled]

    def fire(self) -> None:
        """Move the clock to the next timer, less `early`, and run it."""
        live = [timer for timer in self.timers if not timer.cancelled]
        timer = min(live, key=lambda each: each.when)
        self.timers.remove(timer)
        self.clock = max(self.clock, timer.when - self.early)
        timer.callback()

    def run_soon(self) -> None:
        """Run what `call_soon` has collected."""
        ready, self.soon = self.soon, []
        for handle in ready:
            handle.callback()


class FakeMachine:
    """Echoes nothing by itself: tests fill `outgoing`, `happened` and `at`, and read `log`."""

    def __init__(self) -> None:
        self.log: list[tuple[object, ...]] = []
        self.outgoing: list[Burst] = []
        self.happened: list[str] = []
        self.at: float | None = None
        self.on_tick: Callable[[float], None] = lambda now: None
        self.on_receive: Callable[[], None] = lambda: None

    def receive(self, datagrams: Sequence[Buffer], source: Address, now: float) -> None:
        self.log.append(("receive", [bytes(each) for each in datagrams], source, now))
        self.on_receive()

    def tick(self, now: float) -> None:
        self.log.append(("tick", now))
        self.on_tick(now)

    def deadline(self) -> float | None:
        return self.at

    def transmit(self, now: float) -> list[Burst]:
        bursts, self.outgoing = self.outgoing, []
        if bursts:
            self.log.append(("transmit", now))
        return bursts

    def events(self) -> list[str]:
        happened, self.happened = self.happened, []
        return happened

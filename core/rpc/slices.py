"""Sharing the event loop between big jobs and everything else, without threads.

A thread would take the interpreter for 5 ms at every system call of the loop, of which one turn may have dozens; a job
that pauses by itself costs a turn one slice, can be cancelled anywhere, and keeps the order of a connection's messages.
"""

import asyncio
import time
from collections.abc import Callable, Generator, Hashable
from typing import Final, TypeVar

from core.limits import bounds
from core.rpc.fair_places import FairPlaces

T = TypeVar("T")

SLICE: Final = 0.002  # seconds per turn of the loop, for all jobs together; a 60 Hz frame has 16.7 ms

STRANGERS: Final = 0.5  # of a slice is used while all jobs are for strangers: everybody else waits half as long


class Slices:
    """Runs generators that yield after each small step, a slice of time per turn of the loop."""

    def __init__(
        self,
        jobs: int = bounds.JOBS,
        per_owner: int | None = None,
        *,
        kept: int = 0,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """`jobs` at a time, `per_owner` of them for one owner, and `kept` for trusted owners only."""
        self._places: FairPlaces[Hashable] = FairPlaces(jobs, per_owner, kept=kept, per_trusted=jobs)
        self._clock = clock  # not the loop's: Qt's and those of tests do not tell how long a step took
        self._running = 0
        self._strangers = 0  # of them, jobs for owners that are not trusted

    async def run(self, steps: Generator[None, None, T], owner: Hashable = None, *, trusted: bool = False) -> T:
        """Return what `steps` returns, or raise what it raises. Closes it when cancelled. `owner`: on its account."""
        try:
            await self._places.wait(owner, trusted=trusted)
            self._running += 1
            stranger = owner is not None and not trusted
            self._strangers += stranger
            try:
                return await self._run(steps)
            finally:
                self._running -= 1
                self._strangers -= stranger
                self._places.give(owner)
        finally:
            steps.close()

    async def _run(self, steps: Generator[None, None, T]) -> T:
        paused = False
        while True:
            whole = SLICE if self._running > self._strangers else SLICE * STRANGERS
            end = self._clock() + whole / self._running
            try:
                next(steps)
                while self._clock() < end:
                    next(steps)
            except StopIteration as stop:
                result: T = stop.value
                if paused:
                    await asyncio.sleep(0)  # what is done with a big result is not to come on top of a whole slice
                return result
            paused = True
            await asyncio.sleep(0)

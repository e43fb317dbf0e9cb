"""Sharing the event loop between big jobs and everything else, without threads.

A thread would take the interpreter for 5 ms at every system call of the loop, of which one turn may have dozens; a job
that pauses by itself costs a turn one slice, can be cancelled anywhere, and keeps the order of a connection's messages.
"""

import asyncio
import time
from collections.abc import Callable, Generator
from typing import Final, TypeVar

T = TypeVar("T")

SLICE: Final = 0.002  # seconds per turn of the loop, for all jobs together; a 60 Hz frame has 16.7 ms
JOBS: Final = 4  # at a time; the others wait for their turn. Each may hold a message, of 16 MiB at most


class Slices:
    """Runs generators that yield after each small step, a slice of time per turn of the loop."""

    def __init__(self, jobs: int = JOBS, clock: Callable[[], float] = time.perf_counter) -> None:
        self._places = asyncio.Semaphore(jobs)
        self._clock = clock  # not the loop's: Qt's and those of tests do not tell how long a step took
        self._running = 0

    async def run(self, steps: Generator[None, None, T]) -> T:
        """Return what `steps` returns, or raise what it raises. Closes it when cancelled."""
        try:
            async with self._places:
                self._running += 1
                try:
                    return await self._run(steps)
                finally:
                    self._running -= 1
        finally:
            steps.close()

    async def _run(self, steps: Generator[None, None, T]) -> T:
        paused = False
        while True:
            end = self._clock() + SLICE / self._running
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

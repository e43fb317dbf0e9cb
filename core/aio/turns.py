"""A share of each turn of the loop for work that many ask for: who comes too late in a turn waits for the next one.

The loop hands out what all sockets brought in one turn. Where each of 600 connections may answer 16 requests at once,
that turn takes half a second, and everybody else waits for its end.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from time import perf_counter
from typing import Final

SECONDS: Final = 0.002  # of a turn, as for answers over uTP; a window's frame has 16


class Turns:
    """`free` before work, `charge` after it; `later` for what has to wait. Trusted callers' work goes first."""

    def __init__(self, seconds: float = SECONDS, clock: Callable[[], float] = perf_counter) -> None:
        self._loop = asyncio.get_running_loop()
        self._seconds = seconds
        self._clock = clock
        self._spent = 0.0  # in this turn
        self._booked = False  # the next turn begins with us
        self._waiting: tuple[deque[Callable[[], None]], deque[Callable[[], None]]] = (deque(), deque())

    def free(self, *, trusted: bool = False) -> bool:
        """Return whether there is time in this turn, and nobody waits for it who was first."""
        waits = self._waiting[1] if trusted else self._waiting[0] or self._waiting[1]
        return self._spent < self._seconds and not waits

    def now(self) -> float:
        """Return when work begins, for `charge`."""
        return self._clock()

    def charge(self, began: float) -> None:
        """Count what was worked since `began`."""
        self._spent += self._clock() - began
        self._book()

    def later(self, go_on: Callable[[], None], *, trusted: bool = False) -> None:
        """Have `go_on` called when it is its turn; what it does, it charges itself."""
        self._waiting[trusted].append(go_on)
        self._book()

    async def wait(self, seconds: float, *, trusted: bool = False) -> None:
        """Return when there is time for work that takes about so long; it is charged already."""
        if self.free(trusted=trusted):
            self._spent += seconds
            self._book()
            return
        ours: asyncio.Future[None] = self._loop.create_future()

        def begin() -> None:
            if not ours.done():  # else nobody waits any longer
                self._spent += seconds
                ours.set_result(None)

        self.later(begin, trusted=trusted)
        await ours

    def _book(self) -> None:
        if not self._booked:
            self._booked = True
            self._loop.call_soon(self._next)

    def _next(self) -> None:
        self._booked, self._spent = False, 0.0
        others, trusted = self._waiting
        for _ in range(len(others) + len(trusted)):  # who comes back in this turn has had its share
            if self._spent >= self._seconds:
                break
            (trusted or others).popleft()()
        if others or trusted:
            self._book()

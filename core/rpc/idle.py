"""The end of a connection that nobody uses, without a timer per packet."""

import asyncio
from collections.abc import Callable
from types import TracebackType

from core.aio.clock import clock_of


class IdleLimit:
    """An `async with` block whose body is cancelled, and that ends quietly, once nobody used it for `seconds`.

    One timer looks at the time of the last use, and goes on for the rest; `used` costs nothing.
    """

    def __init__(self, seconds: float, busy: Callable[[], bool]) -> None:
        """While `busy()`, the block is in use."""
        self._seconds = seconds
        self._busy = busy
        self._loop = asyncio.get_running_loop()
        self._clock = clock_of(self._loop)
        self._timeout = asyncio.timeout(None)
        self._timer: asyncio.TimerHandle | None = None
        self._used_at = 0.0

    def used(self) -> None:
        """Note that it is used now."""
        self._used_at = self._clock()

    async def __aenter__(self) -> "IdleLimit":
        self.used()
        await self._timeout.__aenter__()
        self._timer = self._loop.call_later(self._seconds, self._look)
        return self

    def _look(self) -> None:
        if self._busy():
            self.used()
        end = self._used_at + self._seconds
        if end <= self._clock():
            self._timeout.reschedule(end)  # which is now
        else:
            self._timer = self._loop.call_at(end, self._look)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if self._timer is not None:
            self._timer.cancel()
        try:
            await self._timeout.__aexit__(kind, error, traceback)
        except TimeoutError:  # raised only for our own cancellation
            return True
        return False

    def let_go(self) -> None:
        """Refer to nobody: it is over."""
        self._busy = _idle
        self._timer = None
        self._timeout = asyncio.timeout(None)


def _idle() -> bool:
    return False

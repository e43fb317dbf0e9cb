"""An asyncio loop whose time jumps to the next timer instead of passing: no test sleeps, and time-outs are exact.

    pytestmark = pytest.mark.virtual_time

    async def test_it() -> None:
        await asyncio.sleep(3600)

Only for code that waits for timers and for other tasks; sockets and threads have their own idea of time.
"""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Deadlock(Exception):
    """Every task waits for another, and no timer is pending: nothing would ever happen again."""


class _JumpingSelector(selectors.DefaultSelector):
    """Looks at its files without waiting; what it should have waited is given to `advance`."""

    advance: Callable[[float], None]

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready at once; with nothing ready, move the clock by `timeout` seconds."""
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if timeout is None:
            raise Deadlock("every task waits and no timer is pending")
        self.advance(timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop that begins at 0.0 seconds. `failures` are what tasks and callbacks reported to nobody else."""

    def __init__(self) -> None:
        self._virtual_now = 0.0
        selector = _JumpingSelector()
        selector.advance = self._advance
        super().__init__(selector)
        # Seconds. The default of 1 ns is nothing beside four months, in floats: what is due would never be.
        self._clock_resolution = 1e-6
        self.failures: list[dict[str, Any]] = []
        self.set_exception_handler(lambda _, context: self.failures.append(context))

    def time(self) -> float:
        """Return the virtual time in seconds."""
        return self._virtual_now

    def _advance(self, seconds: float) -> None:
        self._virtual_now += seconds


def run(scene: Coroutine[Any, Any, T]) -> T:
    """Run a scene on a VirtualLoop and return its result.

    Raises AssertionError when it leaves tasks behind or something failed where nobody heard of it.
    """
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        loop = runner.get_loop()
        result = runner.run(scene)
        left = [task.get_name() for task in asyncio.all_tasks(loop)]
        if left:
            raise AssertionError(f"tasks left behind: {left}")
        if isinstance(loop, VirtualLoop) and loop.failures:
            raise AssertionError(f"unheard failures: {loop.failures}")
        return result


def now() -> float:
    """Return the virtual seconds since the running loop began."""
    return asyncio.get_running_loop().time()


async def settle(rounds: int = 50) -> None:
    """Let everything happen that needs no time to pass."""
    for _ in range(rounds):
        await asyncio.sleep(0)

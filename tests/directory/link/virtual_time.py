"""A loop whose clock jumps to the next timer as soon as nothing is ready: waits of minutes take no time."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Jumper(selectors.DefaultSelector):
    """Never sleeps: what the loop would have waited is added to its clock."""

    elapsed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            raise RuntimeError("nothing is ready and no timer runs: the test would wait for ever")
        if not ready and timeout:
            self.elapsed += timeout
        return ready


class _VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jumper = _Jumper()
        super().__init__(self._jumper)

    def time(self) -> float:
        return self._jumper.elapsed


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that does no I/O, in virtual time."""
    with asyncio.Runner(loop_factory=_VirtualLoop) as runner:
        return runner.run(main)


def now() -> float:
    """Return the virtual seconds since the loop began."""
    return asyncio.get_running_loop().time()

"""The clock of a loop, without a call of Python between: it is read some thirty times for a request."""

import asyncio
import time
from collections.abc import Callable
from typing import Final, TypeAlias

Clock: TypeAlias = Callable[[], float]  # seconds


_own: Final[dict[type[asyncio.AbstractEventLoop], bool]] = {}  # of a few kinds of loops: whether the clock is asyncio's


def clock_of(loop: asyncio.AbstractEventLoop) -> Clock:
    """Return what `loop.time` is; where that is asyncio's own, the clock below it."""
    kind = type(loop)
    own = _own.get(kind)
    if own is None:
        own = _own[kind] = getattr(kind, "time", None) is asyncio.BaseEventLoop.time
    return time.monotonic if own else loop.time


def loop_time() -> float:
    """Return the time of the loop that runs, in seconds, as its `time` does."""
    return clock_of(asyncio.get_running_loop())()

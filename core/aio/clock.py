"""The clock of a loop, without a call of Python between: it is read some thirty times for a request."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeAlias

Clock: TypeAlias = Callable[[], float]  # seconds


def clock_of(loop: asyncio.AbstractEventLoop) -> Clock:
    """Return what `loop.time` is; where that is asyncio's own, the clock below it."""
    own = getattr(loop.time, "__func__", None) is asyncio.BaseEventLoop.time
    return time.monotonic if own else loop.time

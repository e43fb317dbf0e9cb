"""Waiting for something to become true, with a deadline and no fixed sleeps."""

import asyncio
import time
from collections.abc import Callable

STEP = 0.005  # seconds between two looks
PATIENCE = 60.0  # seconds; far more than anything here takes, for a machine that is busy with other things


async def until(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Wait on the running loop until `condition()` is true. Fails with its source line after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {_where(condition)}")
        await asyncio.sleep(STEP)


def await_true(condition: Callable[[], object], seconds: float = PATIENCE, step: float = 0.02) -> None:
    """Wait without a loop, for another process."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {_where(condition)}")
        time.sleep(step)


def _where(condition: Callable[[], object]) -> str:
    code = condition.__code__
    return f"{code.co_filename}:{code.co_firstlineno}"

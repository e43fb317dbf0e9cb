"""A request that is under way, and that ends when its caller may no longer have the answer.

A module of its own, since `core.serving.admission` is compiled: a coroutine of mypyc's cannot be referred to weakly.
"""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from core.serving.call import Call

T = TypeVar("T")


async def until_refused(outcome: Awaitable[T], call: Call, under_way: set[Call]) -> T:
    """Return what `outcome` comes to; `call` is in `under_way` meanwhile. Raises its refusal, if it gets one."""
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("a request needs a task")
    cancelling = task.cancelling()
    call.task = task
    under_way.add(call)
    try:
        result = await outcome
    except asyncio.CancelledError:
        if call.refusal is None or task.uncancel() > cancelling:
            raise
        raise call.refusal from None
    finally:
        under_way.discard(call)
        call.task = None
        call.left()
    if call.refusal is not None:  # it did not end when it was told to: what it found is for nobody
        task.uncancel()
        raise call.refusal
    return result

"""Those nearby first, then those too that others tell of: what was nearby once never keeps us from where a peer is."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeAlias

from core.aio.tasks import TaskSet
from core.calling.outcomes import outcome, taken
from core.calling.sources import Located
from core.errors import PeerError
from core.values import Address

Reached: TypeAlias = tuple[str, Address]  # the key to ask under
Reach: TypeAlias = Callable[[Located, float], Coroutine[Any, Any, Reached]]  # seconds; raises PeerError


async def nearest(
    reach: Reach,
    near: Located,
    locating: Awaitable[Located],
    head_start: float,
    timeout: float,
    silent: Callable[[], None],
) -> Reached:
    """Reach one of `near`, and where none answers within `head_start` seconds, those located meanwhile as well.

    Both go on side by side then, until the first connection. `silent()` is called when nobody nearby was in time.
    Raises the PeerError of `locating`, or of what it told.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + timeout
    tasks = TaskSet("nearby, and elsewhere")
    try:
        located = tasks.spawn(outcome(locating), name="locate")
        close_by = tasks.spawn(outcome(reach(near, timeout)), name="reach who is nearby")
        await asyncio.wait([close_by], timeout=head_start)
        if not _reached(close_by):
            silent()
            await _either(close_by, located)
        if not _reached(close_by):
            told = taken(located.result())
            far = tasks.spawn(outcome(reach(told, max(0.001, until - loop.time()))), name="reach who is elsewhere")
            await _either(close_by, far)
            if not _reached(close_by):
                return taken(far.result())
        return taken(close_by.result())
    finally:
        await tasks.aclose()


def _reached(task: "asyncio.Task[Reached | PeerError]") -> bool:
    return task.done() and not isinstance(task.result(), PeerError)


async def _either(close_by: "asyncio.Task[Reached | PeerError]", other: "asyncio.Task[Any]") -> None:
    """Wait until one has ended; those nearby count only if they were reached."""
    await asyncio.wait([other, close_by], return_when=asyncio.FIRST_COMPLETED)
    if not _reached(close_by):
        await asyncio.wait([other])

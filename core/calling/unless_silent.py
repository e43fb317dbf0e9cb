"""Asking over a connection that may have died unseen: where it stays silent, that peer is looked for meanwhile.

A peer that lives acknowledges a request at once, however long it works on it. One that restarted, or whose way a router
forgot, does not: uTP would take a minute to give up, and the request would be over by then.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from core.aio.tasks import TaskSet
from core.calling.outcomes import outcome
from core.errors import PeerError
from core.rpc.client import Reply

SILENT: Final = 1.0  # seconds until a request has to be acknowledged; uTP has sent it twice by then (`rto_min`)

FoundT = TypeVar("FoundT")


async def ask_unless_silent(
    tasks: TaskSet,
    asked: Awaitable[Reply],
    heard_at: Callable[[], float],
    find: Callable[[], Awaitable[FoundT]],
    ask: Callable[[FoundT], Awaitable[Reply]],
) -> Reply:
    """Return the reply of `asked`, or that of `ask(await find())` where nothing comes over the first connection.

    The second is asked only if the first is still silent when the peer was found: a request that was acknowledged is
    not made twice. Raises the PeerError of the one that was asked last. `tasks` owns the search.
    """
    loop = asyncio.get_running_loop()
    began = loop.time()
    found: list[FoundT] = []

    async def look() -> None:
        told = await outcome(find())
        if not isinstance(told, PeerError) and heard_at() <= began:
            found.append(told)
            limit.reschedule(began)

    def look_if_silent() -> None:
        if heard_at() <= began:
            searches.append(tasks.spawn(look(), name="find again"))

    searches: list[asyncio.Task[None]] = []
    timer = loop.call_later(SILENT, look_if_silent)
    try:
        async with asyncio.timeout(None) as limit:
            return await asked
    except TimeoutError:
        if not found:
            raise
    finally:
        timer.cancel()
        for search in searches:
            search.cancel()
    return await ask(found[0])

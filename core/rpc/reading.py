"""Reading a connection's requests to its end; apart from what is compiled, since mypyc has no `except*`."""

import asyncio
from traceback import clear_frames

from core.errors import RemoteError, TransportClosed
from core.rpc.feed import Feed
from core.rpc.idle import IdleLimit
from core.rpc.stream import Stream


class TurnedAway(RemoteError):
    """What comes is no longer read; the other side was told why."""


async def read_to_end(group: asyncio.TaskGroup, idle: IdleLimit, feed: Feed, stream: Stream) -> bool:
    """Read until the stream ends, and wait for the requests under way.

    Return whether what is sent may still arrive: else the other side is gone, or sent what cannot be read, and the
    handlers were cancelled.
    """
    whole = False
    try:
        async with group, idle:
            await feed.run(stream)
        whole = True
    except* TurnedAway as turned_away:
        whole = True
        clear_frames(turned_away.__traceback__)  # else the group's frame and its error hold one another
    except* (TransportClosed, RemoteError) as gone:
        clear_frames(gone.__traceback__)
    return whole

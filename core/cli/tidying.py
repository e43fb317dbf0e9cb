"""Giving memory back while a program runs for days: what its start left, and what Python keeps of freed objects."""

import asyncio
from collections.abc import Callable
from typing import Final

from core.aio.allocator import give_back
from core.news.events import Traffic

FIRST: Final = 30.0  # seconds after the start: by then what it needed only once is free
EVERY: Final = 300.0  # seconds
QUIET_BYTES: Final = 1_000_000  # both ways since the last look; a peer at rest has some 10 KB


async def tidy(traffic: Callable[[], Traffic]) -> None:
    """Give back until cancelled, once soon and then now and then, but never to a peer that somebody uses.

    It takes some milliseconds of the loop: a thread would take 0.1 MB for itself, and the interpreter as long.
    """
    wait, before = FIRST, traffic()
    while True:
        await asyncio.sleep(wait)
        wait, now = EVERY, traffic()
        moved = now.received + now.sent - before.received - before.sent
        if now.requests == before.requests and moved < QUIET_BYTES:
            give_back()
        before = now

"""For how long our router keeps a mapping that nothing goes through: measured, as keepalives depend on it.

Fresh sockets ask a reflector where it sees them, and are silent then, each for another time. Afterwards a second socket
has the reflector answer at the first one's outside port. What arrives was let through. A dozen packets and a minute,
once a day on each network.
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Final

from core.nat.reflection import Reflector
from core.net.reflecting import FreshSocket

CLIFFS: Final = (10.0, 30.0, 60.0)  # seconds of silence: where routers give up (NAT.md 8.2)
LEAST: Final = 5.0  # seconds that are told where even the first is too long
TWICE: Final = 2.5  # seconds; Linux keeps a flow longer in which packets go both ways for more than 2 s
DAY: Final = 86_400.0

Fresh = Callable[[], AbstractAsyncContextManager[FreshSocket]]


async def measure(fresh: Fresh, reflector: Reflector) -> float | None:
    """Return the longest silence of CLIFFS that a mapping outlives, or LEAST; None where it cannot be told.

    Raises PeerError.
    """
    async with AsyncExitStack() as stack:
        asker = await stack.enter_async_context(fresh())
        control, *silent = [await stack.enter_async_context(fresh()) for _ in range(1 + len(CLIFFS))]
        ports = {}
        for again in (False, True):
            if again:
                await asyncio.sleep(TWICE)
            for each in (control, *silent):
                [answer] = await each.ask([reflector])
                if answer.observed is None:
                    return None
                ports[each] = answer.observed.port
        since = asyncio.get_running_loop().time()
        if not await control.hears(asker, reflector, ports[control]):
            return None  # the reflector does not know this question, or the line loses too much
        kept = LEAST
        for cliff, each in zip(CLIFFS, silent, strict=True):
            await asyncio.sleep(max(0.0, since + cliff - asyncio.get_running_loop().time()))
            if not await each.hears(asker, reflector, ports[each]):
                break
            kept = cliff
        return kept

"""The end of connections: a moment for what is unsent and for a goodbye, then they are cut off, before the loop ends.

A loop that ends sooner drops what is unsent. Over TLS a closed connection waits for the other side's goodbye, 30 s, and
a peer may never say it: on uvloop such a connection, or one whose end was not awaited, stood in the way of the loop's.
"""

import asyncio
from collections.abc import Iterable
from typing import Final, Protocol

GOODBYE: Final = 0.25  # seconds for a goodbye that was said; a command has 0.7 s in all to end
CUT_OFF: Final = 1.0  # seconds for the loop to do what `abort` asked of it: its next turn


class Ending(Protocol):
    """A connection that was closed."""

    closed: "asyncio.Future[None]"  # done when it is

    def abort(self) -> None:
        """Cut it off."""


async def farewell(connections: Iterable[Ending], patience: float = GOODBYE) -> None:
    """Wait until closed connections are gone; cut off those that are not after `patience` seconds."""
    open_ones = {each.closed: each for each in connections if not each.closed.done()}
    if not open_ones:
        return
    _, late = await asyncio.wait(open_ones, timeout=patience)
    for each in late:
        open_ones[each].abort()
    if late:
        await asyncio.wait(late, timeout=CUT_OFF)

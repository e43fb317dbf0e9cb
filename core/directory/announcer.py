"""Keeping one name announced: at once, often at first, then as seldom as it holds, and when the grapes change.

An announce costs two packets for each grape that stores it, so that more grapes are told less often. They keep it for
120 s. One that restarts with nothing stored is missed sooner: its neighbour asks it, and we are nudged.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from core.aio.waiting import wait_for
from core.errors import PeerError

REANNOUNCE = 5.0  # seconds; a grape that restarted with nothing stored lists us again within this time
BRISK = 60.0  # seconds from our beginning in which that is so with any number of grapes
EACH = 12.0  # seconds for each grape that stored it, after that
SELDOM = 100.0  # seconds at most: an announce that is lost is noticed and made again before the 120 s are over
NUDGE_PAUSE = 0.1  # seconds; grapes that come and go in a flurry cost ten announces a second at most


class Announces(Protocol):
    """What announcing needs of the link."""

    async def announce(self, name: str, port: int) -> int:
        """Announce us. Returns the number of grapes that stored it. Raises PeerError."""


class Announcer:
    """Announces `name` at `port()` as long as `run` runs. The callbacks must not raise.

    `on_outcome(nodes, error)` hears of every attempt: on how many grapes it is stored now, and what went wrong or None.
    """

    def __init__(
        self,
        name: str,
        port: Callable[[], int],
        directory: Announces,
        on_outcome: Callable[[int, PeerError | None], None],
    ) -> None:
        self.name = name
        self._port = port
        self._directory = directory
        self._on_outcome = on_outcome
        self._now = asyncio.Event()

    def nudge(self) -> None:
        """Announce again now."""
        self._now.set()

    async def run(self) -> None:
        """Announce until cancelled. The grapes forget us after a time."""
        loop = asyncio.get_running_loop()
        brisk_until, before = loop.time() + BRISK, 0
        while True:
            nodes = 0
            try:
                nodes = await self._directory.announce(self.name, self._port())
            except PeerError as error:
                self._on_outcome(0, error)
            else:
                self._on_outcome(nodes, None)
            await asyncio.sleep(NUDGE_PAUSE)
            seldom = nodes >= before and loop.time() > brisk_until  # some that had it may not have it now
            before = nodes
            await wait_for(self._now, (_pause(nodes) if seldom else REANNOUNCE) - NUDGE_PAUSE)


def _pause(nodes: int) -> float:
    """Return the seconds until the next announce, by how many grapes stored this one."""
    return min(SELDOM, max(REANNOUNCE, EACH * nodes))

"""Keeping one name announced: at once, every five seconds, and again when the grapes around us change."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from core.aio.waiting import wait_for
from core.errors import PeerError

REANNOUNCE = 5.0  # seconds; a grape that restarted with nothing stored lists us again within this time
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
        while True:
            try:
                nodes = await self._directory.announce(self.name, self._port())
            except PeerError as error:
                self._on_outcome(0, error)
            else:
                self._on_outcome(nodes, None)
            await asyncio.sleep(NUDGE_PAUSE)
            await wait_for(self._now, REANNOUNCE - NUDGE_PAUSE)

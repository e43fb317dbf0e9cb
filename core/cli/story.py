"""The story of a search on stderr: live, once it takes so long that somebody wonders what is waited for."""

import asyncio
from typing import Final

from core.cli.output import Output
from core.news.events import PeerEvent
from core.news.joins import SearchProgress

AFTER: Final = 1.0  # seconds until it is told; most searches are over by then, and nobody reads of those


class Story:
    """Listens to a peer's events. `at_once`: from the first line."""

    def __init__(self, output: Output, *, at_once: bool = False) -> None:
        self._output = output
        self._told: set[str] = set()
        self._waiting: list[str] | None = None if at_once else []
        self._timer: asyncio.TimerHandle | None = None

    def __call__(self, event: PeerEvent) -> None:
        """Take an event; each line is told once, however often it is tried again."""
        if not isinstance(event, SearchProgress) or self._output.as_json or event.message in self._told:
            return
        if event.where == "end":  # the command says that itself
            return
        if event.where != "way":  # which ends with a time, and is another each time
            self._told.add(event.message)
        if self._waiting is None:
            self._say(event.message)
            return
        if event.where == "way":  # it was over before anybody wondered
            self.close()
            self._told.difference_update(self._waiting)
            self._waiting.clear()
            return
        self._waiting.append(event.message)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(AFTER, self._tell)

    def close(self) -> None:
        """Tell nothing any more: what was waited for is there."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tell(self) -> None:
        waiting, self._waiting = self._waiting or [], None
        for message in waiting:
            self._say(message)

    def _say(self, message: str) -> None:
        self._output.notice(f"{message[:1].upper()}{message[1:]}.")

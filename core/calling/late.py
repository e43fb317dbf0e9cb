"""Sources that take seconds, and wake the other side: they look beside everything else, as long as a search lasts."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence

from core.aio.tasks import TaskSet
from core.calling.paths import LateSource
from core.peer_id import PeerId
from core.values import Address

HEAD_START = 1.5  # seconds that others have before a source is asked that says no time, where there is anybody else


class LateSources:
    """All of them together."""

    def __init__(self, sources: Sequence[LateSource]) -> None:
        self._sources = tuple(sources)

    def knows(self, peer_id: PeerId | None) -> bool:
        """Return whether one of them can look for this peer."""
        return peer_id is not None and any(each.knows(peer_id) for each in self._sources)

    def known(self, peer_id: PeerId | None) -> PeerId | None:
        """Return the peer if one of them can look for it, or else None."""
        return peer_id if self.knows(peer_id) else None

    def begin(
        self, tasks: TaskSet, peer_id: PeerId, found: Callable[[Address, float], None], *, at_once: bool
    ) -> Callable[[], object]:
        """Begin to look for a peer; return what ends it."""
        return tasks.spawn(self.look(peer_id, found, at_once=at_once), name=f"look for {peer_id.short}").cancel

    async def look(self, peer_id: PeerId, found: Callable[[Address, float], None], *, at_once: bool) -> None:
        """Look for a peer until cancelled."""
        began, loop = asyncio.get_running_loop().time(), asyncio.get_running_loop()
        with contextlib.ExitStack() as stack:
            for each in sorted(self._sources, key=lambda each: each.head_start):
                if not at_once:
                    await asyncio.sleep(max(0.0, began + each.head_start - loop.time()))
                if each.knows(peer_id):
                    stack.enter_context(each.searching(peer_id, found))
            await asyncio.Event().wait()


def never() -> None:
    """Be patient: somebody looks for the peer, and it may take as long as the request."""

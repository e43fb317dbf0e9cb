"""Sources that take seconds, and wake the other side: they look beside everything else, as long as a search lasts."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence

from core.aio.tasks import TaskSet
from core.calling.paths import LateSource
from core.peer_id import PeerId
from core.values import Address

AGAIN = 1.0  # seconds until a source that could not look for the peer is asked once more: a relay may be there by then
HEAD_START = 1.5  # seconds that others have before a source is asked that says no time, where there is anybody else


class LateSources:
    """All of them together."""

    def __init__(self, sources: Sequence[LateSource]) -> None:
        self._sources = tuple(sources)

    def knows(self, peer_id: PeerId | None) -> bool:
        """Return whether one of them can look for this peer."""
        return peer_id is not None and any(each.knows(peer_id) for each in self._sources)

    def begin(
        self, tasks: TaskSet, peer_id: PeerId, found: Callable[[Address, float], None], *, at_once: bool
    ) -> Callable[[], object]:
        """Begin to look for a peer; return what ends it."""
        return tasks.spawn(self.look(peer_id, found, at_once=at_once), name=f"look for {peer_id.short}").cancel

    async def look(self, peer_id: PeerId, found: Callable[[Address, float], None], *, at_once: bool) -> None:
        """Look for a peer until cancelled."""
        began, loop = asyncio.get_running_loop().time(), asyncio.get_running_loop()
        with contextlib.ExitStack() as stack:
            waiting: list[LateSource] = []
            for each in sorted(self._sources, key=lambda each: each.head_start):
                if not at_once:
                    await asyncio.sleep(max(0.0, began + each.head_start - loop.time()))
                waiting.append(each)
                waiting = self._ask(waiting, peer_id, found, stack)
            while waiting:
                await asyncio.sleep(AGAIN)
                waiting = self._ask(waiting, peer_id, found, stack)
            await asyncio.Event().wait()

    def _ask(
        self, sources: Sequence[LateSource], peer_id: PeerId, found: Callable[[Address, float], None],
        stack: contextlib.ExitStack,
    ) -> list[LateSource]:  # fmt: skip
        """Have those look that can, as long as the stack lasts; return the others."""
        others = []
        for each in sources:
            if each.knows(peer_id):
                stack.enter_context(each.searching(peer_id, found))
            else:
                others.append(each)
        return others

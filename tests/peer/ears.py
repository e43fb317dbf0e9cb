"""Real peers on loopback: open one and wait for what it tells."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from core.identity.identity import Identity
from core.news.events import PeerEvent
from core.peer import Peer, PeerConfig, open_peer
from core.profile.config import KeyPlace

EventT = TypeVar("EventT", bound=PeerEvent)
PATIENCE = 60.0  # seconds until a test that waits in vain fails; two busy cores are slow


class Ears:
    """A listener that keeps everything, and on which a test can wait."""

    def __init__(self) -> None:
        self.told: list[PeerEvent] = []
        self._news = asyncio.Event()

    def __call__(self, event: PeerEvent) -> None:
        self.told.append(event)
        self._news.set()

    def of(self, kind: type[EventT]) -> list[EventT]:
        """Return the events of one kind."""
        return [event for event in self.told if isinstance(event, kind)]

    async def hear(
        self, kind: type[EventT], that: Callable[[EventT], bool] = lambda event: True, *, after: int = 0
    ) -> EventT:
        """Return the first event of a kind that fits, from the `after`th event on; wait for it."""
        async with asyncio.timeout(PATIENCE):
            while True:
                self._news.clear()
                for event in self.told[after:]:
                    if isinstance(event, kind) and that(event):
                        return event
                await self._news.wait()


@asynccontextmanager
async def peer(
    *bootstrap: str, grapes: tuple[str, ...] = (), identity: Identity | KeyPlace | None = None
) -> AsyncIterator[tuple[Peer, Ears]]:
    """Open a peer on free ports that knows only these nodes, or grapes."""
    ears = Ears()
    config = PeerConfig(grapes=grapes, bootstrap=bootstrap, dht_port=0, api_port=0, bind="127.0.0.1", identity=identity)
    async with open_peer(config, ears) as opened:
        yield opened, ears


def node_of(opened: Peer) -> str:
    """Return what another peer bootstraps off."""
    return f"127.0.0.1:{opened.snapshot().grape.dht_port}"

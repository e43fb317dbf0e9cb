"""Keeps one peer open behind the bridge: opens it, opens it again after a failure or with other settings, closes it.

The core is imported here and not sooner, in a thread: it brings aiohttp along, and the window is on the screen before.
"""

import asyncio
import contextlib
import dataclasses
import importlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Protocol

from core.aio.allocator import settle
from core.errors import PeerError
from core.news.events import GrapeSnapshot, GrapeState, PeerEvent
from core.profile.config import PeerConfig
from core.services.service import Registry
from core.trust.audience import audience_of
from desktop.bridge import Bridge

if TYPE_CHECKING:
    from core.peer import Peer

RETRY_FIRST = 2.0  # seconds until a peer that could not be opened is tried again
RETRY_MOST = 30.0  # seconds; doubled each time up to here: a port gets free, an interface comes up

log = logging.getLogger(__name__)


class Opener(Protocol):
    """`core.peer.open_peer`."""

    def __call__(
        self, config: PeerConfig, *listeners: Callable[[PeerEvent], None], registry: Registry
    ) -> "AbstractAsyncContextManager[Peer]": ...


async def load_core() -> Opener:
    """Import the core in a thread and return how a peer is opened."""
    started = time.monotonic()
    loop = asyncio.get_running_loop()
    module = await loop.run_in_executor(None, importlib.import_module, "core.peer")
    log.info("core imported in %.0f ms", (time.monotonic() - started) * 1000)
    opener: Opener = module.open_peer
    return opener


class Keeper:
    """Runs peers one after the other. What is shared and consumed stays with the bridge and goes on in the next one."""

    def __init__(self, bridge: Bridge, config: PeerConfig, registry: Registry) -> None:
        self._bridge = bridge
        self._config = config
        self._registry = registry
        self._changed = asyncio.Event()
        self._open: Peer | None = None  # while it is

    def use(self, config: PeerConfig) -> None:
        """Close the peer and open one with this configuration, unless only audiences differ: those change at once."""
        other = config != self._config
        self._config = config  # also one that is equal in all that needs another peer
        if other:
            self._changed.set()
        else:
            self._set_audiences()

    def reopen(self) -> None:
        """Close the peer and open it again, with the identity that is kept by now."""
        self._changed.set()

    async def run(self, load: Callable[[], Awaitable[Opener]] = load_core) -> None:
        """Keep a peer open until cancelled."""
        try:
            opener = await load()
        except Exception as error:  # a broken installation: the window says so, and stays
            self._defect(error, "Part of Grapevine could not be loaded. Install it again.")
            return
        retry = RETRY_FIRST
        while True:
            self._changed.clear()
            if await self._keep_one(opener):
                retry = RETRY_FIRST
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(retry):
                    await self._changed.wait()
            retry = RETRY_FIRST if self._changed.is_set() else min(2 * retry, RETRY_MOST)

    async def _keep_one(self, opener: Opener) -> bool:
        """Keep one peer until the configuration changes. False when it could not be opened."""
        try:
            async with self._opened(opener) as peer, self._attached(peer):
                log.info("peer open")
                settle()  # a full collection held 23 ms
                await self._changed.wait()
        except PeerError as error:
            self._say(GrapeState.UNREACHABLE, str(error))
            return False
        except Exception as error:  # a defect of the core; the window stays, and tries again
            self._defect(error, "The peer could not be opened. It is tried again by itself.")
            return False
        return True

    def _defect(self, error: Exception, message: str) -> None:
        asyncio.get_running_loop().call_exception_handler({"message": message, "exception": error})
        self._say(GrapeState.UNREACHABLE, message)

    @contextlib.asynccontextmanager
    async def _opened(self, opener: Opener) -> "AsyncIterator[Peer]":
        """Open a peer; what it tells while it opens reaches the window as well."""
        self._say(GrapeState.STARTING, "Starting")
        opening = True

        def listen(event: PeerEvent) -> None:
            if opening:
                self._bridge.hear(event)

        async with opener(self._config, listen, registry=self._registry) as peer:
            opening = False
            yield peer

    @contextlib.asynccontextmanager
    async def _attached(self, peer: "Peer") -> AsyncIterator[None]:
        self._bridge.attach(peer)
        self._open = peer
        self._set_audiences()  # they may have changed while it opened
        try:
            yield
        finally:
            self._open = None
            await self._bridge.detach()
            self._say(GrapeState.STARTING, "Closing the connections")

    def _set_audiences(self) -> None:
        if self._open is not None:
            shares = {share.name for share in self._open.shares()}  # they have an audience of their own
            for service in self._registry:
                if service.name in shares:
                    continue
                self._open.set_audience(service.name, audience_of(service.name, self._config.audiences))

    def _say(self, state: GrapeState, message: str) -> None:
        before = self._bridge.snapshot()
        embedded = not self._config.grapes
        url = "" if embedded else self._config.grapes[0]
        grape = GrapeSnapshot(state, embedded, url, 0, message)
        if before is None or dataclasses.replace(before.grape, dht_port=None) != grape:
            self._bridge.stand_in(grape)

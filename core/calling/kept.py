"""Asking over the connection of a way that is kept: nearly every request; it may have died unseen."""

import asyncio
import logging
from collections.abc import Awaitable, Mapping
from types import MappingProxyType
from typing import Final, Protocol

from core.aio.clock import clock_of
from core.aio.tasks import TaskSet
from core.calling.paths import Wanted
from core.calling.unless_silent import ask_unless_silent
from core.calling.ways import Way
from core.errors import PeerError
from core.peer_id import PeerId
from core.rpc.client import Reply, RpcClient
from core.rpc.deadlines import Deadlines
from core.values import Address, JsonValue

NOBODY: Final[Mapping[Address, PeerError]] = MappingProxyType({})  # who failed before

_log = logging.getLogger(__name__)


class Ask(Protocol):
    """Asks one address: (address, key, the name that events show, payload, seconds, who must be there)."""

    def __call__(
        self,
        address: Address,
        key: str,
        service: str,
        payload: JsonValue,
        timeout: float,
        expected: PeerId | None = None,
        *,
        retry: int = 0,
    ) -> Awaitable[Reply]: ...


class Find(Protocol):
    """Looks for somebody, within so many seconds; returns the key to ask under, and where a connection stands."""

    def __call__(
        self, wanted: Wanted, timeout: float, failed: Mapping[Address, PeerError], /
    ) -> Awaitable[tuple[str, Address]]: ...


class KeptConnections:
    """Asks over connections that are kept. `retries`: how often the second try is made that a search led to."""

    def __init__(self, tasks: TaskSet, client: RpcClient, ask: Ask, find: Find, retries: int) -> None:
        self._tasks = tasks
        self._client = client
        self._ask = ask
        self._find = find
        self._retries = retries
        self._watches = Deadlines()

    def close(self) -> None:
        """Look at nobody any longer."""
        self._watches.close()

    async def ask(
        self,
        way: Way,
        wanted: Wanted | None,
        payload: JsonValue,
        timeout: float,
        *,
        retry: int,
        failed: Mapping[Address, PeerError] = NOBODY,
    ) -> Reply:
        """Ask, and if the connection is silent, look for the peer again meanwhile. Raises PeerError."""
        clock = clock_of(asyncio.get_running_loop())
        until = clock() + timeout
        expected = way.expected

        def left() -> float:
            return max(0.001, until - clock())

        async def find() -> tuple[str, Address]:
            _log.debug("%s is silent: looking for %s again", way.address, way.service)
            self._client.set_aside(way.address, expected)
            if wanted is not None:
                return await self._find(wanted, left(), failed)
            await self._client.connect(way.address, left(), expected)
            return way.key, way.address

        def ask_there(found: tuple[str, Address]) -> Awaitable[Reply]:
            key, address = found
            return self._ask(address, key, key, payload, left(), expected, retry=self._retries)

        heard_at = self._client.watch(way.address, expected)
        asked = self._ask(way.address, way.key, way.service, payload, timeout, expected, retry=retry)
        return await ask_unless_silent(self._tasks, self._watches, asked, heard_at, find, ask_there)

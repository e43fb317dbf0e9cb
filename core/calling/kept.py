"""Asking over the connection of a way that is kept: nearly every request; it may have died unseen."""

import asyncio
import logging
import math
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
        self.client: Final = client
        self.ask_at: Final = ask
        self.find: Final = find
        self.retries: Final = retries
        self.clock: Final = clock_of(asyncio.get_running_loop())
        self._watches = Deadlines()

    def close(self) -> None:
        """Look at nobody any longer."""
        self._watches.close()

    def ask(
        self,
        way: Way,
        wanted: Wanted | None,
        payload: JsonValue,
        timeout: float,
        *,
        retry: int,
        failed: Mapping[Address, PeerError] = NOBODY,
    ) -> Awaitable[Reply]:
        """Return what asks, and if the connection is silent, looks for the peer again meanwhile, or raises PeerError.

        It is for one who awaits it at once.
        """
        another = _Another(self, way, wanted, payload, timeout, failed)
        asked = self.ask_at(way.address, way.key, way.service, payload, timeout, way.expected, retry=retry)
        return ask_unless_silent(self._tasks, self._watches, asked, another)


class _Another:
    """A request whose connection may be silent; see `core.calling.unless_silent.Another`."""

    __slots__ = ("_connection", "_failed", "_kept", "_payload", "_until", "_wanted", "_way")

    def __init__(
        self,
        kept: KeptConnections,
        way: Way,
        wanted: Wanted | None,
        payload: JsonValue,
        timeout: float,
        failed: Mapping[Address, PeerError],
    ) -> None:
        self._kept = kept
        self._way = way
        self._wanted = wanted
        self._payload = payload
        self._failed = failed
        self._until = kept.clock() + timeout
        self._connection = kept.client.kept(way.address, way.expected)  # of now: a search sets it aside

    def heard_at(self) -> float:
        return math.inf if self._connection is None else self._connection.heard_at

    async def find(self) -> tuple[str, Address]:
        way, client = self._way, self._kept.client
        _log.debug("%s is silent: looking for %s again", way.address, way.service)
        client.set_aside(way.address, way.expected)
        if self._wanted is not None:
            return await self._kept.find(self._wanted, self._left(), self._failed)
        await client.connect(way.address, self._left(), way.expected)
        return way.key, way.address

    def ask(self, found: tuple[str, Address]) -> Awaitable[Reply]:
        key, address = found
        kept, expected = self._kept, self._way.expected
        return kept.ask_at(address, key, key, self._payload, self._left(), expected, retry=kept.retries)

    def _left(self) -> float:
        return max(0.001, self._until - self._kept.clock())

"""Letting accepted streams in: the first byte tells an encrypted session from a plain Grenache peer.

A plain peer may take its time until its first request. A handshake that begins must end soon, and only so many
are under way at a time: the oldest of the host with most makes room. An honest one is over in a few round trips.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable
from typing import TYPE_CHECKING, Final, Protocol

from core.aio.turns import Turns
from core.errors import PeerError, RefusedError, RequestTimeout, TransportClosed
from core.frozen import frozen
from core.limits.bounds import HANDSHAKE_TIME, HANDSHAKES, HANDSHAKES_HOST, SILENT_TIME
from core.limits.budget import BudgetState
from core.limits.fair import FairTable
from core.rpc.stream import Stream
from core.scope import network
from core.secure.frames import FIRST_BYTE
from core.secure.handshake import shake
from core.secure.stream import Carrier, SecureStream

if TYPE_CHECKING:
    from core.secure.contexts import Contexts

STEP: Final = 0.0015  # seconds that a step of a handshake takes about: two fit a turn of the loop, however many come
_log = logging.getLogger(__name__)


class Visitor(Carrier, Hashable, Protocol):
    """An accepted stream."""

    async def peek(self) -> bytes:
        """Return what `read` will, and leave it there."""


@frozen
class HandshakeStatistics:
    """`handshakes` are under way now; the others count since the peer opened."""

    handshakes: int
    secured: int
    resumed: int  # of them
    failed: int  # not who they should be, not TLS 1.3, altered, cut off; those below included
    timed_out: int
    displaced: int  # made room for another


class Handshakes:
    """Lets streams in. `contexts` gives those of our identity, waiting for them if need be; None: there is none."""

    def __init__(self, contexts: Callable[[], "Awaitable[Contexts | None]"]) -> None:
        self._contexts = contexts
        self._count: Counter[str] = Counter()
        self._turns: Turns | None = None  # made on the loop
        self._under_way: FairTable[Visitor, None, str] = FairTable(HANDSHAKES, HANDSHAKES_HOST)

    async def admit(self, stream: Visitor) -> Stream:
        """Return the stream, once it says something: as it is, or the session that it turned out to carry.

        Raises PeerError when nothing became of it; the stream is then still to be aborted.
        """
        try:
            async with asyncio.timeout(SILENT_TIME):
                first = await stream.peek()
        except TimeoutError:
            raise TransportClosed(f"{stream.remote} connected and said nothing") from None
        if first[:1] != bytes((FIRST_BYTE,)):
            return stream
        try:
            secured = await self._secure(stream)
        except PeerError as error:
            self._count["failed"] += 1
            _log.debug("handshake of %s failed: %s: %s", stream.remote, error.name, error)
            raise
        self._count["secured"] += 1
        return secured

    async def _secure(self, stream: Visitor) -> SecureStream:
        for evicted in self._under_way.put(stream, None, network(stream.remote.host)):
            evicted.key.abort()
            self._count["displaced"] += 1
        began = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(HANDSHAKE_TIME):
                contexts = await self._contexts()
                if contexts is None:
                    raise RefusedError("this peer has no identity: it speaks plainly only", name="ERR_NO_IDENTITY")
                session = contexts.server()
                turns = self._turns = self._turns or Turns()
                pieces = await shake(stream, session, lambda: turns.wait(STEP))
        except TimeoutError:
            self._count["timed_out"] += 1
            raise RequestTimeout(f"{stream.remote} did not end its handshake within {HANDSHAKE_TIME:g} s") from None
        except PeerError as error:
            if stream in self._under_way:
                raise
            raise RefusedError(
                f"{stream.remote} made room for another handshake", name="ERR_TOO_MANY_HANDSHAKES"
            ) from error
        finally:
            self._under_way.pop(stream)
        self._count["resumed"] += session.resumed
        if _log.isEnabledFor(logging.DEBUG):
            who, how = session.peer_id, "resumed" if session.resumed else "whole"
            seconds = asyncio.get_running_loop().time() - began
            _log.debug("handshake of %s: %s, %s, after %.3f s", stream.remote, who.short if who else "?", how, seconds)
        return SecureStream(stream, session, pieces)

    def budget(self) -> tuple[str, BudgetState]:
        """Return how many are under way of how many, by how many hosts, and how often one had to go."""
        hosts = len({network(stream.remote.host) for stream in self._under_way})
        return "handshakes", BudgetState(len(self._under_way), HANDSHAKES, hosts, self._count["displaced"])

    def statistics(self) -> HandshakeStatistics:
        """Return the counts so far."""
        return HandshakeStatistics(
            handshakes=len(self._under_way),
            secured=self._count["secured"],
            resumed=self._count["resumed"],
            failed=self._count["failed"],
            timed_out=self._count["timed_out"],
            displaced=self._count["displaced"],
        )

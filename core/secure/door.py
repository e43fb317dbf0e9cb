"""The door of accepted streams: the first byte tells an encrypted session from a plain Grenache peer.

A plain peer may take its time until its first request. Whoever begins a handshake must end it soon, and only so many
are under way at a time: the oldest makes room, for an honest one is over within a few round trips.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from core.errors import PeerError, RefusedError, RequestTimeout, TransportClosed
from core.rpc.stream import Stream
from core.secure.frames import FIRST_BYTE
from core.secure.handshake import shake
from core.secure.stream import Carrier, SecureStream

if TYPE_CHECKING:
    from core.secure.contexts import Contexts

FIRST_BYTE_TIME: Final = 120.0  # seconds; as long as a plain peer keeps an unused connection (PROTOCOL section 6)
HANDSHAKE_TIME: Final = 10.0  # seconds; as long as connecting may take
HANDSHAKES: Final = 256  # under way; with 100 KB each they cost 25 MB
HANDSHAKES_PER_HOST: Final = 16  # of them; a carrier's NAT hides many peers, but few arrive within one round trip


class Visitor(Carrier, Protocol):
    """An accepted stream."""

    async def peek(self) -> bytes:
        """Return what `read` will, and leave it there."""


@dataclass(frozen=True, slots=True)
class DoorStatistics:
    """`handshakes` are under way now; the others count since the door was made."""

    handshakes: int
    secured: int
    resumed: int  # of them
    failed: int  # not who they should be, not TLS 1.3, altered, cut off; those below included
    timed_out: int
    displaced: int  # made room for another


class Door:
    """Lets streams in. `contexts` gives those of our identity, waiting for them if need be; None: there is none."""

    def __init__(self, contexts: Callable[[], "Awaitable[Contexts | None]"]) -> None:
        self._contexts = contexts
        self._count: Counter[str] = Counter()
        self._under_way: dict[Visitor, str] = {}  # with its host; oldest first

    async def admit(self, stream: Visitor) -> Stream:
        """Return the stream, once it says something: as it is, or the session that it turned out to carry.

        Raises PeerError when nothing became of it; the stream is then still to be aborted.
        """
        try:
            async with asyncio.timeout(FIRST_BYTE_TIME):
                first = await stream.peek()
        except TimeoutError:
            raise TransportClosed(f"{stream.remote} connected and said nothing") from None
        if first[:1] != bytes((FIRST_BYTE,)):
            return stream
        try:
            secured = await self._secure(stream)
        except PeerError:
            self._count["failed"] += 1
            raise
        self._count["secured"] += 1
        return secured

    async def _secure(self, stream: Visitor) -> SecureStream:
        self._make_room(stream.remote.host)
        self._under_way[stream] = stream.remote.host
        try:
            async with asyncio.timeout(HANDSHAKE_TIME):
                contexts = await self._contexts()
                if contexts is None:
                    raise RefusedError("this peer has no identity: it speaks plainly only", name="ERR_NO_IDENTITY")
                session = contexts.server()
                pieces = await shake(stream, session)
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
            self._under_way.pop(stream, None)
        self._count["resumed"] += session.resumed
        return SecureStream(stream, session, pieces)

    def _make_room(self, host: str) -> None:
        """Give up the oldest handshake of this host, or of all, if there are as many as there may be."""
        of_host = [stream for stream, its_host in self._under_way.items() if its_host == host]
        crowd = of_host if len(of_host) >= HANDSHAKES_PER_HOST else list(self._under_way)
        if len(crowd) >= (HANDSHAKES_PER_HOST if crowd is of_host else HANDSHAKES):
            del self._under_way[crowd[0]]
            crowd[0].abort()
            self._count["displaced"] += 1

    def statistics(self) -> DoorStatistics:
        """Return the counts so far."""
        return DoorStatistics(
            handshakes=len(self._under_way),
            secured=self._count["secured"],
            resumed=self._count["resumed"],
            failed=self._count["failed"],
            timed_out=self._count["timed_out"],
            displaced=self._count["displaced"],
        )

"""Connecting to a peer: encrypted wherever it can be, and to the peer that was meant or not at all."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol

from core.errors import LocalError, RemoteError, RequestTimeout
from core.peer_id import PeerId
from core.rpc.stream import Stream
from core.secure.frames import ALPN, STREAMS
from core.secure.handshake import shake
from core.secure.stream import Carrier, SecureStream
from core.values import Address
from core.wire.utp_marks import Marks

if TYPE_CHECKING:
    from core.secure.contexts import Contexts

IDENTIFIED_WITHIN = 4.0  # seconds for a handshake: two SYNs, and TLS on a slow line


class Outgoing(Carrier, Protocol):
    """A stream that we connected."""

    @property
    def marks(self) -> Marks:
        """What the other side says that it can do."""


class Dialer:
    """Opens streams. `connect(address, seconds)` opens those below; `contexts` is as a `Handshakes` wants it."""

    def __init__(
        self,
        connect: Callable[[Address, float], Awaitable[Outgoing]],
        contexts: Callable[[], "Awaitable[Contexts | None]"],
    ) -> None:
        self._connect = connect
        self._contexts = contexts

    async def dial_streams(self, address: Address, seconds: float, expected: PeerId) -> Stream:
        """Open a connection for byte streams to this peer, verified. Raises as `dial`."""
        return await self._dial(address, seconds, expected, STREAMS)

    async def dial(self, address: Address, seconds: float, expected: PeerId | None = None) -> Stream:
        """Open a stream to `address`: encrypted if the other side is marked for that, else plain.

        With `expected` it leads to this peer, verified, before a byte of a request leaves. Raises RemoteError
        (ERR_WRONG_PEER, ERR_PLAIN_PEER, ERR_CERTIFICATE, ERR_TLS), RequestTimeout, TransportClosed, or LocalError.
        """
        return await self._dial(address, seconds, expected, ALPN)

    async def _dial(self, address: Address, seconds: float, expected: PeerId | None, protocol: bytes) -> Stream:
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        stream = await self._connect(address, seconds)
        try:
            if Marks.SECURE not in stream.marks:
                if expected is None:
                    return stream
                raise RemoteError(
                    f"{address} speaks plainly only, so it cannot be {expected.short}", name="ERR_PLAIN_PEER"
                )
            async with asyncio.timeout_at(until):
                return await self._secure(stream, address, expected, protocol)
        except TimeoutError:
            stream.abort()
            raise RequestTimeout(f"{address} did not end the handshake within {round(seconds, 2):g} s") from None
        except BaseException:
            stream.abort()
            raise

    async def identify(self, address: Address) -> PeerId | None:
        """Return who is at an address, by a handshake and nothing else; None: it speaks plainly. Raises PeerError."""
        stream = await self.dial(address, IDENTIFIED_WITHIN)
        stream.abort()
        return stream.peer_id

    async def require_identity(self) -> None:
        """Raise LocalError when we have none, and so can call nobody by Peer ID; waits for it if it may still come."""
        if await self._contexts() is None:
            raise _no_identity()

    async def _secure(self, stream: Outgoing, address: Address, expected: PeerId | None, protocol: bytes) -> Stream:
        contexts = await self._contexts()
        if contexts is None:
            if expected is None:
                return stream
            raise _no_identity()
        session = contexts.client(address, expected, protocol)
        pieces = await shake(stream, session)
        return SecureStream(stream, session, pieces, lambda: contexts.keep(address, expected, session))


def _no_identity() -> LocalError:
    return LocalError("without an identity of our own nobody can be called by Peer ID", name="ERR_NO_IDENTITY")

"""The handshake of a session on a stream: the same for both sides."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from core.secure.stream import Carrier

if TYPE_CHECKING:
    from core.secure.session import TlsSession


async def shake(
    carrier: Carrier, session: "TlsSession", turn: Callable[[], Awaitable[None]] | None = None
) -> list[bytes]:
    """Go on until the session is established; return what of messages came with its end.

    Each step costs 1 ms of computing: with `turn`, it waits until that returns.
    Raises RemoteError for a peer that is not let in, TransportClosed for a stream that ended. It has no time-out.
    """
    await _tell(carrier, session)
    pieces: list[bytes] = []
    while not session.established:
        chunk = await carrier.read()
        if chunk:
            if turn is not None:
                await turn()
            pieces += session.feed(chunk)
            await _tell(carrier, session)
        if (session.error if chunk else session.cut()) is not None:
            break
    if session.error is not None:
        raise session.error.again()
    return pieces


async def _tell(carrier: Carrier, session: "TlsSession") -> None:
    said = session.outgoing()
    if said:
        await carrier.write(said, boundary=True)

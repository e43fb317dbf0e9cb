"""What the RPC layer asks of a byte stream; `core.net.stream.Stream` is the real one, tests bring their own."""

from typing import Protocol

from core.errors import PeerError
from core.peer_id import PeerId
from core.values import Address


class Listener(Protocol):
    """A listener is handed what arrives, within the wake-up that brought it."""

    def received(self, chunk: bytes, /) -> None:
        """Take the bytes of one packet."""

    def ended(self, error: PeerError | None, /) -> None:
        """Hear that nothing more comes: None once either side closed, else why it broke."""


class Lodger(Protocol):
    """What serves a connection that carries no requests; it keeps the connection's place among the others."""

    async def serve(self) -> None:
        """Serve until the connection is over. Raises PeerError for one that is not taken."""

    def held(self) -> int:
        """Return the bytes that wait in it, both ways."""

    def idle(self) -> float:
        """Return for how many seconds nothing has been under way; 0.0 while something is."""


class Stream(Protocol):
    """A reliable, ordered connection. Cancelling a `write` sends nothing or the whole message, never a part."""

    @property
    def remote(self) -> Address:
        """The other side, as seen here."""

    @property
    def peer_id(self) -> PeerId | None:
        """The other side's Peer ID, verified; None for a plain one."""

    def buffered(self) -> tuple[int, int]:
        """Return the bytes written that the other side has not taken, and those it sent that nobody has read."""

    def keep(self) -> None:
        """Keep this connection when others must go: its other side is trusted."""

    def listen(self, listener: Listener) -> None:
        """Hand what arrives to `listener` as it comes, what came before at once."""

    def pause(self) -> None:
        """Hand over nothing more, from now on."""

    def resume(self) -> None:
        """Go on handing over, at once."""

    def offer(self, data: bytes, *, soon: bool = False) -> bool:
        """Queue a whole message if that needs no waiting; False: nothing was queued, `write` it.

        `soon`: it may leave with what else is written in this turn of the loop, a packet's worth, instead of at once.
        """

    def put(self, data: bytes, *, urgent: bool) -> bool:
        """Write bytes, or a whole message, of any length now, if there is room for all; False: nothing was written.

        `urgent`: they do not wait for more to fill a packet.
        """

    async def write(self, data: bytes, *, boundary: bool = True) -> None:
        """Queue a whole message that starts a packet of its own, and wait for buffer space. Raises TransportClosed."""

    async def close(self) -> None:
        """Send what is queued and end. Idempotent; takes bounded time."""

    def abort(self) -> None:
        """Reset at once. Idempotent."""

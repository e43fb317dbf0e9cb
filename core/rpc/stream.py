"""What the RPC layer asks of a byte stream; `core.net.stream.Stream` is the real one, tests bring their own."""

from typing import Protocol

from core.values import Address


class Stream(Protocol):
    """A reliable, ordered connection. Cancelling a `write` sends nothing or the whole message, never a part."""

    @property
    def remote(self) -> Address:
        """The other side, as seen here."""

    async def read(self) -> bytes:
        """Return the bytes of the next packet; b"" once either side closed. Raises TransportClosed when it broke."""

    async def write(self, data: bytes, *, boundary: bool = True) -> None:
        """Queue a whole message that starts a packet of its own, and wait for buffer space. Raises TransportClosed."""

    async def close(self) -> None:
        """Send what is queued and end. Idempotent; takes bounded time."""

    def abort(self) -> None:
        """Reset at once. Idempotent."""

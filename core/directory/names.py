"""What others need of the grapes: who is announced under a name, and being announced oneself."""

from typing import Protocol

from core.values import Address


class Directory(Protocol):
    """Names looked up and announced; the link, or a double of it."""

    async def lookup(self, name: str, *, fresh: bool = False) -> list[Address]:
        """Return who is announced under a name. Raises PeerError."""

    async def announce(self, name: str, port: int) -> int:
        """Announce us. Returns the number of grapes that stored it. Raises PeerError."""

"""What others need of the grapes: names looked up and announced, values put and got."""

from typing import Protocol

from core.values import Address, JsonValue


class Directory(Protocol):
    """Names looked up and announced."""

    async def lookup(self, name: str, *, fresh: bool = False) -> list[Address]:
        """Return who is announced under a name. Raises PeerError."""

    async def announce(self, name: str, port: int) -> int:
        """Announce us. Returns the number of grapes that stored it. Raises PeerError."""


class GrapeClient(Directory, Protocol):
    """All that a grape does for a peer: a link to somebody's grape, or the peer's own one in process."""

    async def put(
        self,
        value: JsonValue,
        *,
        key: bytes | None = None,
        signature: bytes | None = None,
        sequence: int | None = None,
        salt: bytes = b"",
        cas: int | None = None,
    ) -> str:
        """Store a value; return its hash, 40 hex digits. Raises PeerError; RefusedError when a newer one is stored."""

    async def get(self, hash: str, *, salt: bytes = b"") -> dict[str, JsonValue]:
        """Return the item under a hash. Raises PeerError, LookupEmpty when nobody has one."""

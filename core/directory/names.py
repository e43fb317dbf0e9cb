"""What others need of the grapes: names looked up and announced, values put and got."""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from core.frozen import frozen
from core.values import Address, JsonValue


class Directory(Protocol):
    """Names looked up and announced."""

    async def lookup(self, name: str, *, fresh: bool = False) -> list[Address]:
        """Return who is announced under a name. Raises PeerError."""

    async def announce(self, name: str, port: int) -> int:
        """Announce us. Returns the number of grapes that stored it. Raises PeerError."""


@frozen
class Watch:
    """Who is announced under a name, as few grapes say.

    `told_for`: seconds for which they tell us of new ones without being asked; 0.0: they do not.
    """

    addresses: list[Address]
    told_for: float


@runtime_checkable
class Watching(Protocol):
    """A directory that can be asked at little cost, again and again."""

    async def watch(self, name: str, on_news: Callable[[], None]) -> Watch:
        """Ask few grapes who is announced. `on_news` is called when there may be others.

        Raises PeerError, but not for nobody.
        """


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

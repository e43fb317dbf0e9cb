"""What the HTTP API needs of a DHT. The real one is `core.grape.dht.Dht`; tests bring their own.

Operations end in a callback, not in a coroutine: a task, its wake-up and its end are three turns of the loop, and cost
a request of 50 us as much again. `outcome` turns an operation into an awaitable for everybody who is not in a hurry.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias, TypeVar

from core.dht.items import Item
from core.dht.storage import LOCAL
from core.errors import PeerError
from core.frozen import dataclass
from core.values import Address

ResultT = TypeVar("ResultT")
Done: TypeAlias = Callable[[ResultT | PeerError], None]
"""Takes how an operation ended. It is called exactly once, perhaps before the operation's method returns."""


@dataclass(frozen=True, slots=True)
class FoundItem:
    """An item, the id of the node that had it (20 bytes) and that node's write token, if it gave one."""

    item: Item
    responder: bytes
    token: bytes | None = None


@dataclass(frozen=True, slots=True)
class Watch:
    """Who is announced under a key, as few nodes say. `granted`: they tell of new ones for a minute."""

    peers: Sequence[Address]
    granted: bool


class DhtService(Protocol):
    """DHT operations. Keys are a service name's UTF-8 bytes, of any length; failures are handed over, not raised."""

    @property
    def address(self) -> Address:
        """Our UDP address as bound."""

    def lookup(self, key: bytes, done: Done[Sequence[Address]]) -> None:
        """Find the peers announced under `key`; nobody is an empty sequence."""

    def watch(self, key: bytes, done: Done[Watch], on_news: Callable[[], None]) -> None:
        """Find peers as `lookup`, of few nodes; `on_news` is called when there may be new ones, the newest one only."""

    def listed(self, peers: Sequence[Address], client: str) -> Sequence[Address]:
        """Return `peers` as a client at that IPv4 host may use them: 127.0.0.1 is us only to ourselves."""

    def announce(self, key: bytes, peer: Address, done: Done[int]) -> None:
        """Announce `peer` and tell how many nodes stored it."""

    def put(self, item: Item, done: Done[bytes], *, host: str = LOCAL) -> None:
        """Store an item, on the account of the client at that IPv4 host, and tell its 20-byte target."""

    def get(self, target: bytes, salt: bytes, done: Done[FoundItem | None]) -> None:
        """Find the item under `target`; None when nobody has it."""


async def outcome(start: Callable[[Done[ResultT]], None]) -> ResultT:
    """Start an operation and wait for its end; cancelling does not stop it. Raises the PeerError that it ends in."""
    future: asyncio.Future[ResultT] = asyncio.get_running_loop().create_future()

    def done(result: ResultT | PeerError) -> None:
        if future.done():
            return
        if isinstance(result, PeerError):
            future.set_exception(result)
        else:
            future.set_result(result)

    start(done)
    return await future

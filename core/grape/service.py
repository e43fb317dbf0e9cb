"""What the HTTP API needs of a DHT. The real one is `core.grape.dht.Dht`; tests bring their own."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from core.dht.items import Item
from core.values import Address


@dataclass(frozen=True, slots=True)
class FoundItem:
    """An item, the id of the node that had it (20 bytes) and that node's write token, if it gave one."""

    item: Item
    responder: bytes
    token: bytes | None = None


class DhtService(Protocol):
    """DHT operations as awaitables. All raise PeerError; keys are a service name's UTF-8 bytes, of any length."""

    @property
    def address(self) -> Address:
        """Our UDP address as bound."""

    async def lookup(self, key: bytes) -> Sequence[Address]:
        """Return the peers announced under `key`; nobody is an empty sequence."""

    def listed(self, peers: Sequence[Address], client: str) -> Sequence[Address]:
        """Return `peers` as a client at that IPv4 host may use them: 127.0.0.1 is us only to ourselves."""

    async def announce(self, key: bytes, peer: Address) -> int:
        """Announce `peer` and return how many nodes stored it."""

    async def put(self, item: Item) -> bytes:
        """Store an item and return its 20-byte target."""

    async def get(self, target: bytes, salt: bytes = b"") -> FoundItem | None:
        """Return the item under `target`, or None when nobody has it."""

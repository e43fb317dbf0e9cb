"""How operations of the DHT node end: exactly one of these events per OperationId. `News` is of none."""

from typing import NewType, TypeAlias

from core.dht.items import Item
from core.errors import PeerError
from core.frozen import dataclass
from core.values import Address

OperationId = NewType("OperationId", int)


@dataclass(frozen=True, slots=True)
class PeersFound:
    """A lookup ended: our own store and what other nodes said, without duplicates; empty when nobody knows."""

    operation: OperationId
    peers: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class Watching:
    """A watch was asked for or renewed. `peers`: as PeersFound, of the nodes that were asked alone.

    `granted`: they tell us of new peers, as News, for `core.dht.watches.LEASE` seconds.
    """

    operation: OperationId
    peers: tuple[Address, ...]
    granted: bool


@dataclass(frozen=True, slots=True)
class News:
    """There is a new peer under a key that we watch. Of no operation: it comes by itself."""

    key: bytes
    operation: OperationId = OperationId(0)


@dataclass(frozen=True, slots=True)
class Announced:
    """An announce ended. `nodes`: OTHER nodes that stored it, or 1 when only we did."""

    operation: OperationId
    nodes: int


@dataclass(frozen=True, slots=True)
class Stored:
    """A put ended. `target` is the key to get it by; `nodes` as in Announced."""

    operation: OperationId
    target: bytes
    nodes: int


@dataclass(frozen=True, slots=True)
class Found:
    """A get ended. `responder` is the id of the node that had the item (ours, if we did), `token` its write token."""

    operation: OperationId
    item: Item | None
    responder: bytes | None = None
    token: bytes | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """An operation could not be done; `error` says why, in words."""

    operation: OperationId
    error: PeerError


DhtEvent: TypeAlias = PeersFound | Watching | News | Announced | Stored | Found | Failed

"""What the node tells of its operations: what comes, as it comes, and one `Ended` for each."""

from typing import TypeAlias

from core.dht.events import OperationId
from core.dht.items import Item
from core.frozen import frozen
from core.values import Address


@frozen
class PeersHeard:
    """The node at `said_by` lists these under the key; it may lie. `id`: its own, as it says."""

    operation: OperationId
    peers: tuple[Address, ...]
    said_by: Address
    id: bytes = b""


@frozen
class ItemHeard:
    """A node has this item; its signature, or hash, is right."""

    operation: OperationId
    item: Item


@frozen
class Ended:
    """An operation is over. `answered`: nodes that answered; `taken`: nodes that took what was to be stored."""

    operation: OperationId
    answered: int
    taken: int = 0


MainlineEvent: TypeAlias = PeersHeard | ItemHeard | Ended

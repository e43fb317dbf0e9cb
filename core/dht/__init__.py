"""The DHT engine: BEP 5 and BEP 44 as the Grenache network speaks them, without I/O."""

from core.dht.config import DhtConfig
from core.dht.dual import DualNode
from core.dht.events import Announced, DhtEvent, Failed, Found, OperationId, PeersFound, Stored
from core.dht.items import Item, ItemRefused, sign_item
from core.dht.node import Node
from core.dht.statistics import DhtStatistics

__all__ = [
    "Announced",
    "DhtConfig",
    "DhtEvent",
    "DhtStatistics",
    "DualNode",
    "Failed",
    "Found",
    "Item",
    "ItemRefused",
    "Node",
    "OperationId",
    "PeersFound",
    "Stored",
    "sign_item",
]

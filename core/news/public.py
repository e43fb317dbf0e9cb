"""How it goes with the public DHT, as an event. What it did for a search is a `SearchProgress`."""

from typing import ClassVar

from core.frozen import frozen
from core.news.events import PeerEvent


@frozen
class PublicDhtChanged(PeerEvent):
    """How it goes with the public DHT changed."""

    kind: ClassVar[str] = "public-dht"
    nodes: int
    message: str

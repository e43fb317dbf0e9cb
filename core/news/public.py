"""How it goes with the public DHT, as an event. What it did for a search is a `SearchProgress`."""

from dataclasses import dataclass
from typing import ClassVar

from core.news.events import PeerEvent


@dataclass(frozen=True, slots=True)
class PublicDhtChanged(PeerEvent):
    """How it goes with the public DHT changed."""

    kind: ClassVar[str] = "public-dht"
    nodes: int
    message: str

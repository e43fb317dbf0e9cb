"""What is told of the paths to other peers, while they are used."""

from dataclasses import dataclass
from typing import ClassVar

from core.news.events import PeerEvent
from core.peer_id import PeerId
from core.values import Address


@dataclass(frozen=True, slots=True)
class PathMoved(PeerEvent):
    """What goes to a peer goes by another path now, which `message` says in words."""

    kind: ClassVar[str] = "path"
    peer_id: PeerId
    direct: Address | None  # None: by a relay
    message: str

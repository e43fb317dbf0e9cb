"""What is told of the paths to other peers, while they are used."""

from typing import ClassVar

from core.frozen import frozen
from core.news.events import PeerEvent
from core.peer_id import PeerId
from core.values import Address


@frozen
class PathMoved(PeerEvent):
    """What goes to a peer goes by another path now, which `message` says in words."""

    kind: ClassVar[str] = "path"
    peer_id: PeerId
    direct: Address | None  # None: by a relay
    message: str

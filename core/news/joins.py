"""Events of invitations and of searches: one of ours was accepted, one is opened, a peer is looked for by its ID."""

from typing import ClassVar

from core.frozen import frozen
from core.news.events import PeerEvent
from core.peer_id import PeerId


@frozen
class InvitationAccepted(PeerEvent):
    """A peer joined by an invitation of ours: it is known now under `name`, and may call `services`."""

    kind: ClassVar[str] = "invitation-accepted"
    number: int
    peer_id: PeerId
    name: str
    services: tuple[str, ...]


@frozen
class JoinProgress(PeerEvent):
    """Opening an invitation of the peer `peer_id` went on; `stage` is a `JoinStage`."""

    kind: ClassVar[str] = "join"
    peer_id: PeerId
    stage: str
    message: str


@frozen
class SearchProgress(PeerEvent):
    """The search for the peer `peer_id` went on: `where` is where it was looked for, and `message` what came of it."""

    kind: ClassVar[str] = "search"
    peer_id: PeerId
    where: str  # "network", "last place", "record", "public DHT", "routers", "relay", "way" or "end"
    message: str

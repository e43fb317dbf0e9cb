"""What lanes tell their owner. Times are monotone seconds."""

from typing import NamedTuple, TypeAlias

from core.frozen import frozen
from core.peer_id import PeerId
from core.values import Address


class Carried(NamedTuple):
    """Datagrams came by a relay: they count as if they had come from `source`."""

    source: Address
    datagrams: list[bytes]


class Moved(NamedTuple):
    """What goes to these addresses goes by another path now. `direct` None: by a relay."""

    peer_id: PeerId
    addresses: tuple[Address, ...]
    direct: Address | None
    round_trip: float  # seconds


class LinkLost(NamedTuple):
    """A relay is left; `reason` is a sentence. `needed`: no other path lives."""

    peer_id: PeerId
    relay: PeerId
    slot: bytes
    reason: str
    needed: bool


class LaneEnded(NamedTuple):
    """A lane was not used for long, or the other side left it. `slots` by relay."""

    peer_id: PeerId
    slots: tuple[tuple[PeerId, bytes], ...]


class Stranded(NamedTuple):
    """The direct path of a peer died, and no relay is left that could pass packets on."""

    peer_id: PeerId


LaneEvent: TypeAlias = Carried | Moved | LinkLost | LaneEnded | Stranded


@frozen
class LaneState:
    """How a lane stands, for a person who looks."""

    peer_id: PeerId
    address: Address  # under which its connections run
    direct: Address | None  # the path in use; None: by `relay`
    relay: PeerId | None
    round_trip: float | None  # seconds, of the path in use
    loss: float  # share of the beats on it, 0 to 1
    since: float  # when the path came into use
    alive: bool  # whether any path lives
    refused: int  # frames and beats that were changed, repeated or forged

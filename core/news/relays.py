"""What we pass on for others, and which peers are reached by relays: for people who look."""

from typing import NamedTuple

from core.frozen import frozen
from core.peer_id import PeerId
from core.values import Address


class PassedPair(NamedTuple):
    """Two peers that we pass packets on for."""

    peers: tuple[PeerId, PeerId]
    bytes: int


@frozen
class PassingSnapshot:
    """What we pass on for others."""

    policy: str = "off"  # who may use us now: "off", "friends" or "everyone"
    guests: int = 0  # peers that wait here to be joined with others
    pairs: tuple[PassedPair, ...] = ()
    bytes: int = 0  # since the start
    bytes_today: int = 0
    day_bytes: int = 0  # the most in 24 hours
    rate: int = 0  # the most bytes a second
    dropped: int = 0  # packets beyond a rate, or the day's volume
    refused: int = 0  # pairs that found no place
    chosen: str = "off"  # what the owner said: "auto", "off", "friends" or "everyone"


class RelayedPeer(NamedTuple):
    """A peer whose packets may go by a relay, or did at first."""

    peer_id: PeerId
    address: Address  # under which its connections run here; it stands for the peer
    direct: Address | None  # where its packets go now; None: by `relay`
    relay: PeerId | None
    relay_name: str
    round_trip: float | None  # seconds, on the path in use
    loss: float  # share of the beats on it that were not answered
    since: float  # seconds since that path came into use
    words: str  # the path as a phrase: "relayed by Anna"


@frozen
class RelaysSnapshot:
    """Both sides of it. `ready`: relays at which we wait to be joined, by name."""

    passing: PassingSnapshot = PassingSnapshot()
    ready: tuple[str, ...] = ()
    peers: tuple[RelayedPeer, ...] = ()
    uses: bool = False  # friends may pass our packets on

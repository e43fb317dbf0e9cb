"""How this peer is connected: the way to each other peer, and the attempts that led there, as the window shows them."""

import enum
from typing import NamedTuple

from core.frozen import frozen
from core.peer_id import PeerId
from core.values import Address


class Via(enum.Enum):
    """The way of packets to another peer, in a word or two."""

    COMPUTER = "this computer"
    LAN = "LAN"
    DIRECT = "direct"
    IPV6 = "direct IPv6"
    MAPPED = "port opened"  # by our router, since we asked it
    PUNCHED = "punched"
    TCP = "over TCP"  # the datagrams go in a connection of TCP or WebSocket, where UDP is blocked
    RELAYED = "relayed"


class Way(NamedTuple):
    """What a relay's lane knows of an address: `address` is where it leads now, None through the relay `relay`."""

    address: Address | None
    relay: str


class Measured(NamedTuple):
    """Of the connection to `remote`: the smoothed round trip in seconds, None before one; the share of bytes lost."""

    remote: Address
    round_trip: float | None
    loss: float


@frozen
class PathRow:
    """The way to another peer that is heard. Times are Unix seconds, `round_trip` is seconds.

    `how`: by which kind of punches it was opened. `relay`: who passes packets on, in words. `loss`: the share of bytes
    that were lost lately on the way there; None without a connection. `reason` says why it is this way, `better` what
    would make it better; "" when nothing would.
    """

    address: Address
    via: Via
    how: str = ""
    relay: str = ""
    peer_id: PeerId | None = None
    round_trip: float | None = None
    loss: float | None = None
    since: float = 0.0
    last_seen: float = 0.0
    reason: str = ""
    better: str = ""

    @property
    def badge(self) -> str:
        """Return the way as a label: "punched", "relayed by Anna"."""
        return f"relayed by {self.relay}" if self.via is Via.RELAYED and self.relay else self.via.value


class Outcome(enum.Enum):
    """What became of an attempt."""

    GOING_ON = "going on"
    OPEN = "connected"
    FAILED = "not connected"


class Step(NamedTuple):
    """One thing that happened, at Unix seconds `at`; `where` is a word for what it was about."""

    at: float
    where: str
    message: str


@frozen
class Attempt:
    """An attempt to connect: a search for `peer_id`, or punches toward `address`. Times are Unix seconds.

    `sent` and `received` count punches. `tries`: how often it failed in a row, this one included. `how`: by which kind
    of punches it came through. `observed`: from where the other side answered, if that was another address.
    """

    number: int
    peer_id: PeerId | None
    address: Address | None
    began: float
    ended: float | None
    sent: int
    received: int
    tries: int
    outcome: Outcome
    message: str
    how: str = ""
    observed: Address | None = None
    steps: tuple[Step, ...] = ()

    @property
    def seconds(self) -> float | None:
        """Return how long it took; None while it goes on."""
        return None if self.ended is None else max(0.0, self.ended - self.began)


@frozen
class Connections:
    """The paths, the one known for longest first, and the attempts, the newest first."""

    paths: tuple[PathRow, ...] = ()
    attempts: tuple[Attempt, ...] = ()

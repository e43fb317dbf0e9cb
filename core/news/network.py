"""What a peer tells of its network: the brokers that it is and uses, and what its router does."""

from dataclasses import field

from core.frozen import frozen
from core.mapping.status import PortOpen as PortOpen
from core.nat.report import NatReport
from core.peer_id import PeerId
from core.values import Address


@frozen
class BrokerEntry:
    """A peer that is registered with us. Times are Unix seconds; `server`: it offers the service, or else wants it."""

    service: str
    server: bool
    address: Address  # as we see it, so after its NAT
    peer_id: PeerId | None
    since: float
    renewed_at: float


@frozen
class BrokerSnapshot:
    """This peer as a broker. `refused`: registrations not taken, as pairs of an error's name and a count."""

    acting: bool = False
    announced_nodes: int = 0  # grapes that list us
    entries: tuple[BrokerEntry, ...] = ()
    refused: tuple[tuple[str, int], ...] = ()


@frozen
class BrokerRow:
    """A broker that this peer uses. `peers`: how many others it names to us."""

    address: Address
    registered: bool
    message: str
    peers: int
    ours: bool  # a broker of ours, which tells both sides at the same moment


@frozen
class BrokerUse:
    """Whether brokers are used, which, and their state in words. `fixed`: those to use; none: the announced ones."""

    on: bool = False
    fixed: tuple[str, ...] = ()
    message: str = "Off."
    brokers: tuple[BrokerRow, ...] = ()
    refused: int = 0  # addresses that a broker named and that nobody should punch


@frozen
class NatSnapshot:
    """Our network: `report` in the terms of RFC 4787, the rest in words; `advice` is "" when there is nothing to do.

    `reachable`: friends behind usual home routers get in. `complete`: everything was tried once. `port`: what the
    router was asked to open, `port_6` the same for IPv6, and `web_port` for HTTP and WebSocket.
    """

    report: NatReport = field(default_factory=NatReport)
    reachable: bool = False
    network: str = ""
    message: str = ""
    advice: str = ""
    complete: bool = False
    port: PortOpen = field(default_factory=PortOpen)
    web_port: PortOpen = field(default_factory=PortOpen)
    port_6: PortOpen = field(default_factory=PortOpen)


@frozen
class OpenPeersSnapshot:
    """Reachable peers that help strangers meet. `helps`: this peer may be one; `open`: it is one now.

    `found` others have proved to be one, and we are met at `visited` of them. Of ours: `guests` wait for letters,
    `letters` are kept, and `introduced` were handed to somebody who waited.
    """

    helps: bool = False
    open: bool = False
    found: int = 0
    visited: int = 0
    guests: int = 0
    letters: int = 0
    introduced: int = 0

    @property
    def words(self) -> str:
        """How it goes, as sentences for people; empty where there is nothing to say."""
        found = ""
        if self.found:
            at = f"; friends can meet this peer at {self.visited} of them" if self.visited else ""
            found = f"{self.found} open peer{'s'[: self.found != 1]} found{at}."
        if self.open:
            ours = (
                f"It helps strangers meet: {self.guests} wait{'s'[: self.guests == 1]} here now, and {self.introduced} "
                f"letter{'s'[: self.introduced != 1]} found somebody who waited."
            )
        elif self.helps:
            ours = "It helps strangers meet once others have reached it for 15 minutes."
        else:
            ours = ""
        return " ".join(each for each in (found, ours) if each)


@frozen
class PublicDhtSnapshot:
    """`on`: it is used. `nodes` have answered. `asked`: its owner has said yes or no. `message`: how it goes."""

    on: bool = False
    asked: bool = True
    nodes: int = 0
    serving: bool = False
    message: str = "The public DHT is not used."
    open_peers: OpenPeersSnapshot = field(default_factory=OpenPeersSnapshot)

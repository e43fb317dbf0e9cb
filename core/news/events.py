"""What a peer tells its owner: typed, immutable events (`kind`: the name in `--json`) and snapshots, nothing else."""

import enum
from dataclasses import field
from typing import ClassVar, Final, NamedTuple

from core.frozen import frozen
from core.news.invitations import Invitations
from core.news.network import BrokerEntry as BrokerEntry
from core.news.network import BrokerRow as BrokerRow
from core.news.network import BrokerSnapshot as BrokerSnapshot
from core.news.network import BrokerUse as BrokerUse
from core.news.network import NatSnapshot as NatSnapshot
from core.news.network import PortOpen as PortOpen
from core.news.network import PublicDhtSnapshot as PublicDhtSnapshot
from core.news.relays import RelaysSnapshot
from core.news.requests import PeerEvent as PeerEvent
from core.news.requests import ReplyReceived as ReplyReceived
from core.news.requests import RequestSent as RequestSent
from core.news.requests import RequestServed as RequestServed
from core.news.seen import Connections
from core.peer_id import PeerId
from core.services.names import Role as Role  # what another peer is to us
from core.trust.audience import Audience
from core.trust.entries import Group, KnownPeer, Pending
from core.values import Address, JsonValue


@frozen
class Listening(PeerEvent):
    """The peer's UDP socket is open; again when this machine's address is another."""

    kind: ClassVar[str] = "listening"
    address: Address


@frozen
class GrapeChanged(PeerEvent):
    """The grape's state changed; `grape` is the new one."""

    kind: ClassVar[str] = "grape"
    grape: "GrapeSnapshot"


@frozen
class Announced(PeerEvent):
    """A name was stored on `nodes` grapes. Emitted for the first success and whenever the count changes.

    `own_only`: the only grape is our own, which knows no other: nobody else can find us.
    """

    kind: ClassVar[str] = "announced"
    service: str
    nodes: int
    own_only: bool = False


@frozen
class Discovered(PeerEvent):
    """A lookup, or a punch, showed a peer that was not known."""

    kind: ClassVar[str] = "discovered"
    service: str
    peer: Address


@frozen
class Lost(PeerEvent):
    """A peer left the listing and has been silent."""

    kind: ClassVar[str] = "lost"
    service: str
    peer: Address
    reason: str


@frozen
class PunchSent(PeerEvent):
    """One punch left."""

    kind: ClassVar[str] = "punch-sent"
    peer: Address


@frozen
class PunchReceived(PeerEvent):
    """One punch arrived; `peer` is the source as seen here, so after its NAT. `first`: never heard before."""

    kind: ClassVar[str] = "punch-received"
    peer: Address
    first: bool


@frozen
class PendingRequest(PeerEvent):
    """A peer asked for a service it may not call, and waits for an answer; again at most once a minute."""

    kind: ClassVar[str] = "pending"
    peer_id: PeerId
    name: str  # "" for a stranger
    service: str
    caller: Address
    times: int


@frozen
class TrustChanged(PeerEvent):
    """The list of known peers changed; `message` says how. `known` peers are on it, `pending` requests wait."""

    kind: ClassVar[str] = "trust"
    message: str
    known: int
    pending: int


@frozen
class Registered(PeerEvent):
    """A new peer registered with us, the broker. `server`: it offers the service, or else wants it."""

    kind: ClassVar[str] = "registered"
    service: str
    server: bool
    peer: Address  # as we see it, so after its NAT
    peer_id: PeerId | None


@frozen
class BrokerChanged(PeerEvent):
    """The state of the brokers that we use changed; `message` says it in words."""

    kind: ClassVar[str] = "broker"
    registered: int  # brokers that took our registrations
    message: str


@frozen
class PunchEnded(PeerEvent):
    """The outcome of punching `peer`, which a broker named, from both sides; emitted when the outcome changes.

    `open`: something came through, from `observed`. `reason`: in words, what happened. `how`: the way that was tried,
    "" for plain punching. `packets`: how many were sent, where that was counted.
    """

    kind: ClassVar[str] = "punch-ended"
    peer: Address
    open: bool
    observed: Address | None
    seconds: float
    reason: str
    how: str = ""
    packets: int | None = None


@frozen
class NatChanged(PeerEvent):
    """What is known of our network changed."""

    kind: ClassVar[str] = "nat"
    nat: NatSnapshot


@frozen
class ErrorRaised(PeerEvent):
    """Something went wrong and the peer goes on: an error name and a sentence for people."""

    kind: ClassVar[str] = "error"
    error: str
    message: str
    peer: Address | None = None


class GrapeState(enum.Enum):
    """The state of the grape that this peer uses."""

    STARTING = "starting"
    ALONE = "alone"  # no other grape is known
    CONNECTED = "connected"
    UNREACHABLE = "unreachable"  # those that the owner named do not answer
    NO_NETWORK = "no network"  # and no way leads anywhere from this computer


AWAY: Final = (GrapeState.UNREACHABLE, GrapeState.NO_NETWORK)  # nobody can find us, and it is not ours to change


NOT_LOOKED_FOR: Final = "Others on this network are not looked for: that is off."  # in `GrapeSnapshot.nearby`


@frozen
class GrapeSnapshot:
    """`nodes` other grapes are known; `message` says in words what is so and what to do."""

    state: GrapeState
    embedded: bool
    url: str
    nodes: int
    message: str
    dht_port: int | None = None
    nearby: str = ""  # a sentence about this network: who is there, or what is in the way; it is in `message` too
    returning: bool = False  # we slept, or are on another network, and nobody has answered since; `message` says so


@frozen
class ServiceSnapshot:
    """One service of the registry and what this peer does with it."""

    name: str  # "fibonacci"
    description: str
    example: JsonValue
    sharing: bool
    consuming: bool
    announced_nodes: int  # grapes that hold our worker announce; 0 while not announced
    served: int
    failed: int
    audience: Audience = Audience.TRUSTED  # who may call it
    own_only: bool = False  # announced, but on our own grape alone, which knows no other: nobody else can find us
    refused: int = 0  # requests that the owner's rules did not let in; they count as neither served nor failed


@frozen
class ShareRow:
    """One share. `sent` and `received` are bytes of the streams that are open now, from here and to here."""

    name: str
    kind: str
    description: str
    audience: Audience
    on: bool
    permanent: bool
    problem: str  # why it is not on, though it should be
    users: tuple[PeerId, ...]  # who has streams open now
    streams: int  # open now
    sent: int
    received: int
    served: int  # requests and streams that went well
    failed: int
    refused: int
    dropped: int = 0  # datagrams of the open streams, for want of room here
    transports: tuple[str, ...] = ("utp",)  # and "http", "ws", "pub"


@frozen
class UseRow:
    """A service of another peer that is open here."""

    where: str  # a URL, or HOST:PORT
    peer_id: PeerId
    peer: str  # its name here
    service: str
    kind: str
    problem: str  # why the last connection could not be carried; "" when it could


@frozen
class PeerRow:
    """Another peer. Times are Unix seconds; `rtt` is the last request's round trip in seconds."""

    address: Address
    role: Role
    service: str  # the name it was found under, as announced: "fibonacci_consumer"
    since: float
    last_seen: float
    listed: bool  # in the newest lookup
    punches_sent: int
    punches_received: int
    requests_served: int
    replies: int
    rtt: float | None
    peer_id: PeerId | None = None  # as its last encrypted request or reply proved; a plain one proves nothing


@frozen
class BudgetRow:
    """What callers take of one thing: bytes of "memory" and of "unfinished" messages, "requests", "connections", ..."""

    name: str
    used: int
    limit: int
    owners: int  # hosts and trusted peers that have some of it
    refused: int  # times that there was no room, since the peer opened


@frozen
class Traffic:
    """What crossed the peer's socket since it opened; `connections` are those open now."""

    received: int = 0  # bytes
    sent: int = 0  # bytes
    requests: int = 0  # of others, answered with a result or an error
    punches: int = 0  # sent and received
    connections: int = 0
    turned_away: tuple[tuple[str, int], ...] = ()  # what never became a request: connections, handshakes, punches, ...
    refused: tuple[tuple[str, int], ...] = ()  # requests by the name of the error they were answered with
    datagrams: tuple[tuple[str, int], ...] = ()  # sealed ones beside uTP: sent, received, dropped, forged, replayed
    budgets: tuple[BudgetRow, ...] = ()  # what callers take of this peer, and how much there is

    @property
    def held(self) -> int:
        """Bytes of memory that requests hold."""
        return next((row.used for row in self.budgets if row.name == "memory"), 0)


@frozen
class IdentitySnapshot:
    """This peer's identity. `peer_id` None: none yet, or none at all; `message` says which, or where the key is kept.

    `protected`: by the keyring or a passphrase. `can_retry`: it could not be opened; `Peer.retry_identity` tries.
    """

    peer_id: PeerId | None = None
    message: str = ""
    protected: bool = False
    can_retry: bool = False


class Holds(enum.Enum):
    """From where an address of ours can be used."""

    COMPUTER = "this computer"
    LAN = "your network"
    INTERNET = "the Internet"


class OwnAddress(NamedTuple):
    """Where others reach this peer, from as far as `holds` says."""

    address: Address
    holds: Holds


@frozen
class PeerSnapshot:
    """Everything the window shows, at one moment. `revision` rises with every change."""

    revision: int
    address: Address | None  # our UDP socket, as bound
    observed: Address | None  # our address as others see it, once somebody told us
    grape: GrapeSnapshot
    services: tuple[ServiceSnapshot, ...]
    peers: tuple[PeerRow, ...]
    known_peers: tuple[KnownPeer, ...] = ()  # peers that the owner trusts with something, and blocked ones
    groups: tuple[Group, ...] = ()  # people that are named together; who is in which, they say themselves
    pending: tuple[Pending, ...] = ()  # who waits for the owner's answer; the newest is last
    trust_problem: str | None = None  # why nobody is known, when the list could not be used
    trust_recoverable: tuple[KnownPeer, ...] = ()  # who would be known then, if the owner confirms it
    traffic: Traffic = Traffic()  # moves on without a new revision
    identity: IdentitySnapshot = IdentitySnapshot()
    broker: BrokerSnapshot = field(default_factory=BrokerSnapshot)
    broker_use: BrokerUse = field(default_factory=BrokerUse)
    shares: tuple[ShareRow, ...] = ()
    uses: tuple[UseRow, ...] = ()
    addresses: tuple[OwnAddress, ...] = ()  # where others reach us, the nearest first
    invitations: Invitations = field(default_factory=Invitations)
    nat: NatSnapshot = field(default_factory=NatSnapshot)
    public_dht: PublicDhtSnapshot = field(default_factory=PublicDhtSnapshot)
    connections: Connections = field(default_factory=Connections)  # the ways to others, and how they were found
    relays: RelaysSnapshot = field(default_factory=RelaysSnapshot)

"""A broker in use, as its client keeps it: what it was asked for, and what it said."""

import asyncio
from dataclasses import dataclass, field
from typing import Protocol

from core.aio.tasks import TaskSet
from core.frozen import frozen
from core.peer_id import PeerId
from core.values import Address, JsonValue
from core.wire.broker_message import Listing


class BrokerReply(Protocol):
    """What came back: the Peer ID that the other side proved (None: it proved none), and the answer."""

    @property
    def peer_id(self) -> PeerId | None:
        """The Peer ID of the side that answered, verified."""

    @property
    def data(self) -> JsonValue:
        """The answer."""


@frozen
class Want:
    """One role: `server` offers the service (its announced name), or else wants it."""

    service: str
    server: bool


@frozen
class BrokerStatus:
    """How a broker is doing. `registered`: it has answered lately. `peers`: others it named, all roles together."""

    address: Address
    registered: bool
    message: str
    peers: int
    ours: bool
    you: Address | None  # our address as it sees it; only a broker of ours tells


@dataclass(slots=True)
class InUse:
    """A broker in use, and what it said."""

    address: Address
    tasks: TaskSet
    listings: dict[Want, Listing] = field(default_factory=dict)
    registering: dict[Want, asyncio.Event] = field(default_factory=dict)  # what is registered again and again; set: now
    registered: bool = False
    message: str = "Asking it"
    ours: bool = False
    you: Address | None = None
    late: bool = False  # it did not answer in time: our way out may have been gone

    def status(self) -> BrokerStatus:
        """Return how it is doing."""
        peers = {
            entry.address for want, told in self.listings.items() for entry in told.entries
            if entry.server != want.server
        }  # fmt: skip
        return BrokerStatus(self.address, self.registered, self.message, len(peers), self.ours, self.you)

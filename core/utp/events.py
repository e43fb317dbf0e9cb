"""What a `Mux` tells its owner. Closed is the last event of a connection and comes exactly once."""

from typing import TypeAlias

from core.errors import PeerError
from core.frozen import dataclass, quick
from core.utp.connection import Connection
from core.values import Address


@dataclass(frozen=True, slots=True)
class Incoming:
    """A peer connected to us and proved that it hears us: it is open."""

    connection: Connection


@dataclass(frozen=True, slots=True)
class Connected:
    """The peer answered our SYN: it is open."""

    connection: Connection


@quick
class Readable:
    """There is data where there was none since the last `read`."""

    connection: Connection

    def __init__(self, connection: Connection) -> None:
        self.connection = connection


@dataclass(frozen=True, slots=True)
class Writable:
    """After a short write: half of the send buffer is free again."""

    connection: Connection


@dataclass(frozen=True, slots=True)
class Ended:
    """The peer's FIN is reached and everything before it has been read. Writing may go on."""

    connection: Connection


@dataclass(frozen=True, slots=True)
class Closed:
    """It is over. `error` is None when both sides closed, or when we aborted; `read` still gives what is left."""

    connection: Connection
    error: PeerError | None


@dataclass(frozen=True, slots=True)
class Moved:
    """The peer is at another address now, as its NAT was restarted or rebound: `connection.remote` is `new`."""

    connection: Connection
    old: Address
    new: Address


UtpEvent: TypeAlias = Incoming | Connected | Readable | Writable | Ended | Closed | Moved

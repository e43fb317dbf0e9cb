"""What a connection asks of the mux that owns it."""

from typing import TYPE_CHECKING, Protocol

from core.utp.events import UtpEvent
from core.utp.statistics import Counters
from core.values import Address

if TYPE_CHECKING:
    from core.utp.connection import Connection  # which imports this module


class Host(Protocol):
    """What a connection needs of its mux."""

    @property
    def counters(self) -> Counters:
        """The counters of the mux."""

    def touch(self, connection: "Connection") -> None:
        """The connection has something to send, or another deadline."""

    def emit(self, event: UtpEvent) -> None:
        """Tell the owner."""

    def send(self, remote: Address, datagram: bytes) -> None:
        """Send a datagram that outlives its connection."""

    def closed(self, connection: "Connection", now: float, *, peer_may_repeat: bool) -> None:
        """Forget the connection; `peer_may_repeat`: its FIN may come again and deserves an ack."""

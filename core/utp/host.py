"""What a connection asks of the mux that owns it."""

from typing import TYPE_CHECKING, Protocol

from core.utp.events import UtpEvent
from core.utp.statistics import Counters
from core.values import Address, Fragments

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

    def send(self, remote: Address, datagram: bytes, fragments: Fragments = ...) -> None:
        """Send a datagram beside the ordinary ones, or that outlives its connection."""

    def recall_path(self, remote: Address, now: float) -> tuple[int, float]:
        """Return the size, in bytes of UDP payload, that reaches a peer (0: unknown), and when to search."""

    def note_path(self, remote: Address, size: int, next_at: float, now: float) -> None:
        """Keep that for the next connection."""

    def heard_first(self, connection: "Connection") -> None:
        """The peer delivered its first byte."""

    def keep(self, connection: "Connection") -> None:
        """The owner knows the peer: the connection makes room for nobody."""

    def nonce(self) -> int:
        """Return 32 random bits."""

    def closed(self, connection: "Connection", now: float, *, peer_may_repeat: bool) -> None:
        """Forget the connection; `peer_may_repeat`: its FIN may come again and deserves an ack."""

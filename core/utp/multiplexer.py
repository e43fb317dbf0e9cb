"""What a connection asks of the mux that owns it."""

from typing import Protocol, TypeVar

from core.errors import PeerError
from core.utp.path_memory import PathMemory
from core.utp.statistics import Counters
from core.values import Address, Fragments

C = TypeVar("C", contravariant=True)  # the connection


class Multiplexer(Protocol[C]):
    """What a connection needs of its mux. Generic, so that this module needs to know no connection."""

    @property
    def counters(self) -> Counters:
        """The counters of the mux."""

    @property
    def paths(self) -> PathMemory:
        """What was learned of paths, for the next connection."""

    def touch(self, connection: C) -> None:
        """The connection has something to send, or another deadline."""

    def send(self, remote: Address, datagram: bytes, fragments: Fragments = Fragments.AVOID) -> None:
        """Send a datagram beside the ordinary ones, or that outlives its connection."""

    def may_answer(self, remote: Address, now: float) -> bool:
        """Count a packet to an address that has not proved itself, and tell whether it may leave."""

    def nonce(self) -> int:
        """Return 32 random bits."""

    def keep(self, connection: C) -> None:
        """The owner knows the peer: the connection makes room for nobody."""

    def follow(self, connection: C, remote: Address, round_trip: float, now: float) -> bool:
        """Take the owner's word that the peer is at `remote` now; return whether the connection goes on there."""

    def delivered(self, connection: C) -> None:
        """The peer delivered its first byte."""

    # -- what the owner is told (`core.utp.events`)

    def opened(self, connection: C) -> None:
        """The handshake is over."""

    def readable(self, connection: C) -> None:
        """There is data where there was none since the last `read`."""

    def writable(self, connection: C) -> None:
        """After a short write half of the send buffer is free again."""

    def ended(self, connection: C) -> None:
        """The peer's FIN is reached, and everything before it was read."""

    def moved(self, connection: C, old: Address) -> None:
        """The peer is no longer at `old`."""

    def closed(self, connection: C, error: PeerError | None, now: float, *, known: bool, peer_may_repeat: bool) -> None:
        """Forget the connection. `known`: its owner was told of it. `peer_may_repeat`: its FIN, which gets an ack."""

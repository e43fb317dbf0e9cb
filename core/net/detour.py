"""What is below the connections of a socket: lanes, where there are some, and else the sockets themselves.

A lane's connections run under an address that stands for a peer. What leaves for it goes where its lane says; what
comes by a lane counts as having come from that address. Without lanes everything passes as it is.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from core.net.more_sockets import MoreSockets
from core.net.pump import Received
from core.net.udp_socket import UdpSocket
from core.utp.mux import Mux
from core.values import Address, Buffer, Burst
from core.wire.relay_packet import BEAT, FROM_RELAY, TO_RELAY
from core.wire.utp_packet import is_utp

_THEIRS = frozenset((BEAT, FROM_RELAY, TO_RELAY))  # first bytes of what lanes and relays get as it came
_TOO_LONG = 1_465  # bytes of a datagram that a relay's path does not take: 1,500 less what a frame adds, and a little


class Below(Protocol):
    """What is needed of the lanes."""

    def __len__(self) -> int: ...

    def out(self, burst: Burst, now: float) -> Burst | None:
        """Return a burst as it leaves; None: nothing leaves."""

    def source(self, source: Address, known: Callable[[Address], bool]) -> Address:
        """Return from where something counts as having come."""

    def known_as(self, address: Address, known: Callable[[Address], bool]) -> Address:
        """Return under which address a connection runs, of those that go by the same lane."""

    def by_relay(self, relay: Address, size: int) -> list[tuple[Address, int]]:
        """Return what is reached by a relay, and how long a datagram was before it was framed."""


class Detour:
    """`take` gets what came, `now` is the pump's clock. `beside(address)` is told that its path is another one."""

    def __init__(
        self, udp: UdpSocket, mux: Mux, take: Callable[[Sequence[Received]], None], now: Callable[[], float]
    ) -> None:
        self.sockets = MoreSockets(udp, self.receive)
        self.lanes: Below | None = None
        self._mux, self._take, self._now = mux, take, now

    def send(self, burst: Burst) -> None:
        """Send by the lane of its destination, or as it is."""
        lanes = self.lanes
        if lanes is None:
            self.sockets.send(burst)
            return
        leaving = lanes.out(burst, self._now())
        if leaving is not None:
            self.sockets.send(leaving)

    def receive(self, batch: Sequence[Received]) -> None:
        """Hand on what came, as from where it counts as having come."""
        lanes = self.lanes
        self._take(batch if lanes is None or not len(lanes) else self._mapped(batch, lanes))

    def too_long(self, to: Address, size: int) -> list[tuple[Address, int]]:
        """Return to which addresses a datagram was too long, and how long it was there."""
        through = [] if self.lanes is None else self.lanes.by_relay(to, size)
        return [(to, size), *through]

    def moved(self, addresses: Sequence[Address], round_trip: float, *, relayed: bool) -> None:
        """These are reached by another path from now on."""
        for address in addresses:
            self._mux.new_path(address, round_trip, self._now(), too_long=_TOO_LONG if relayed else None)

    def _mapped(self, batch: Sequence[Received], lanes: Below) -> list[Received]:
        runs: list[tuple[Address, list[Buffer]]] = []
        for source, datagrams in batch:
            for datagram in datagrams:
                at = source
                if len(datagram) and datagram[0] not in _THEIRS:
                    at = lanes.source(source, partial(self._knows, datagram))
                if runs and runs[-1][0] == at:
                    runs[-1][1].append(datagram)
                else:
                    runs.append((at, [datagram]))
        return list(runs)

    def carried(self, source: Address, datagrams: Sequence[bytes]) -> None:
        """Take what came by a relay, as from the address that stands for its sender, or that its connection has."""
        lanes = self.lanes
        if lanes is None:
            return
        self._take([(self._named(source, each), [each]) for each in datagrams])

    def _named(self, source: Address, datagram: bytes) -> Address:
        return source if self.lanes is None else self.lanes.known_as(source, partial(self._knows, datagram))

    def _knows(self, datagram: Buffer, remote: Address) -> bool:
        return is_utp(datagram) and self._mux.knows(remote, datagram)

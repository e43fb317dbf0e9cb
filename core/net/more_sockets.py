"""Further sockets of an endpoint: paths that were opened from one of them go on there, for one remote each.

A NAT's mapping belongs to a socket. When a birthday, or a predicted port, was won by a fresh socket, the connection to
that remote lives on it: what leaves for that address leaves there, and what comes from it is taken as if it had come
to the serving socket. uTP knows nothing of this.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Protocol

from core.net.pump import Received
from core.net.udp_socket import UdpSocket
from core.scope import CARRIED
from core.values import Address, Burst

MOST = 64  # kept at once; full: the one that was used least recently is closed
UNUSED = 90.0  # seconds without a datagram from there until a socket is closed: three times a NAT's 30 s
LOOK = 30.0  # seconds between looks
_log = logging.getLogger(__name__)


class Carrying(Protocol):
    """What takes datagrams to one remote by other means than UDP."""

    def send(self, burst: Burst) -> None:
        """Send, or drop. Never raises."""


class MoreSockets:
    """`first` is the serving socket, `receive` the pump's."""

    def __init__(self, first: UdpSocket, receive: Callable[[Sequence[Received]], None]) -> None:
        self._first = first
        self._receive = receive
        self._paths: OrderedDict[Address, UdpSocket] = OrderedDict()
        self._heard_at: dict[Address, float] = {}
        self._carriers: dict[Address, Carrying] = {}  # their owners bound them
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._paths)

    def send(self, burst: Burst) -> None:
        """Send by the carrier of a remote, from the socket that a path was opened from, or else the serving one."""
        carrier = self._carriers.get(burst.to) if self._carriers else None
        if carrier is not None or burst.to.host.startswith(CARRIED):
            if carrier is not None:
                carrier.send(burst)
            return
        (self._paths.get(burst.to, self._first) if self._paths else self._first).send(burst)

    def adopt(self, udp: UdpSocket, remote: Address) -> None:
        """Use this socket for a remote from now on; it is ours to close."""
        loop = asyncio.get_running_loop()
        self._close(remote)
        while len(self._paths) >= MOST:
            self._close(next(iter(self._paths)))
        self._paths[remote] = udp
        self._heard_at[remote] = loop.time()
        _log.debug("%s is reached from port %d", remote, udp.address.port)

        def take(batch: Sequence[Received]) -> None:
            wanted = [each for each in batch if each[0] == remote]
            if wanted:
                self._heard_at[remote] = loop.time()
                self._paths.move_to_end(remote)
                self._receive(wanted)

        udp.start(take)
        if self._timer is None:
            self._timer = loop.call_later(LOOK, self._look)

    def carry(self, remote: Address, carrier: Carrying) -> None:
        """Reach a remote by a carrier from now on, which its owner closes."""
        self._carriers[remote] = carrier

    def uncarry(self, remote: Address) -> None:
        """Reach a remote by UDP again; one that stands for a carrier is not reached then. Idempotent."""
        self._carriers.pop(remote, None)

    def carried(self, remote: Address) -> bool:
        """Return whether what goes to a remote goes by a carrier."""
        return remote in self._carriers or remote.host.startswith(CARRIED)

    def close(self) -> None:
        """Close all of them."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for remote in list(self._paths):
            self._close(remote)

    def _look(self) -> None:
        self._timer = None
        loop = asyncio.get_running_loop()
        for remote, heard_at in list(self._heard_at.items()):
            if loop.time() - heard_at > UNUSED:
                self._close(remote)
        if self._paths:
            self._timer = loop.call_later(LOOK, self._look)

    def _close(self, remote: Address) -> None:
        udp = self._paths.pop(remote, None)
        self._heard_at.pop(remote, None)
        if udp is not None:
            udp.close()

"""What every UDP socket of ours is: its protocol, its counts, and what it accepts as a destination."""

import errno
import socket
from collections.abc import Callable, Sequence
from dataclasses import fields
from functools import lru_cache
from typing import Any, Final, Protocol

from core.frozen import dataclass
from core.values import Address, Buffer, Burst, Fragments

Received = tuple[Address, list[Buffer]]
"""Datagrams that arrived one after the other from one source."""

SENDERS: Final = 1024  # whose addresses are kept as they were made: most datagrams come from somebody who sent before
USUAL_BYTES: Final = 1402  # libutp's packets, which were never probed


# What the system says of a destination rather than of a moment; Windows has numbers of its own (winsock2.h).
NO_WAY: Final = frozenset(
    {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EPERM, errno.EACCES, errno.EADDRNOTAVAIL}
    | {10013, 10049, 10050, 10051, 10065}
)


class Receiver(Protocol):
    """Takes what arrives; called once per wake-up, buffers are only valid during the call."""

    def __call__(self, batch: Sequence[Received], /) -> None: ...


@dataclass(frozen=True, slots=True)
class UdpStatistics:
    """Counts, in datagrams unless named otherwise, since the socket opened."""

    received: int
    sent: int
    send_errors: int  # the kernel refused one: no route, forbidden, too long, ...
    send_dropped: int  # our queue for a full kernel buffer overflowed
    receive_dropped: int  # arrived cut off, or joined with others and nothing said where each begins
    icmp_errors: int  # errors about earlier datagrams that the kernel told us of
    batches_sent: int  # system calls that sent more than one datagram
    batches_received: int  # system calls that received more than one datagram
    batches_refused: int  # batches that the kernel did not take; their datagrams left one by one
    bytes_received: int  # of datagrams, without the headers of UDP and IP
    bytes_sent: int  # the same


_COUNTS = tuple(field.name for field in fields(UdpStatistics))


class Tally:
    """The mutable side of UdpStatistics."""

    __slots__ = _COUNTS

    def __init__(self) -> None:
        self.received = self.sent = self.send_errors = self.send_dropped = self.receive_dropped = 0
        self.icmp_errors = self.batches_sent = self.batches_received = self.batches_refused = 0
        self.bytes_received = self.bytes_sent = 0

    def snapshot(self) -> UdpStatistics:
        """Return a copy that stays as it is."""
        return UdpStatistics(*(getattr(self, name) for name in _COUNTS))


class UdpSocket(Protocol):
    """What `open_udp` returns. Nothing arrives before `start`; after `close` nothing leaves or arrives."""

    address: Address
    on_too_long: Callable[[Address, int], None] | None
    """Told when the system refuses a datagram of so many bytes as too long for the path to an address."""
    on_refused: Callable[[Address, OSError], None] | None
    """Told when the system says that nothing leaves for an address: there is no route, or a firewall forbids it."""

    def start(self, receiver: Receiver, first: Callable[[Address, Buffer], bool] | None = None) -> None:
        """Hand every batch that arrives from now on to `receiver`.

        With `first`, hosts take turns when more arrives than can be handled, and what it says yes to goes before.
        """

    def send(self, burst: Burst) -> None:
        """Send, or queue, or drop and count. Never raises."""

    def statistics(self) -> UdpStatistics:
        """Return the counts so far."""

    def close(self) -> None:
        """Close the socket at once; idempotent. What the kernel has not taken is lost."""

    async def wait_closed(self) -> None:
        """Wait, after `close`, until the loop has let go of the socket: its port is free again."""


def named(source: tuple[Any, ...]) -> Address:
    """Return the address of what the system says of an IPv6 socket: host, port, flow, zone.

    A link-local host names its interface, as that is needed to answer. IPv4 has a quicker way: `named_four`.
    """
    host, port, zone = source[0], source[1], source[3]
    return Address(f"{host}%{_interface(zone)}" if zone and "%" not in host else host, port)


@lru_cache(maxsize=SENDERS)
def named_four(source: tuple[Any, ...]) -> Address:
    """Return the address of what the system says of an IPv4 socket: host and port."""
    return Address(source[0], source[1])


@lru_cache(maxsize=64)
def _interface(zone: int) -> str:
    try:
        return socket.if_indextoname(zone)
    except OSError:
        return str(zone)


def placed(to: Address) -> tuple[str | int, ...]:
    """Return an IPv6 address as the system takes it: the interface of a link-local host is a number beside it.

    Python reads no zone out of the host: what is sent to `fe80::7%eth0` would leave by any interface. Raises OSError
    for an interface that is gone.
    """
    text, percent, zone = to.host.partition("%")
    if not percent:
        return to
    return text, to.port, 0, int(zone) if zone.isdecimal() else socket.if_nametoindex(zone)


def is_sendable(to: Address, family: int = socket.AF_INET) -> bool:
    """Tell whether `to` is numeric, of this family, and in range.

    sendto would block the loop on a name, and a port out of range kills asyncio's transport.
    """
    host = to.host.partition("%")[0] if family == socket.AF_INET6 else to.host
    try:
        socket.inet_pton(family, host)
    except (OSError, ValueError):
        return False
    return 0 < to.port <= 65535


def goes_out(data: bytes, fragments: Fragments, *, avoids: bool) -> bool:
    """Tell whether a datagram may leave; one that must not be cut does not where the system may cut it unseen.

    `avoids`: it does not. What is as short as USUAL_BYTES passes nearly everywhere anyway.
    """
    return avoids or fragments is not Fragments.NEVER or len(data) <= USUAL_BYTES

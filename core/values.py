"""The few values every layer shares: addresses, callers, bursts of datagrams, and what a sans-IO engine is.

Times are seconds on the caller's monotone clock unless a name says otherwise.
"""

import ipaddress
from collections.abc import Awaitable, Callable, Sequence
from enum import Enum
from typing import NamedTuple, Protocol, TypeAlias, TypeVar

from core.frozen import quick
from core.peer_id import PeerId

Buffer: TypeAlias = bytes | bytearray | memoryview
JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"
Outcome: TypeAlias = "JsonValue | Awaitable[JsonValue]"
"""What a handler of requests returns: the result at once, or what is awaited for it."""


class Address(NamedTuple):
    """An IPv4 or IPv6 host and a UDP or TCP port; usable wherever the socket module wants an address.

    An IPv6 host is written as `canonical` returns it, so that one place has one address.
    """

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Read `host:port` or `[IPv6 address]:port`; the host may be a name. Raises ValueError: what is wrong."""
        host, colon, port = text.strip().rpartition(":")
        if not colon or not host:
            raise ValueError(f"{text!r} is not host:port, as in 192.0.2.7:20001")
        if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
            raise ValueError(f"{port!r} in {text!r} is not a port: use a number from 1 to 65535")
        if host.startswith("[") or ":" in host:
            host = _in_brackets(host, text)
        return cls(host, int(port))


def canonical(host: str) -> str:
    """Return an IPv6 host as everybody writes it (RFC 5952); IPv4 that is mapped into it as IPv4.

    Only a link-local host keeps its zone, which the part after `%` names. Anything without a colon is returned as it
    is. Raises ValueError for a host with a colon that is no IPv6 address.
    """
    if ":" not in host:
        return host
    text, _, zone = host.partition("%")
    address = ipaddress.IPv6Address(text)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return f"{address}%{zone}" if zone and address.is_link_local else str(address)


def _in_brackets(host: str, text: str) -> str:
    if not (host.startswith("[") and host.endswith("]")):
        raise ValueError(f"{text!r}: write an IPv6 address in brackets, as in [2001:db8::7]:20001")
    inside = host[1:-1]
    try:
        return canonical(str(ipaddress.IPv6Address(inside)))
    except ValueError:
        raise ValueError(f"{inside!r} in {text!r} is not an IPv6 address, as in [2001:db8::7]:20001") from None


@quick
class Caller:
    """The caller of a service: the address a request came from, as seen here, and the Peer ID proved there.

    `peer_id` is None for a plain Grenache peer: nobody knows who that is.
    """

    address: Address
    peer_id: PeerId | None = None

    def __init__(self, address: Address, peer_id: PeerId | None = None) -> None:
        self.address = address
        self.peer_id = peer_id


class Fragments(Enum):
    """What the network may do with a datagram that is longer than a part of its path takes (IPv4)."""

    AVOID = "avoid"  # routers must not cut it; if this system knows that it is too long, it leaves in fragments
    NEVER = "never"  # it gets there whole or not at all: a probe
    ALLOW = "allow"  # anybody may cut it


@quick
class Burst:
    """Datagrams that leave for one destination, in order; a pump may send them in one system call."""

    to: Address
    datagrams: list[bytes]
    fragments: Fragments = Fragments.AVOID
    ttl: int | None = None  # hops after which routers drop them (RFC 791 "Time to Live"); None: the system's own

    def __init__(
        self, to: Address, datagrams: list[bytes], fragments: Fragments = Fragments.AVOID, ttl: int | None = None
    ) -> None:
        self.to = to
        self.datagrams = datagrams
        self.fragments = fragments
        self.ttl = ttl


EventT_co = TypeVar("EventT_co", covariant=True)


class Machine(Protocol[EventT_co]):
    """A protocol engine without I/O.

    After any call that may change it (`receive`, `tick`, or one of its own verbs) the pump takes
    `transmit`, `events` and `deadline`, in that order. Nothing here raises for what a peer sent.
    """

    def receive(self, datagrams: Sequence[Buffer], source: Address, now: float) -> None:
        """Take datagrams that arrived together from one source. Buffers are only valid during the call."""

    def tick(self, now: float) -> None:
        """Act on timers that are due. Calling too soon is harmless."""

    def deadline(self) -> float | None:
        """Return when `tick` is next due, in seconds, or None while nothing is pending."""

    def transmit(self, now: float) -> list[Burst]:
        """Return, and forget, what is to be sent now."""

    def events(self) -> Sequence[EventT_co]:
        """Return, and forget, what happened since the last call."""


MayAnswer: TypeAlias = Callable[[Address, float], bool]
"""(source, seconds): count an answer to a packet from there, whose source may be forged, and return True; or return
False: nothing is sent. Whatever answers such packets asks one rule, so that all share one bound."""


def anybody(source: Address, now: float) -> bool:
    """Answer everybody: for engines that stand alone."""
    return True

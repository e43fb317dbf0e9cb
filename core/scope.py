"""How far a host reaches, whose it is where hosts are counted, and how a stored loopback peer is listed."""

import enum
import ipaddress
from collections.abc import Iterable
from functools import lru_cache

from core.values import Address


class Scope(enum.IntEnum):
    """From where an address can be reached; a greater one is reached from further away."""

    INVALID = -1  # no IP address, unspecified, multicast, or reserved: never a peer
    LOOPBACK = 0
    PRIVATE = 1  # RFC 1918, RFC 4193 (fc00::/7), link-local
    CARRIER = 2  # RFC 6598, 100.64.0.0/10: outside of a home, inside of a carrier's NAT
    PUBLIC = 3  # all else, the documentation ranges included: test networks use them as their Internet


VIRTUAL = "240."  # begins the hosts that stand for a peer, not for a place (core.relay): nothing leaves for them
CARRIED = "241."  # the same for hosts that stand for a connection of TCP, which carries datagrams (core.carrying)

_PRIVATE = tuple(map(ipaddress.IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16")))
_CARRIER = ipaddress.IPv4Network("100.64.0.0/10")
_INVALID = tuple(map(ipaddress.IPv4Network, ("0.0.0.0/8", "224.0.0.0/3")))  # "this network"; multicast and above
_GLOBAL_6 = ipaddress.IPv6Network("2000::/3")  # all that is given out (RFC 4291 section 2.4)
_LOCAL_6 = ipaddress.IPv6Network("fc00::/7")  # RFC 4193
_LINK_6 = ipaddress.IPv6Network("fe80::/10")  # it means something on one link only, which its zone names
# An IPv4 address is inside of these, to which somebody else's router would send: Teredo and 6to4, both given up.
_TUNNELS_6 = tuple(map(ipaddress.IPv6Network, ("2001::/32", "2002::/16")))
_NETWORK_BITS = 64  # of IPv6 that one home or machine has all of (RFC 6177)
_SITE_BITS = 48  # of IPv6 that one customer has at most


@lru_cache(maxsize=4096)  # asked several times for each datagram; the bound is that of a full routing table
def scope(host: str) -> Scope:
    """Return how far `host` reaches; INVALID for anything but a usable IP address. Mapped IPv4 counts as IPv4."""
    if ":" in host:
        return _scope_6(host)
    try:
        address = ipaddress.IPv4Address(host)
    except ValueError:
        return Scope.INVALID
    if any(address in network for network in _INVALID):
        return Scope.INVALID
    if address.is_loopback:
        return Scope.LOOPBACK
    if any(address in network for network in _PRIVATE):
        return Scope.PRIVATE
    return Scope.CARRIER if address in _CARRIER else Scope.PUBLIC


def _scope_6(host: str) -> Scope:
    text, _, zone = host.partition("%")
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        return Scope.INVALID
    if address.ipv4_mapped is not None:
        return scope(str(address.ipv4_mapped))
    if address.is_loopback:
        return Scope.LOOPBACK
    if address in _LINK_6:
        return Scope.PRIVATE if zone else Scope.INVALID
    if address in _LOCAL_6:
        return Scope.PRIVATE
    tunnelled = any(address in network for network in _TUNNELS_6)
    return Scope.PUBLIC if address in _GLOBAL_6 and not tunnelled else Scope.INVALID


def is_six(host: str) -> bool:
    """Say whether a host is an IPv6 address; names and IPv4 addresses have no colon."""
    return ":" in host


def only_four(addresses: Iterable[Address]) -> list[Address]:
    """Return those that are IPv4, in their order: all that compact peers (BEP 5) and Grenache know."""
    return [each for each in addresses if ":" not in each.host]


def network(host: str) -> str:
    """Return a host as it is counted: an IPv6 one by its /64, in which it may call from any address.

    On a link (fe80::/10) each machine is a host of its own, as in a home's IPv4 network.
    """
    return host if ":" not in host else _within_6(host, _NETWORK_BITS)


def surroundings(host: str) -> str:
    """Return what a host stands in, a second level of counting: the /24 of IPv4, the /48 of IPv6.

    A provider gives a customer anything from a /64 to a /48 (RFC 6177): 65,536 hosts, as `network` counts them.
    """
    found = host if ":" not in host else _within_6(host, _SITE_BITS)
    return found if ":" in found else found.rpartition(".")[0] or found


def site(owner: object) -> str | None:
    """Return the /48 that an owner of places is in: an IPv6 host, or its `network`. Others have none.

    IPv4 hosts have none: those of one /24 are many customers, and few can have several of them.
    """
    if not isinstance(owner, str) or ":" not in owner:
        return None
    found = _within_6(owner, _SITE_BITS)
    return found if "/" in found else None


@lru_cache(maxsize=8192)  # both ways of counting the same hosts
def _within_6(host: str, bits: int) -> str:
    """Return the network of so many bits that an IPv6 host is in; one that stands for an IPv4 host is that."""
    try:
        address = ipaddress.IPv6Address(host.partition("/")[0].partition("%")[0])
    except ValueError:
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    if bits == _NETWORK_BITS and address in _LINK_6:
        return host
    return str(ipaddress.IPv6Network((address, bits), strict=False))


def usable(address: Address) -> bool:
    """Say whether `address` can be a peer or node at all: a unicast IP host and a port from 1 to 65535."""
    return 0 < address.port < 65536 and scope(address.host) is not Scope.INVALID


def virtual(address: Address) -> bool:
    """Say whether an address stands for a peer that a lane leads to (`core.relay`)."""
    return address.host.startswith(VIRTUAL)


def no_local_address(requester: Address) -> str | None:
    """Return this machine's own IPv4 address toward `requester`, for those who do not know it."""
    return None


def listed_peer(peer: Address, requester: str, local: str | None, observed: str | None) -> Address | None:
    """Return `peer` as it is to be shown to `requester`, or None if nothing we know of would reach it from there.

    A service announced over loopback lives on this machine, where only a loopback requester can use 127.0.0.1. Others
    get `local`, our own address toward them, or if that does not reach as far as they are (we are behind a NAT, they
    are not) `observed`, our address as other nodes see it.
    """
    if scope(peer.host) is not Scope.LOOPBACK or scope(requester) is Scope.LOOPBACK:
        return peer
    for host in (local, observed):
        if host is not None and Scope.LOOPBACK < scope(host) >= scope(requester):
            return Address(host, peer.port)
    return None

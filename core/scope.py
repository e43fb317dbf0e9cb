"""How far an IPv4 host reaches, and which of our addresses a stored loopback peer is listed under."""

import enum
import ipaddress
from functools import lru_cache

from core.values import Address


class Scope(enum.IntEnum):
    """From where an address can be reached; a greater one is reached from further away."""

    INVALID = -1  # no IPv4, unspecified, multicast, or reserved: never a peer
    LOOPBACK = 0
    PRIVATE = 1  # RFC 1918, link-local
    CARRIER = 2  # RFC 6598, 100.64.0.0/10: outside of a home, inside of a carrier's NAT
    PUBLIC = 3  # all else, the documentation ranges included: test networks use them as their Internet


VIRTUAL = "240."  # begins the hosts that stand for a peer, not for a place (core.relay): nothing leaves for them
CARRIED = "241."  # the same for hosts that stand for a connection of TCP, which carries datagrams (core.carrying)

_PRIVATE = tuple(map(ipaddress.IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16")))
_CARRIER = ipaddress.IPv4Network("100.64.0.0/10")
_INVALID = tuple(map(ipaddress.IPv4Network, ("0.0.0.0/8", "224.0.0.0/3")))  # "this network"; multicast and above


@lru_cache(maxsize=4096)  # asked several times for each datagram; the bound is that of a full routing table
def scope(host: str) -> Scope:
    """Return how far `host` reaches; INVALID for anything but a usable IPv4 address."""
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


def usable(address: Address) -> bool:
    """Say whether `address` can be a peer or node at all: an IPv4 unicast host and a port from 1 to 65535."""
    return 0 < address.port < 65536 and scope(address.host) is not Scope.INVALID


def virtual(address: Address) -> bool:
    """Say whether an address stands for a peer that a lane leads to (`core.relay`)."""
    return address.host.startswith(VIRTUAL)


def no_local_address(requester: Address) -> str | None:
    """Return this machine's own IPv4 toward `requester`, for those who do not know it."""
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

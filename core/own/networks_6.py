"""This machine's IPv6 addresses and the networks that it is on, as the system tells without a packet.

The address that the system itself would leave from comes first: of a lasting and a temporary one (RFC 8981) that is the
temporary one, as the owner's system has it set. Linux tells the others in /proc/net; elsewhere that one is all.
"""

import contextlib
import ipaddress
import socket
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

from core.scope import Scope, scope

_ADDRESSES, _ROUTES = Path("/proc/net/if_inet6"), Path("/proc/net/ipv6_route")
KEPT: Final = 4  # texts whose meaning is remembered: they are read once a second, and the same for days
_MOST = 1000  # lines that are looked at
_MOST_HOSTS = 16  # addresses of one machine that are told
_ANYWHERE = ("2001:db8::1", 9)  # RFC 3849: routed like any, never sent to
_NOT_USED = 0x20 | 0x40 | 0x08  # linux/if_addr.h: deprecated, tentative, found to be somebody else's
_REJECTED = 0x0200  # linux/ipv6_route.h: nothing leaves by this route
_INNER = ("docker", "br-", "veth", "virbr", "lxc", "lxd", "cni", "podman", "vmnet")  # bridges to this machine's guests


class Link(NamedTuple):
    """An interface with IPv6. `local`: our link-local host there, with its zone. `hosts`: those that hold further.

    Of those, the ones of a home's own (fc00::/7) come first: they stay when the provider gives out others.
    """

    interface: str
    local: str
    hosts: tuple[str, ...] = ()


class Networks6(NamedTuple):
    """`hosts`: our own addresses but link-local ones, the system's choice first. `attached`: no router is between."""

    hosts: tuple[str, ...] = ()
    attached: tuple[ipaddress.IPv6Network, ...] = ()
    links: tuple[Link, ...] = ()


def networks_6() -> Networks6:
    """Ask the system: two system calls, and two file reads on Linux."""
    chosen = _chosen()
    addresses = read_text(_ADDRESSES)
    told = local_hosts(addresses)
    hosts = dict.fromkeys(host for host in (chosen, *told) if host is not None and scope(host) > Scope.LOOPBACK)
    return Networks6(tuple(hosts)[:_MOST_HOSTS], attached(read_text(_ROUTES)), links(addresses))


@lru_cache(maxsize=KEPT)
def local_hosts(text: str) -> tuple[str, ...]:
    """Return the addresses in Linux' /proc/net/if_inet6 that others may be told of."""
    return tuple(host for _, host in _usable(text) if scope(host) > Scope.LOOPBACK)


@lru_cache(maxsize=KEPT)
def links(text: str) -> tuple[Link, ...]:
    """Return the interfaces in Linux' /proc/net/if_inet6 that have a link-local address, as RFC 4291 has it."""
    local: dict[str, str] = {}
    hosts: dict[str, list[str]] = {}
    for interface, host in _usable(text):
        if host.startswith("fe80:"):
            local.setdefault(interface, f"{host}%{interface}")
        elif scope(host) > Scope.LOOPBACK:
            hosts.setdefault(interface, []).append(host)
    found = []
    for interface, host in local.items():
        others = sorted(hosts.get(interface, ()), key=scope)
        found.append(Link(interface, host, tuple(others)[:_MOST_HOSTS]))
    return tuple(found)


def _usable(text: str) -> Iterator[tuple[str, str]]:
    """Return interface and address of each line of Linux' /proc/net/if_inet6 that others may use."""
    for line in text.splitlines()[:_MOST]:
        try:
            packed, _, _, _, flags, interface = line.split()
            host = str(ipaddress.IPv6Address(bytes.fromhex(packed)))
            usable = not int(flags, 16) & _NOT_USED
        except ValueError:
            continue
        if usable and not interface.startswith(_INNER):
            yield interface, host


@lru_cache(maxsize=KEPT)
def attached(text: str) -> tuple[ipaddress.IPv6Network, ...]:
    """Return the networks in Linux' /proc/net/ipv6_route that are reached with no router between."""
    found: dict[ipaddress.IPv6Network, None] = {}
    for line in text.splitlines()[:_MOST]:
        try:
            to, bits, _, _, router, _, _, _, flags, interface = line.split()
            network = ipaddress.IPv6Network((bytes.fromhex(to), int(bits, 16)))
            rejected = int(flags, 16) & _REJECTED
        except ValueError:
            continue
        nobody = network.is_multicast or network.is_link_local or network.prefixlen in (0, 128) or interface == "lo"
        if not (nobody or rejected or int(router, 16)):
            found[network] = None
    return tuple(found)


def _chosen() -> str | None:
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        sock.connect(_ANYWHERE)
        return str(sock.getsockname()[0])
    return None


def read_text(path: Path) -> str:
    """Return what a file of the system's says, "" where it cannot be read. Unbuffered, since it is read each second."""
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read().decode("ascii")
    except (OSError, ValueError):
        return ""

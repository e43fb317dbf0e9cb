"""The networks that this machine is on, and its own addresses there, as the system tells without a packet.

Linux tells both in /proc/net. Elsewhere the routing table is asked, by connecting a UDP socket, which sends nothing.
"""

import ipaddress
import itertools
import sys
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from core.grape.local_address import LocalAddresses
from core.own.networks_6 import KEPT, Networks6, networks_6, read_text
from core.scope import Scope, scope
from core.values import Address

_ROUTES, _TRIE = Path("/proc/net/route"), Path("/proc/net/fib_trie")
_INTERFACE, _NETWORK, _GATEWAY, _MASK = 0, 1, 2, 7  # columns
_MOST_ROUTES = 1000  # looked at; a home has two, a machine full of containers some dozens
_MOST_HOSTS = 16  # addresses of one machine that are told; more is a server with a pool, whose first ones will do
_ANYWHERE = Address("198.51.100.1", 9)  # RFC 5737: routed like any, never sent to
_PRIVATE = tuple(
    Address(host, 9) for host in ("10.255.255.254", "172.31.255.254", "192.168.255.254", "169.254.255.254")
)
_INNER = ("docker", "br-", "veth", "virbr", "lxc", "lxd", "cni", "podman", "vmnet")  # bridges to this machine's guests


class Attached(NamedTuple):
    """A network that this machine is on with no router between, and the interface that leads there."""

    interface: str
    network: ipaddress.IPv4Network


class Networks(NamedTuple):
    """`hosts`: our own IPv4 addresses, the default route's first. `attached`: none where the system does not tell."""

    hosts: tuple[str, ...] = ()
    attached: tuple[Attached, ...] = ()
    six: Networks6 = Networks6()


def attached(routes: Path = _ROUTES) -> tuple[Attached, ...]:
    """Return the networks that this machine is on, as Linux has them; none where that cannot be read."""
    return _attached(read_text(routes))


@lru_cache(maxsize=KEPT)
def _attached(text: str) -> tuple[Attached, ...]:
    found = []
    for line in text.splitlines()[1 : 1 + _MOST_ROUTES]:
        fields = line.split()
        if len(fields) > _MASK and fields[_GATEWAY] == "00000000" and fields[_MASK] != "00000000":
            network, mask = (int.from_bytes(bytes.fromhex(fields[at]), sys.byteorder) for at in (_NETWORK, _MASK))
            bits = mask.bit_count()
            found.append(Attached(fields[_INTERFACE], ipaddress.IPv4Network((network & mask, bits))))
    return tuple(found)


def local_hosts(trie: Path = _TRIE) -> tuple[str, ...]:
    """Return this machine's addresses, as Linux has them, without the loopback ones; none where that cannot be read."""
    return _local_hosts(read_text(trie))


@lru_cache(maxsize=KEPT)
def _local_hosts(text: str) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for line, following in itertools.pairwise(text.splitlines()):
        mark, _, host = line.strip().partition(" ")
        if mark == "|--" and following.split()[:3] == ["/32", "host", "LOCAL"] and scope(host) > Scope.LOOPBACK:
            found[host] = None
    return tuple(found)


def networks() -> Networks:
    """Ask the system: a few file reads on Linux, five system calls elsewhere."""
    towards = LocalAddresses()
    first = towards(_ANYWHERE)
    networks_ = attached()
    told = local_hosts() if networks_ else tuple(filter(None, map(towards, _PRIVATE)))
    inner = {host for host in told if _is_inner(host, networks_)}
    hosts = dict.fromkeys(host for host in (first, *told) if host and (host == first or host not in inner))
    outside = tuple(host for host in hosts if scope(host) > Scope.LOOPBACK)
    return Networks(outside[:_MOST_HOSTS], networks_, networks_6())


def _is_inner(host: str, known: tuple[Attached, ...]) -> bool:
    """Return whether nobody but this machine's own containers and virtual machines is on that network."""
    at = ipaddress.IPv4Address(host)
    names = [each.interface for each in known if at in each.network]
    return bool(names) and all(name.startswith(_INNER) for name in names)


Read = Callable[[], Networks]

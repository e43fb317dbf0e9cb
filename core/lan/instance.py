"""What a peer tells its network of itself, and how the same is read from others. Strangers learn that a peer is there.

An instance of `_grapevine._udp`: the SRV record has the port of the serving socket, TXT has `v`, the version of this
format, `dht`, the UDP port of the embedded grape, and `f`, tags by which people who know each other do so here as well
(`core.lan.tags`). The name is random and changes daily, so that a watcher of the network cannot recognise a peer the
day after. It is no part of the computer's name or of the Peer ID.

A network of IPv4 and the link of IPv6 are two networks here, with one name: each hears the addresses of its own kind.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from ipaddress import IPv6Address, IPv6Network

from core.frozen import frozen
from core.lan.tags import unpack
from core.reach.outreach import LEAST_PORT
from core.scope import Scope, is_six, scope
from core.values import Address

SERVICE = "_grapevine._udp.local."
VERSION = b"1"
NAME_BYTES = 10  # random; 2**80 names: no two peers of a network have the same one
MOST_HOSTS = 4  # addresses of one instance that are looked at; ours names one
_NAME = re.compile(rf"[0-9a-f]{{{2 * NAME_BYTES}}}")
_LINK = IPv6Network("fe80::/64")  # of fe80::/10 nobody uses the rest (RFC 4291 section 2.5.6)
_OWN, _GIVEN, _ON_LINK = 1, 2, 3  # the order of IPv6 addresses
_PORT = re.compile(rb"[1-9][0-9]{0,4}")


@frozen
class Offer:
    """What we tell on one network: our ports, and where we are.

    `host` is ours there: with IPv6 the link-local one, with its zone, and `more` are those that hold further.
    """

    name: str
    host: str
    peer_port: int
    grape_port: int
    tags: bytes = b""
    more: tuple[str, ...] = ()

    @property
    def told(self) -> list[str]:
        """Our addresses as the network hears them: without a zone, which is each machine's own word for the link."""
        return [*self.more[: MOST_HOSTS - 1], self.host.partition("%")[0]]

    def properties(self) -> dict[bytes, bytes]:
        """Return the TXT record's pairs."""
        pairs = {b"v": VERSION, b"dht": b"%d" % self.grape_port}
        return pairs | {b"f": self.tags} if self.tags else pairs


@frozen
class Instance:
    """Another peer as it says: nothing of it is proven, and the addresses may be anybody's."""

    name: str
    grapes: tuple[Address, ...]
    peer_port: int
    tags: frozenset[bytes] = frozenset()

    @property
    def places(self) -> tuple[Address, ...]:
        """Where its serving socket is."""
        return tuple(Address(each.host, self.peer_port) for each in self.grapes)

    def beyond(self, own: Iterable[str]) -> "Instance":
        """Return the same without addresses of this computer."""
        hosts = frozenset(own)
        return replace(self, grapes=tuple(each for each in self.grapes if each.host not in hosts))

    def beside(self, near: Callable[[Address], bool]) -> "Instance":
        """Return the same without IPv6 addresses of other networks: those of the Internet look no different."""
        return replace(self, grapes=tuple(each for each in self.grapes if not is_six(each.host) or near(each)))


def label(full_name: str) -> str | None:
    """Return the instance's name out of `NAME._grapevine._udp.local.`; None for one that no peer of ours has."""
    name = full_name.lower().removesuffix(f".{SERVICE}")
    return name if _NAME.fullmatch(name) else None


def read(
    name: str, port: int | None, properties: Mapping[bytes, bytes | None], hosts: Iterable[str], zone: str = ""
) -> Instance | None:
    """Return what an instance says; None for what is not ours, of another version, or nonsense.

    `zone`: the link where it was heard, which its link-local addresses are of.
    """
    dht = properties.get(b"dht") or b""
    if properties.get(b"v") != VERSION or not _PORT.fullmatch(dht):
        return None
    ports = (port or 0, int(dht))
    if not all(LEAST_PORT <= each < 65536 for each in ports):
        return None
    grapes = tuple(Address(host, ports[1]) for host in kept_hosts(hosts, zone))
    return Instance(name, grapes, ports[0], unpack(properties.get(b"f") or b"")) if grapes else None


def kept_hosts(hosts: Iterable[str], zone: str = "") -> list[str]:
    """Return the hosts of an instance that are looked at: of IPv4 a home's own; of IPv6 those that hold longest first.

    A link-local one comes last: it is of use on one link only, and names that link.
    """
    found: dict[str, int] = {}
    for host in hosts:
        at, _, _ = host.partition("%")
        if not is_six(host):
            if scope(host) is Scope.PRIVATE:
                found.setdefault(host, 0)
        elif scope(at) is Scope.PRIVATE:
            found.setdefault(at, _OWN)
        elif scope(at) is Scope.PUBLIC and not _is_mapped(at):
            found.setdefault(at, _GIVEN)
        elif zone and scope(f"{at}%{zone}") is Scope.PRIVATE and IPv6Address(at) in _LINK:
            found.setdefault(f"{at}%{zone}", _ON_LINK)
    return sorted(found, key=lambda host: found[host])[:MOST_HOSTS]


def _is_mapped(host: str) -> bool:
    return IPv6Address(host).ipv4_mapped is not None

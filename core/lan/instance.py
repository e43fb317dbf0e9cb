"""What a peer tells its network of itself, and how the same is read from others. Strangers learn that a peer is there.

An instance of `_grapevine._udp`: the SRV record has the port of the serving socket, TXT has `v`, the version of this
format, `dht`, the UDP port of the embedded grape, and `f`, tags by which people who know each other do so here as well
(`core.lan.tags`). The name is random and changes daily, so that a watcher of the network cannot recognise a peer the
day after. It is no part of the computer's name or of the Peer ID.

Addresses are IPv4, as the sockets that serve them are. `kept_hosts` is the place that lets others in.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from core.frozen import frozen
from core.lan.tags import unpack
from core.reach.outreach import LEAST_PORT
from core.scope import Scope, scope
from core.values import Address

SERVICE = "_grapevine._udp.local."
VERSION = b"1"
NAME_BYTES = 10  # random; 2**80 names: no two peers of a network have the same one
MOST_HOSTS = 4  # addresses of one instance that are looked at; ours names one
_NAME = re.compile(rf"[0-9a-f]{{{2 * NAME_BYTES}}}")
_PORT = re.compile(rb"[1-9][0-9]{0,4}")


@frozen
class Offer:
    """What we tell on one network: our `host` there, and our ports."""

    name: str
    host: str
    peer_port: int
    grape_port: int
    tags: bytes = b""

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


def label(full_name: str) -> str | None:
    """Return the instance's name out of `NAME._grapevine._udp.local.`; None for one that no peer of ours has."""
    name = full_name.lower().removesuffix(f".{SERVICE}")
    return name if _NAME.fullmatch(name) else None


def read(
    name: str, port: int | None, properties: Mapping[bytes, bytes | None], hosts: Iterable[str]
) -> Instance | None:
    """Return what an instance says; None for what is not ours, of another version, or nonsense."""
    dht = properties.get(b"dht") or b""
    if properties.get(b"v") != VERSION or not _PORT.fullmatch(dht):
        return None
    ports = (port or 0, int(dht))
    if not all(LEAST_PORT <= each < 65536 for each in ports):
        return None
    grapes = tuple(Address(host, ports[1]) for host in kept_hosts(hosts))
    return Instance(name, grapes, ports[0], unpack(properties.get(b"f") or b"")) if grapes else None


def kept_hosts(hosts: Iterable[str]) -> list[str]:
    """Return the hosts of an instance that are looked at."""
    return [host for host in dict.fromkeys(hosts) if scope(host) is Scope.PRIVATE][:MOST_HOSTS]

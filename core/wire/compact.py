"""Compact addresses of BEP 5: 6 bytes for an IPv4 peer, 26 for a node (its id first). Ports are big endian.

IPv6 (18 and 38 bytes, BEP 32) is not part of the Grenache network and is refused there like any other wrong length:
`core.wire.compact_6` has what the IPv6 network of our grapes says. What only peers of ours read has peers of 18 bytes
beside those of 6.
"""

import socket
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from core.errors import RemoteError
from core.values import Address, canonical
from core.wire.bencoding import Bencoded

ID_BYTES = 20  # node ids are SHA-1 sized (BEP 5)
PEER_BYTES = 6
PEER_6_BYTES = 18  # BEP 32
REMEMBERED = 4096  # addresses, as many as a full routing table has: our own comes with each answer, theirs often
NODE_BYTES = ID_BYTES + PEER_BYTES


class Contact(NamedTuple):
    """Another DHT node: its 20-byte id and where it receives datagrams."""

    id: bytes
    address: Address


@lru_cache(maxsize=REMEMBERED)
def pack_peer(peer: Address) -> bytes:
    """Return the 6 bytes of an IPv4 address. Raises ValueError for a host name, IPv6, or a port beyond 16 bits."""
    try:
        return socket.inet_pton(socket.AF_INET, peer.host) + peer.port.to_bytes(2, "big")
    except (OSError, OverflowError):
        raise ValueError(f"{peer} is not an IPv4 address and port") from None


def unpack_peer(data: Bencoded) -> Address:
    """Return the address in 6 bytes. Raises RemoteError for anything else; port 0 is left to the caller to judge."""
    if not isinstance(data, bytes) or len(data) != PEER_BYTES:
        raise RemoteError("a compact peer is not 6 bytes")
    return _unpack(data)


@lru_cache(maxsize=REMEMBERED)
def _unpack(data: bytes) -> Address:
    return Address(socket.inet_ntoa(data[:4]), int.from_bytes(data[4:], "big"))


def pack_peer_6(peer: Address) -> bytes:
    """Return the 18 bytes of an IPv6 address. Raises ValueError for anything else, and for one with a zone."""
    try:
        return socket.inet_pton(socket.AF_INET6, peer.host) + peer.port.to_bytes(2, "big")
    except (OSError, OverflowError):
        raise ValueError(f"{peer} is not an IPv6 address and port") from None


def unpack_peer_6(data: Bencoded) -> Address:
    """Return the address in 18 bytes; mapped IPv4 is IPv4. Raises RemoteError for anything else."""
    if not isinstance(data, bytes) or len(data) != PEER_6_BYTES:
        raise RemoteError("a compact IPv6 peer is not 18 bytes")
    return Address(canonical(socket.inet_ntop(socket.AF_INET6, data[:16])), int.from_bytes(data[16:], "big"))


def unpack_peers(values: Bencoded) -> list[Address]:
    """Return the peers of a `values` list; entries of another length (IPv6) are skipped. Raises RemoteError."""
    if not isinstance(values, list):
        raise RemoteError("`values` is not a list")
    return [unpack_peer(value) for value in values if isinstance(value, bytes) and len(value) == PEER_BYTES]


def pack_nodes(contacts: Iterable[Contact]) -> bytes:
    """Return `contacts` as one string of 26 bytes each."""
    return b"".join(contact.id + pack_peer(contact.address) for contact in contacts)


def unpack_nodes(data: Bencoded) -> list[Contact]:
    """Return the contacts in a `nodes` string. Raises RemoteError unless it is a multiple of 26 bytes."""
    if not isinstance(data, bytes) or len(data) % NODE_BYTES:
        raise RemoteError("`nodes` is not a multiple of 26 bytes")
    return [
        Contact(data[start : start + ID_BYTES], unpack_peer(data[start + ID_BYTES : start + NODE_BYTES]))
        for start in range(0, len(data), NODE_BYTES)
    ]

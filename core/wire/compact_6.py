"""Compact addresses of the IPv6 network of grapes (BEP 32): 18 bytes for a peer, 38 for a node.

They have no room for the zone of a link-local address (fe80::/10), which means something on one link only. So such an
address is told to those alone who ask over that link, and read as one of the link that the answer came by.
"""

from collections.abc import Iterable

from core.errors import RemoteError
from core.values import Address
from core.wire.bencoding import Bencoded
from core.wire.compact import ID_BYTES, PEER_6_BYTES, Contact, pack_peer_6, unpack_peer_6

NODE_6_BYTES = ID_BYTES + PEER_6_BYTES
_LINK = "fe80:"  # how a link-local host is written: nobody uses the rest of fe80::/10 (RFC 4291 section 2.5.6)


def zone(host: str) -> str:
    """Return the zone of a link-local host, as in `fe80::1%eth0`; "" for any other host."""
    return host.partition("%")[2]


def pack_near(peer: Address, to: str) -> bytes | None:
    """Return the 18 bytes of a peer as the host `to` reads them; None for one that means nothing there, or IPv4."""
    text, _, link = peer.host.partition("%")
    if ":" not in text or (link and link != zone(to)):
        return None
    return pack_peer_6(Address(text, peer.port))


def unpack_near(data: Bencoded, by: str) -> Address:
    """Return the peer that the host `by` told of. Raises RemoteError unless it is 18 bytes."""
    peer = unpack_peer_6(data)
    link = zone(by)
    return Address(f"{peer.host}%{link}", peer.port) if link and peer.host.startswith(_LINK) else peer


def pack_peers_6(peers: Iterable[Address], to: str) -> list[bytes]:
    """Return a `values` list for the host `to`; who means nothing there is left out."""
    return [packed for peer in peers if (packed := pack_near(peer, to)) is not None]


def unpack_peers_6(values: Bencoded, by: str) -> list[Address]:
    """Return the IPv6 peers of a `values` list; entries of another length are skipped. Raises RemoteError."""
    if not isinstance(values, list):
        raise RemoteError("`values` is not a list")
    return [unpack_near(each, by) for each in values if isinstance(each, bytes) and len(each) == PEER_6_BYTES]


def pack_nodes_6(contacts: Iterable[Contact], to: str) -> bytes:
    """Return `contacts` as one string of 38 bytes each, for the host `to`."""
    packed = ((contact.id, pack_near(contact.address, to)) for contact in contacts)
    return b"".join(node_id + peer for node_id, peer in packed if peer is not None)


def unpack_nodes_6(data: Bencoded, by: str) -> list[Contact]:
    """Return the contacts in a `nodes6` string. Raises RemoteError unless it is a multiple of 38 bytes."""
    if not isinstance(data, bytes) or len(data) % NODE_6_BYTES:
        raise RemoteError("`nodes6` is not a multiple of 38 bytes")
    return [
        Contact(data[at : at + ID_BYTES], unpack_near(data[at + ID_BYTES : at + NODE_6_BYTES], by))
        for at in range(0, len(data), NODE_6_BYTES)
    ]

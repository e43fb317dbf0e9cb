"""How a network of grapes says where its nodes and peers are: the one of IPv4 (BEP 5), or the one of IPv6 (BEP 32).

They are two networks, and what is said in one has addresses of its own kind only. A question may `want` nodes of both.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from core.scope import is_six
from core.values import Address
from core.wire.bencoding import Bencoded
from core.wire.compact import NODE_BYTES, Contact, pack_nodes, pack_peer, unpack_nodes, unpack_peers
from core.wire.compact_6 import NODE_6_BYTES, pack_nodes_6, pack_peers_6, unpack_nodes_6, unpack_peers_6
from core.wire.krpc import Fields

_LISTED_PART: Final = 2, 5  # of a list of IPv4 peers as many IPv6 ones are as long: 8 and 21 bytes each
WANT: Final = b"want"


class Family:
    """Addresses of one kind. `nodes`: the field with contacts; `flag`: what `want` has for it."""

    def __init__(self, six: bool) -> None:
        self.six = six
        self.nodes: bytes = b"nodes6" if six else b"nodes"
        self.flag: bytes = b"n6" if six else b"n4"
        self.node_bytes: int = NODE_6_BYTES if six else NODE_BYTES

    def has(self, address: Address) -> bool:
        """Return whether an address is of this kind."""
        return is_six(address.host) == self.six

    def pack_nodes(self, contacts: Iterable[Contact], to: str) -> bytes:
        """Return the field with contacts, for the host `to`."""
        return pack_nodes_6(contacts, to) if self.six else pack_nodes(contacts)

    def unpack_nodes(self, values: Fields, by: str) -> list[Contact]:
        """Return the contacts that the host `by` told. Raises RemoteError."""
        data = values.get(self.nodes, b"")
        return unpack_nodes_6(data, by) if self.six else unpack_nodes(data)

    def pack_peers(self, peers: Sequence[Address], to: str) -> list[Bencoded]:
        """Return a `values` list, for the host `to`."""
        if self.six:
            return [*pack_peers_6(peers, to)]
        return [pack_peer(peer) for peer in peers]

    def unpack_peers(self, values: Bencoded, by: str) -> list[Address]:
        """Return the peers that the host `by` told. Raises RemoteError."""
        return unpack_peers_6(values, by) if self.six else unpack_peers(values)

    def most_listed(self, most: int) -> int:
        """Return how many peers are as long as `most` of IPv4."""
        part, whole = _LISTED_PART
        return max(1, most * part // whole) if self.six else most


FOUR: Final = Family(six=False)
SIX: Final = Family(six=True)


def wanted(arguments: Fields, own: Family) -> tuple[Family, ...]:
    """Return which nodes a question asks for: those of the network that it came in, unless it names others."""
    flags = arguments.get(WANT)
    if not isinstance(flags, list):
        return (own,)
    return tuple(each for each in (FOUR, SIX) if each.flag in flags) or (own,)

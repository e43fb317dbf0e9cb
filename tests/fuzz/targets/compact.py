"""Compact peers and nodes: any bytes are addresses that pack to the same bytes, or RemoteError.
A list of peers keeps its order and leaves out what has another length.
"""

from core.errors import RemoteError
from core.wire.compact import NODE_BYTES, PEER_BYTES, pack_nodes, pack_peer, unpack_nodes, unpack_peer, unpack_peers
from tests.fuzz.inputs import Input, sized

WATCHED = ["core.wire.compact"]
SEEDS = [b"\x7f\0\0\1\x05\x39", b"i" * 20 + b"\x7f\0\0\1\x05\x39", sized(b"\x7f\0\0\1\x05\x39", b"", b"v" * 18)]


def run(data: bytes) -> None:
    for unpack, size in ((unpack_peer, PEER_BYTES), (unpack_nodes, NODE_BYTES)):
        try:
            found = unpack(data)
        except RemoteError:
            if size == PEER_BYTES and len(data) == PEER_BYTES:
                raise
            continue
        packed = pack_nodes(found) if isinstance(found, list) else pack_peer(found)
        if packed != data:
            raise AssertionError(f"{found} packs to something else")
    source, values = Input(data), list[bytes]()
    while source:
        values.append(source.block())
    peers = unpack_peers(list(values))
    if [pack_peer(peer) for peer in peers] != [value for value in values if len(value) == PEER_BYTES]:
        raise AssertionError("a list of peers changed")

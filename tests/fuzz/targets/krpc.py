"""Any datagram is a KRPC message, which reads back as itself, or MalformedMessage; nothing else is raised.
Fields are read within their bounds, or RemoteError.
"""

from core.errors import RemoteError
from core.values import Address
from core.wire.compact import unpack_nodes, unpack_peers
from core.wire.krpc import Error, Fields, MalformedMessage, Query, Reply, parse, take_bytes, take_id, take_int

WATCHED = ["core.wire.krpc", "core.wire.bencoding", "core.wire.compact"]
_HERE = Address("198.51.100.7", 1337)
_ID = b"i" * 20
SEEDS = [
    bytes(Query(b"zz", b"ping", {b"id": _ID}, read_only=True)),
    bytes(Query(b"aa", b"get_peers", {b"id": _ID, b"info_hash": b"h" * 20})),
    bytes(Query(b"bb", b"put", {b"id": _ID, b"v": b"value", b"k": b"k" * 32, b"seq": 3, b"sig": b"s" * 64})),
    bytes(Reply(b"cc", {b"id": _ID, b"nodes": b"n" * 52, b"values": [b"\x7f\0\0\1\x05\x39"], b"token": b"t"}, _HERE)),
    bytes(Error(b"dd", 203, "no", _HERE)),
    b"d1:eli201ee1:t1:x1:y1:ee",
]


def run(data: bytes) -> None:
    try:
        message = parse(data)
    except MalformedMessage as error:
        if error.transaction is not None and not 0 < len(error.transaction) <= 16:
            raise AssertionError("a transaction that must not be echoed") from error
        return
    if parse(bytes(message)) != message:
        raise AssertionError(f"{message} is not what it reads back as")
    fields = message.arguments if isinstance(message, Query) else message.values if isinstance(message, Reply) else {}
    read(fields)


def read(fields: Fields) -> None:
    """Read all that a node reads."""
    for reader in (
        lambda: take_id(fields),
        lambda: take_bytes(fields, b"token", 0, 64),
        lambda: take_int(fields, b"seq", 0, 2**63 - 1),
        lambda: take_int(fields, b"port", 1, 65535, 7),
        lambda: unpack_nodes(fields.get(b"nodes", b"")),
        lambda: unpack_peers(fields.get(b"values", [])),
    ):
        try:
            reader()
        except RemoteError:
            continue

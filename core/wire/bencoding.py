"""Bencode (BEP 3), limited: a thin face over the package bencode2.

bencode2 already refuses everything that is not canonical (unsorted or repeated dictionary keys, leading zeros, `-0`,
trailing bytes), so `encode(decode(data)) == data` holds for all that is accepted; BEP 44 hashes depend on it. This
module adds what a datagram from a stranger needs: a size and a nesting bound, and one error type.
"""

from typing import TypeAlias, cast

from bencode2 import bdecode, bencode

from core.errors import RemoteError
from core.values import Buffer

Bencoded: TypeAlias = "bytes | int | list[Bencoded] | dict[bytes, Bencoded]"

MAX_BYTES = 8192  # the largest reply in use, 100 peers or a BEP 44 item, is under 2,000 bytes; the rest is slack
MAX_DEPTH = 32  # a KRPC message needs 4; the rest is for the application's value in a BEP 44 item
MAX_ITEMS = MAX_BYTES // 2  # of one value: the least item takes 2 bytes. A list that holds itself twice has 2**depth


def decode(data: Buffer, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH) -> Bencoded:
    """Return the value of one canonical bencoded document. Raises RemoteError for anything else, or beyond a bound."""
    raw = bytes(data)
    if len(raw) > max_bytes:
        raise RemoteError(f"bencode of {len(raw)} bytes: more than {max_bytes}")
    try:
        value = bdecode(raw)
    except (ValueError, RecursionError) as error:  # ValueError, too: CPython's bound on the digits of an int
        raise RemoteError(f"not canonical bencode: {error}") from None
    # Each level costs one b"l" or b"d": few of them (those in strings included) cannot nest deep, and skip the walk.
    if raw.count(b"l") + raw.count(b"d") > max_depth and not _nests_within(value, max_depth):
        raise RemoteError(f"bencode nests deeper than {max_depth}")
    return cast(Bencoded, value)


def encode(value: object, *, max_depth: int = MAX_DEPTH) -> bytes:
    """Return the canonical bencode of `value`. Raises ValueError for a type bencode lacks, or for too deep nesting."""
    if not _nests_within(value, max_depth):
        raise ValueError(f"the value nests deeper than {max_depth}, is too large, or is not bytes, int, list or dict")
    try:
        return bencode(value)
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"cannot be bencoded: {error}") from None


def encode_checked(value: Bencoded) -> bytes:
    """Return the bencode of what is known to be right: its parts were decoded, or given to `encode`, before."""
    return bencode(value)


def _nests_within(value: object, levels: int) -> bool:
    """Walk breadth first, so that no input can exhaust the stack; False as well for types that bencode lacks."""
    layer: list[object] = [value]
    items_left = MAX_ITEMS
    while layer:
        below: list[object] = []
        nested = False
        for item in layer:
            kind = type(item)  # exactly: a bool is no int here, and would come back as one
            if kind is bytes or kind is int:
                continue
            nested = True
            if isinstance(item, list):
                below += item
            elif isinstance(item, dict) and all(type(key) is bytes for key in item):
                below += item.values()
            else:
                return False
            if len(below) > items_left:
                return False
        levels -= nested
        if levels < 0:
            return False
        items_left -= len(below)
        layer = below
    return True

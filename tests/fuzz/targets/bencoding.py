"""Any bytes are one canonical value, which encodes to the same bytes, or RemoteError; nothing else is raised.
What encodes decodes to itself, within the bounds of size and depth.
"""

from core.errors import RemoteError
from core.wire.bencoding import MAX_DEPTH, decode, encode

WATCHED = ["core.wire.bencoding"]
SEEDS = [
    b"d1:ad2:id20:aaaaaaaaaaaaaaaaaaaae1:q4:ping1:t2:zz1:y1:qe",
    b"l" * 33 + b"e" * 33,
    b"i-42e",
    b"li1ei-2e3:abcd1:xi0eee",
    b"i" + b"9" * 80 + b"e",
]


def run(data: bytes) -> None:
    try:
        value = decode(data)
    except RemoteError:
        return
    if encode(value) != data:
        raise AssertionError("accepted, but not canonical")
    if decode(data, max_depth=MAX_DEPTH) != value:
        raise AssertionError("read twice, two values")

"""Whatever a grape answers is what was asked for, within its bounds, or a RemoteError or LookupEmpty with a sentence.
A stranger's words in it are short and printable.
"""

import re
from collections.abc import Callable, Sequence

from core.directory.link.replies import RawReply, read_count, read_hash, read_item, read_peers, read_value
from core.errors import LookupEmpty, RemoteError
from tests.fuzz.inputs import Input

WATCHED = ["core.directory.link.replies", "core.values"]
STATUSES = (200, 301, 302, 403, 413, 500, 404, 200, 200)
MAX_PEERS = 20
SEEDS = [
    b'\0["192.0.2.7:1337","0.0.0.0:1","nobody"]',
    b"\0" + b'"' + b"ab" * 20 + b'"',
    b'\0{"v":"value","id":"aa"}',
    b"\x007",
    b'\1"301 CAS mismatch, re-read and try again"',
    b'\3"ERR_GRAPE_FORBIDDEN: because"',
    b"\0" + b"[" * 300 + b"]" * 300,
    b"\0[NaN, 1e999, 10000000000000000000000]",
]
_READERS: Sequence[Callable[[RawReply], object]] = (
    read_value,
    lambda reply: read_peers(reply, MAX_PEERS),
    read_count,
    read_hash,
    read_item,
)


def run(data: bytes) -> None:
    source = Input(data)
    reply = RawReply("http://192.0.2.1:30001", source.choose(STATUSES), source.rest())
    for read in _READERS:
        try:
            found = read(reply)
        except (RemoteError, LookupEmpty) as error:
            if len(str(error)) > 400 or not str(error).isprintable() or not re.fullmatch(r"[A-Z0-9_]+", error.name):
                raise AssertionError(f"{error!r} is no sentence") from error
            continue
        if isinstance(found, list) and read is _READERS[1]:
            addresses(found)


def addresses(found: list[object]) -> None:
    """Check a listing."""
    if not 0 < len(found) <= MAX_PEERS or len(set(found)) != len(found):
        raise AssertionError("a listing of too many, or of the same twice")

"""However a stream of frames is cut, the same messages come out, never two in one piece, none over the limit.
What is too long is ERR_MESSAGE_SIZE at its length, wherever that was cut; nothing else is raised.
"""

from core.errors import RemoteError
from core.secure.frames import HEADER_BYTES, FrameReader, header
from tests.fuzz.inputs import Input, split

WATCHED = ["core.secure.frames"]
LIMIT = 300
SEEDS = [
    b"\0" + header(5) + b"hello" + header(0) + header(2) + b"[]",
    b"\x03\0\1\0\5\0\x09" + header(5) + b"hello" + header(3) + b"abc",
    b"\0" + header(301),
]


def run(data: bytes) -> None:
    source = Input(data)
    cuts = source.cuts()
    stream = source.rest()
    whole, failed = read([stream])
    parts, failed_parts = read(split(stream, cuts))
    if b"".join(whole) != b"".join(parts) or failed != failed_parts:
        raise AssertionError("the cuts changed what was said")
    if whole != expected(stream):
        raise AssertionError("other messages than were framed")


def read(chunks: list[bytes]) -> tuple[list[bytes], bool]:
    """Return the pieces, and whether the reader refused to go on."""
    reader, pieces = FrameReader(LIMIT), list[bytes]()
    for chunk in chunks:
        try:
            pieces += reader.feed(chunk)
        except RemoteError as error:
            if error.name != "ERR_MESSAGE_SIZE":
                raise
            return [], True
    return pieces, False


def expected(stream: bytes) -> list[bytes]:
    """Return the pieces that a stream of frames has, the simple way; none when one is too long."""
    at, found = 0, list[bytes]()
    while at + HEADER_BYTES <= len(stream):
        size = int.from_bytes(stream[at : at + HEADER_BYTES], "big")
        at += HEADER_BYTES
        if size > LIMIT:
            return []
        if stream[at : at + size]:
            found.append(stream[at : at + size])
        at += size
    return found

"""Bytes of anybody are frames or a FrameError, in memory bounded by the limit; nothing else is raised.
What they are does not depend on where they are cut.
"""

from core.wire.websocket_frame import FrameError, FrameReader, Kind, Message, frame
from tests.fuzz.inputs import Input, split

WATCHED = ["core.wire.websocket_frame"]
LIMIT = 1000
SEEDS = [
    b"\1\0" + frame(Kind.TEXT, b'["r","svc",1]', b"mask"),
    b"\0\0" + frame(Kind.PING, b"p") + frame(Kind.BINARY, b"x" * 200) + frame(Kind.CLOSE, b"\x03\xe8"),
    b"\0\2\0\3\0\5" + b"\x01\x02He\x80\x03llo",
    b"\1\0\x81\xff\0\0\0\0\0\0\x04\0mask",
]


def read(pieces: list[bytes], *, masked: bool) -> list[Message] | None:
    """Return what pieces are, None for what is wrong."""
    reader, found = FrameReader(LIMIT, masked=masked), list[Message]()
    try:
        for piece in pieces:
            found += reader.feed(piece)
            if reader.held > 2 * LIMIT + len(piece) + 14:
                raise AssertionError(f"{reader.held} bytes are held")
    except FrameError:
        return None
    return found


def run(data: bytes) -> None:
    source = Input(data)
    masked = source.choose((False, True))
    cuts = source.cuts()
    stream = source.rest()
    whole, parts = read([stream], masked=masked), read(split(stream, cuts), masked=masked)
    if whole != parts:
        raise AssertionError(f"{whole} cut is {parts}")

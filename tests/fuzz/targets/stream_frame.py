"""However bytes are cut, the same frames come out with the same data, each within its bound, and packed again the same.
What is no frame is ERR_STREAM_PROTOCOL at the same place, wherever that was cut; nothing else is raised.
"""

from core.errors import RemoteError
from core.wire.stream_frame import (
    ERROR,
    REASON_MAX,
    Frame,
    FrameParser,
    Kind,
    Reason,
    pack_frame,
    pack_reason,
    parse_reason,
)
from tests.fuzz.inputs import Input, split

WATCHED = ["core.wire.stream_frame"]
SEEDS = [
    b"\0" + pack_frame(Kind.OPEN, 1, b"{}") + pack_frame(Kind.DATA, 1, b"hello") + pack_frame(Kind.END, 1),
    b"\x03\0\1\0\5\0\x09" + pack_frame(Kind.DATAGRAM, 7, b"x" * 40) + pack_frame(Kind.CREDIT, 7, b"\0\1\0\0"),
    b"\0" + pack_frame(Kind.RESET, 3, pack_reason(Reason("ERR_X", "why"))) + pack_frame(Kind.PING, 0, bytes(8)),
    b"\0" + pack_frame(Kind.DATA, 1) + b"\x04\0\1\0\0\0\0\1" + bytes(300),
    b"\0\x05\0\0\3\0\0\0\1abc",
]


def run(data: bytes) -> None:
    source = Input(data)
    cuts = source.cuts()
    stream = source.rest()
    whole, failed = read([stream])
    parts, failed_parts = read(split(stream, cuts))
    if whole != parts or failed != failed_parts:
        raise AssertionError("the cuts changed what was said")
    again = b"".join(pack_frame(*frame[:2], frame.payload) for frame in whole if frame.kind is not Kind.DATA)
    told, _ = read([again])
    if told != [frame for frame in whole if frame.kind is not Kind.DATA]:
        raise AssertionError("a frame is another one when it is packed again")
    for frame in whole:
        reason = parse_reason(frame.payload)
        if len(pack_reason(reason)) > REASON_MAX or not reason.name.startswith("ERR_"):
            raise AssertionError("a reason that does not fit, or has no name")


def read(chunks: list[bytes]) -> tuple[list[Frame], bool]:
    """Return the frames, the pieces of DATA of one stream joined, and whether the parser refused to go on."""
    parser, found = FrameParser(), list[Frame]()
    for chunk in chunks:
        try:
            for frame in parser.feed(chunk):
                last = found[-1] if found else None
                if frame.kind is Kind.DATA and last is not None and last[:2] == frame[:2]:
                    found[-1] = Frame(frame.kind, frame.stream, last.payload + frame.payload)
                else:
                    found.append(frame)
        except RemoteError as error:
            if error.name != ERROR:
                raise
            return found, True
    return found, False

"""An opening and the answer to it, whatever bytes they are: read within their bounds, or RemoteError.
What was read is written and read again the same, or is too long to be written: LocalError.
"""

from core.errors import LocalError, RemoteError
from core.wire.stream_frame import OPEN_MAX
from core.wire.stream_opening import (
    NAME_MAX,
    check_name,
    pack_details,
    pack_opening,
    parse_details,
    parse_opening,
)

WATCHED = ["core.wire.stream_opening"]
SEEDS = [
    b'{"v":1,"s":"ssh"}',
    b'{"v":1,"s":"","d":{"path":"a/b"}}',
    b'{"v":1,"s":"\\ud800\\u202e<b>","d":{"n":1e400}}',
    b'{"v":2,"s":5,"d":[]}',
    b'{"v":1,"s":"' + b"x" * 65 + b'"}',
    b"[" * 200,
]
MAX_INPUT = OPEN_MAX


def run(data: bytes) -> None:
    details(data)
    try:
        opening = parse_opening(data)
    except RemoteError:
        return
    if len(opening.service.encode(errors="replace")) > NAME_MAX:
        raise AssertionError("a name that is too long")
    try:
        packed = pack_opening(opening)
        check_name(opening.service)
    except LocalError:
        return
    if repr(parse_opening(packed)) != repr(opening):
        raise AssertionError("read again, another opening")


def details(data: bytes) -> None:
    try:
        said = parse_details(data)
    except RemoteError:
        return
    if repr(parse_details(pack_details(said))) != repr(said):
        raise AssertionError("read again, another answer")

"""Bytes in any pieces are messages, or counted as none, in memory bounded by the limit; nothing is raised.
What is whole and sound in one packet is the same messages however it is cut, and encodes to what reads back the same.
"""

from core.errors import LocalError
from core.wire.rpc_message import (
    Decoder,
    Expect,
    Large,
    Malformed,
    Message,
    Reply,
    Request,
    encode_error,
    encode_request,
    encode_result,
)
from tests.fuzz.inputs import Input, split

WATCHED = ["core.wire.rpc_message", "core.wire.json_scan", "core.wire.json_load", "core.wire.json_dump"]
LIMIT = 1000
SEEDS = [
    b'\0\0["3f0c","fibonacci_worker",{"length":10,"note":"\\u00e9 [x] {y}"}]',
    b'\1\2\0\5\0\x20["r",null,[0,1,1,2.5e3,-0.1,true,false,null]]["s","ERR_X",null]',
    b'\2\3\0\1\0\2\0\3["a","b",{"c":[],"d":{}}] [1,2,3] {"x":1}',
    b'\0\1\0\x10["a","b","\\ud83d\\ude00\\ud83d"] nope ["c","d",1]',
    b'\0\0["a","b",' + b"[" * 40 + b"]" * 40 + b"]",
    b'\0\0["a","b",1e999]["a","b",' + b"9" * 100 + b"]",
]


def run(data: bytes) -> None:
    source = Input(data)
    expect = source.choose(list(Expect))
    large = source.choose((None, 16, 64))
    cuts = source.cuts()
    stream = source.rest()
    whole, sound = read([stream], expect, large)
    parts, _ = read(split(stream, cuts), expect, large)
    if sound and parts != whole:
        raise AssertionError(f"the cuts changed what was said: {whole} {parts}")
    for message in whole:
        again(message)


def read(chunks: list[bytes], expect: Expect, large: int | None) -> tuple[list[Message], bool]:
    """Return the messages, and whether there was nothing else."""
    decoder, found, sound = Decoder(LIMIT, 12, expect=expect, large=large), list[Message](), True
    for chunk in chunks:
        for message in decoder.feed(chunk):
            message = stepped(decoder, message) if isinstance(message, Large) else message
            sound &= not isinstance(message, Malformed)
            found.append(message)
        if len(decoder._value) > LIMIT:
            raise AssertionError("more is kept than the limit allows")
    if decoder.scanned > 2 * sum(map(len, chunks)):
        raise AssertionError("a byte was looked at more than twice")
    return found, sound and not decoder.unfinished


def stepped(decoder: Decoder, large: Large) -> Message:
    """Read a large message in its steps."""
    steps = decoder.read_steps(large)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            message: Message = end.value
            return message


def again(message: Message) -> None:
    """Encode a message that was read, and read it again."""
    try:
        match message:
            case Request(rid, key, payload):
                data, expect = encode_request(rid, key, payload), Expect.REQUESTS
            case Reply(rid, None, result):
                data, expect = encode_result(rid, result), Expect.REPLIES
            case Reply(rid, str(error), _):
                data, expect = encode_error(rid, error), Expect.REPLIES
            case _:
                return
    except LocalError as error:
        raise AssertionError(f"{message} was read and cannot be said") from error
    if Decoder(expect=expect).feed(data) != [message]:
        raise AssertionError(f"{message} is not what it reads back as")

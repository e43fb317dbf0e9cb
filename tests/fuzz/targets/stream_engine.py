"""Whatever the other side sends, and whatever is done here meanwhile, a session keeps its bounds; its sums are right.
Nothing is raised but LocalError for verbs of our own; a session that is over says nothing, and what is dropped is free.
"""

import contextlib
from collections.abc import Callable

from core.errors import LocalError
from core.streams.config import StreamConfig
from core.streams.engine import CONTROL_MAX, StreamEngine
from core.streams.events import DatagramReceived, Opening, Received
from core.wire.stream_frame import OPEN_MAX, Kind, Reason, pack_frame
from tests.fuzz.inputs import Input, long_sized

WATCHED = ["core.streams.engine", "core.streams.flow"]
CONFIG = StreamConfig(
    streams=6, unanswered=3, unread=2000, send_buffer=500, datagrams=3, datagram_bytes=900, datagrams_held=1500,
    window_max=1 << 17, windows=1 << 17,
)  # fmt: skip
WHY = Reason("ERR_X", "why")
TALK = b"".join(
    [pack_frame(Kind.OPEN, 2, b"{}"), pack_frame(Kind.DATA, 2, b"hello"), pack_frame(Kind.DATA, 2),
     pack_frame(Kind.DATAGRAM, 2, b"x" * 300), pack_frame(Kind.END, 2), pack_frame(Kind.PING, 0, bytes(8))]
)  # fmt: skip
ANSWER = pack_frame(Kind.ACCEPT, 1) + pack_frame(Kind.CREDIT, 1, b"\xff" * 4) + pack_frame(Kind.DATA, 1, b"back")
SEEDS = [
    b"\1\0" + long_sized(TALK) + b"\2\2" + b"\6\2\0\4" + b"\5\2" + b"\7\xff" + b"\4\2" + b"\7\xff",
    b"\1\1\0" + b"\3\1\x90" + b"\0" + long_sized(ANSWER) + b"\6\1\0\4" + b"\x08\1" + b"\7\xff",
    b"\1" + b"".join(b"\0" + long_sized(pack_frame(Kind.OPEN, 2 * n, b"")) for n in range(1, 9)) + b"\x09\2\x0a\4",
    b"\1\0" + long_sized(pack_frame(Kind.OPEN, 2, b"") + pack_frame(Kind.RESET, 2) + pack_frame(Kind.OPEN, 2, b"")),
    b"\1\1\0\x0b\1\x0b\1\x0b\1\x0b\1\7\xff\x0a\1\7\1",
]


def run(data: bytes) -> None:
    source = Input(data)
    engine, now, unread = StreamEngine(initiator=bool(source.byte() & 1), config=CONFIG), 0.0, dict[int, int]()
    while source:
        act(source, engine, now, unread)
        now += 0.01
        for event in engine.events():
            if isinstance(event, Received):
                if not event.data:
                    raise AssertionError("an event of no bytes")
                unread[event.stream] = unread.get(event.stream, 0) + len(event.data)
            elif isinstance(event, Opening) and len(event.payload) > OPEN_MAX:
                raise AssertionError("a payload over its bound")
            elif isinstance(event, DatagramReceived) and not isinstance(event.data, bytes):
                raise AssertionError("no datagram")
        check(engine)


def act(source: Input, engine: StreamEngine, now: float, unread: dict[int, int]) -> None:
    """Do one thing: let the other side say something, or use a verb."""
    kind = source.byte() % 12
    if kind == 0:
        engine.receive(source.long_block(), now)
        return
    if kind == 1:
        with contextlib.suppress(LocalError):
            engine.open(source.block(), now)
        return
    number = source.byte()
    verbs: dict[int, Callable[[], object]] = {
        2: lambda: engine.accept(number, b"yes"),
        3: lambda: engine.write(number, bytes(source.byte())),
        4: lambda: engine.end(number),
        5: lambda: engine.refuse(number, WHY),
        6: lambda: consume(engine, number, source.number(1 << 16), now, unread),
        7: lambda: engine.outgoing(number * 8),
        8: lambda: engine.send_datagram(number, bytes(source.byte() * 3)),
        9: lambda: engine.reset(number, WHY),
        10: lambda: engine.goodbye(WHY),
        11: lambda: engine.ping(now),
    }
    verbs[kind]()


def consume(engine: StreamEngine, number: int, size: int, now: float, unread: dict[int, int]) -> None:
    """Read what has come, and no more than that: who reads more has a bug of its own."""
    size = min(size, unread.get(number, 0))
    unread[number] = unread.get(number, 0) - size
    engine.consumed(number, size, now)


def check(engine: StreamEngine) -> None:
    """Add everything up."""
    streams = engine._streams.values()
    if len(engine) > CONFIG.streams or not 0 <= engine._unanswered <= CONFIG.unanswered:
        raise AssertionError("more streams than there may be")
    if engine.unread != sum(stream.inbound.unread for stream in streams) or engine.unread < 0:
        raise AssertionError("what is unread does not add up")
    if engine._grown != sum(stream.inbound.grown for stream in streams) or engine._grown > CONFIG.windows:
        raise AssertionError("the windows do not add up")
    if any(stream.outbound.queued > CONFIG.send_buffer for stream in streams):
        raise AssertionError("more waits to be sent than may")
    if engine._datagrams.used > CONFIG.datagrams_held or (not streams and engine._datagrams.used):
        raise AssertionError("more datagrams wait than may, or nobody's do")
    if engine._control_bytes > CONTROL_MAX + 2 * OPEN_MAX * CONFIG.streams:
        raise AssertionError("more is said than is read")

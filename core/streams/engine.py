"""The engine: streams opened from both sides over one reliable connection, each with its own flow control.

It does no I/O. Give it what came (`receive`), use its verbs, then take `outgoing` and `events`. Nothing here raises for
what the other side sent: `error` says what was wrong, and the session is over.
"""

from collections import OrderedDict, deque

from core.errors import LocalError, PeerError, RemoteError
from core.limits.drop_oldest import DropOldest, Room
from core.streams.config import FIRST_WINDOW, StreamConfig
from core.streams.events import (
    Accepted,
    DatagramReceived,
    Ended,
    Finished,
    Goodbye,
    Opening,
    Received,
    Refused,
    Reset,
    StreamEvent,
    Writable,
)
from core.streams.flow import Inbound, Outbound
from core.wire.stream_frame import (
    DATAGRAM_MAX,
    ERROR,
    HEADER_BYTES,
    OPEN_MAX,
    Frame,
    FrameParser,
    Kind,
    Reason,
    pack_frame,
    pack_reason,
    parse_reason,
)

LIMIT = "ERR_STREAM_LIMIT"
CONTROL_MAX = 64 * 1024  # bytes of control frames that wait; more than a hostile opener makes us say means: it must go


class _Stream:
    __slots__ = ("datagrams", "inbound", "opened", "ours", "outbound")

    def __init__(self, ours: bool, config: StreamConfig, now: float, room: Room) -> None:
        self.ours = ours
        self.opened = False  # accepted
        self.outbound = Outbound(config)
        self.inbound = Inbound(now)
        self.datagrams = DropOldest(room, config.datagrams, config.datagram_bytes)


class StreamEngine:
    """One side of a session. The side that connected is the `initiator`: its streams have odd numbers.

    Times are the caller's monotone seconds.
    """

    def __init__(self, *, initiator: bool, config: StreamConfig | None = None) -> None:
        self._config = config or StreamConfig()
        self._parser = FrameParser()
        self._streams: dict[int, _Stream] = {}
        self._next = 1 if initiator else 2
        self._newest = 0  # number that the other side opened last
        self._unanswered = 0  # OPENs of the other side
        self._grown = 0  # by how much all windows are over the first ones
        self._control: deque[bytes] = deque()
        self._control_bytes = 0
        self._datagrams = Room(self._config.datagrams_held)  # those that wait to be sent
        self._ready: OrderedDict[int, None] = OrderedDict()  # streams that can send now; the next one first
        self._events: list[StreamEvent] = []
        self._said_goodbye = False
        self._queued = 0  # bytes that wait to be sent, of all streams
        self.unread = 0  # bytes that came and that no reader has taken, of all streams
        self.error: PeerError | None = None  # why the session is over
        self.round_trip: float | None = None  # seconds, of the last PING
        self._pinged_at: float | None = None

    # -- streams of ours ----------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        """Return how many streams there are, those that nobody has answered yet included."""
        return len(self._streams)

    def open(self, payload: bytes, now: float) -> int:
        """Open a stream; data may be written at once. Raises LocalError when there are too many, or it is over."""
        if self.error is not None:
            raise LocalError("the connection of this stream is closed", name="ERR_TRANSPORT_CLOSED")
        if self._said_goodbye:
            raise LocalError("the other side takes no new streams", name=LIMIT)
        if len(self._streams) >= self._config.streams:
            raise LocalError(f"{self._config.streams} streams are open: close one first", name=LIMIT)
        if len(payload) > OPEN_MAX:
            raise LocalError(f"what a stream is opened with takes {OPEN_MAX} bytes at most", name=LIMIT)
        number, self._next = self._next, self._next + 2
        self._streams[number] = _Stream(True, self._config, now, self._datagrams)
        self._say(Kind.OPEN, number, payload)
        return number

    # -- streams of theirs --------------------------------------------------------------------------------------------

    def accept(self, number: int, payload: bytes = b"") -> None:
        """Take a stream that the other side opens; without effect when it is gone meanwhile."""
        stream = self._streams.get(number)
        if stream is not None and not stream.opened and not stream.ours:
            stream.opened = True
            self._unanswered -= 1
            self._say(Kind.ACCEPT, number, payload)

    def refuse(self, number: int, reason: Reason) -> None:
        """Do not take it, and say why."""
        stream = self._streams.get(number)
        if stream is not None and not stream.opened and not stream.ours:
            self._say(Kind.REFUSE, number, pack_reason(reason))
            self._drop(number)

    # -- any stream ---------------------------------------------------------------------------------------------------

    def write(self, number: int, data: bytes) -> int:
        """Queue bytes; return how many were taken. After fewer than all, `Writable` tells when to go on."""
        stream = self._streams.get(number)
        if stream is None or stream.outbound.ending:
            return 0
        taken = stream.outbound.add(data, self._most)
        self._queued += taken
        self._schedule(number, stream)
        return taken

    def room(self, number: int) -> int:
        """Return how many bytes are worth reading for `write`; 0: `Writable` tells when to go on."""
        stream = self._streams.get(number)
        if stream is None or stream.outbound.ending:
            return 0
        return stream.outbound.room(self._most)

    def send_datagram(self, number: int, data: bytes) -> bool:
        """Queue a datagram; the oldest go when too many wait.

        Return whether it is queued: False for a long one, or when other streams have taken all the room.
        """
        stream = self._streams.get(number)
        if stream is None or len(data) > DATAGRAM_MAX:
            return False
        queued = stream.datagrams.add(data)
        self._schedule(number, stream)
        return queued

    def datagrams_dropped(self, number: int) -> int:
        """Return how many datagrams of a stream were dropped here for want of room."""
        stream = self._streams.get(number)
        return 0 if stream is None else stream.datagrams.dropped

    def end(self, number: int) -> None:
        """Send what is queued, and nothing after it. Idempotent."""
        stream = self._streams.get(number)
        if stream is not None and not stream.outbound.ending:
            stream.outbound.ending = True
            self._schedule(number, stream)

    def reset(self, number: int, reason: Reason) -> None:
        """Give a stream up at once, both ways, and say why. Idempotent."""
        if number in self._streams:
            self._say(Kind.RESET, number, pack_reason(reason))
            self._drop(number)

    def consumed(self, number: int, size: int, now: float) -> None:
        """Note that a reader took bytes of a `Received`: the other side may send as many more."""
        stream = self._streams.get(number)
        if stream is None:
            return
        promised = self._grown + FIRST_WINDOW * len(self._streams)  # what may come before any reader takes more
        room = min(self._config.windows - self._grown, self._config.unread - promised)
        self.unread -= size
        credit, grown = stream.inbound.consumed(size, now, self._config, room)
        self._grown += grown
        if credit:
            self._say(Kind.CREDIT, number, credit.to_bytes(4, "big"))
        self._finish_if_done(number, stream)

    @property
    def _most(self) -> int:
        """Bytes of one stream that may wait to be sent now."""
        return self._config.send_buffer if self._queued < self._config.unsent else self._config.quantum

    @property
    def congested(self) -> bool:
        """Whether so much waits for readers here that nothing more should be read from the connection."""
        return self.unread >= self._config.unread

    @property
    def held(self) -> int:
        """Bytes that wait here, for readers or to be sent."""
        return self.unread + self._queued + self._control_bytes + self._datagrams.used

    # -- the session --------------------------------------------------------------------------------------------------

    def ping(self, now: float) -> None:
        """Ask for a sign of life; `round_trip` is set when it comes. One at a time."""
        if self._pinged_at is None and self.error is None:
            self._pinged_at = now
            self._say(Kind.PING, 0, bytes(8))

    def goodbye(self, reason: Reason) -> None:
        """Take no new streams from now on; those that are open go on."""
        self._say(Kind.GOODBYE, 0, pack_reason(reason))

    def receive(self, data: bytes, now: float) -> None:
        """Take what came on the connection, however it is split."""
        if self.error is not None:
            return
        try:
            for frame in self._parser.feed(data):
                self._take(frame, now)
        except RemoteError as error:
            self.error = error

    def outgoing(self, most: int) -> list[bytes | memoryview]:
        """Return, and forget, what is to be sent next, in order. Empty: nothing waits.

        That is `most` bytes with all headers, and more only for control frames, or for a datagram that came last.
        """
        out: list[bytes | memoryview] = []
        size = 0
        while self._control:
            frame = self._control.popleft()
            self._control_bytes -= len(frame)
            out.append(frame)
            size += len(frame)
        while self._ready and (size + HEADER_BYTES < most or not out):
            number, _ = self._ready.popitem(last=False)
            stream = self._streams.get(number)
            if stream is not None:
                size += self._turn(number, stream, max(most - size, HEADER_BYTES + 1), out)
        return out

    @property
    def waiting(self) -> bool:
        """Whether `outgoing` has more now."""
        return bool(self._control or self._ready)

    def events(self) -> list[StreamEvent]:
        """Return, and forget, what happened since the last call."""
        events, self._events = self._events, []
        return events

    # -- within -------------------------------------------------------------------------------------------------------

    def _turn(self, number: int, stream: _Stream, most: int, out: list[bytes | memoryview]) -> int:
        size = 0
        if stream.datagrams:
            out.append(pack_frame(Kind.DATAGRAM, number, stream.datagrams.popleft()))
            size = len(out[-1])
        elif stream.outbound.ready:
            share = min(most, self._config.quantum) if self._ready else most
            waited = stream.outbound.queued
            size = stream.outbound.take(number, share, out)
            self._queued -= waited - stream.outbound.queued
            if stream.outbound.woke():
                self._events.append(Writable(number))
        self._schedule(number, stream)
        self._finish_if_done(number, stream)
        return size

    def _schedule(self, number: int, stream: _Stream) -> None:
        if stream.outbound.ready or stream.datagrams:
            self._ready.setdefault(number)

    def _say(self, kind: Kind, number: int, payload: bytes = b"") -> None:
        if self.error is not None:
            return
        frame = pack_frame(kind, number, payload)
        self._control.append(frame)
        self._control_bytes += len(frame)

    def _drop(self, number: int) -> None:
        stream = self._streams.pop(number)
        stream.datagrams.clear()
        self._unanswered -= not stream.ours and not stream.opened
        self.unread -= stream.inbound.unread
        self._queued -= stream.outbound.queued
        self._grown -= stream.inbound.grown
        self._ready.pop(number, None)

    def _finish_if_done(self, number: int, stream: _Stream) -> None:
        if stream.outbound.ended and stream.inbound.ended and not stream.inbound.unread and stream.opened:
            self._drop(number)
            self._events.append(Finished(number))

    def _take(self, frame: Frame, now: float) -> None:
        kind, number, payload = frame
        if kind is Kind.OPEN:
            self._take_open(number, payload, now)
        elif kind is Kind.PING:
            self._answer_ping(payload)
        elif kind is Kind.PONG:
            self._take_pong(now)
        elif kind is Kind.GOODBYE:
            self._said_goodbye = True
            self._events.append(Goodbye(parse_reason(payload)))
        else:
            stream = self._streams.get(number)
            if stream is not None:
                self._take_on_stream(kind, number, stream, payload)
            elif not self._was_open(number):
                raise RemoteError(f"{kind.name} for stream {number}, which was never opened", name=ERROR)

    def _was_open(self, number: int) -> bool:
        ours = number % 2 == self._next % 2
        return 0 < number < self._next if ours else 0 < number <= self._newest

    def _take_open(self, number: int, payload: bytes, now: float) -> None:
        if number % 2 == self._next % 2 or number <= self._newest:
            raise RemoteError(f"stream {number} cannot be opened: its number is taken or not theirs", name=ERROR)
        if self._control_bytes > CONTROL_MAX:
            raise RemoteError("it opens streams and does not read our answers", name=LIMIT)
        self._newest = number
        if len(self._streams) >= self._config.streams or self._unanswered >= self._config.unanswered:
            reason = Reason(LIMIT, "too many streams are open or waiting on this connection: close one, or wait")
            self._say(Kind.REFUSE, number, pack_reason(reason))
            return
        self._unanswered += 1
        self._streams[number] = _Stream(False, self._config, now, self._datagrams)
        self._events.append(Opening(number, payload))

    def _answer_ping(self, payload: bytes) -> None:
        if self._control_bytes > CONTROL_MAX:
            raise RemoteError("it asks for signs of life and does not read them", name=LIMIT)
        self._say(Kind.PONG, 0, payload)

    def _take_pong(self, now: float) -> None:
        if self._pinged_at is not None:
            self.round_trip, self._pinged_at = now - self._pinged_at, None

    def _take_on_stream(self, kind: Kind, number: int, stream: _Stream, payload: bytes) -> None:
        match kind:
            case Kind.DATA:
                self._take_data(number, stream, payload)
            case Kind.DATAGRAM:
                self._events.append(DatagramReceived(number, payload))
            case Kind.CREDIT:
                stream.outbound.credit += int.from_bytes(payload, "big")
                self._schedule(number, stream)
            case Kind.END:
                if stream.inbound.ended:
                    raise RemoteError(f"stream {number} ended twice", name=ERROR)
                stream.inbound.ended = True
                self._events.append(Ended(number))
                self._finish_if_done(number, stream)
            case Kind.RESET:
                self._drop(number)
                self._events.append(Reset(number, parse_reason(payload)))
            case Kind.ACCEPT | Kind.REFUSE:
                self._take_answer(kind, number, stream, payload)

    def _take_answer(self, kind: Kind, number: int, stream: _Stream, payload: bytes) -> None:
        if not stream.ours or stream.opened:
            raise RemoteError(f"{kind.name} for stream {number}, which waits for no answer", name=ERROR)
        if kind is Kind.ACCEPT:
            stream.opened = True
            self._events.append(Accepted(number, payload))
        else:
            self._drop(number)
            self._events.append(Refused(number, parse_reason(payload)))

    def _take_data(self, number: int, stream: _Stream, data: bytes) -> None:
        inbound = stream.inbound
        inbound.allowed -= len(data)
        if inbound.ended or inbound.allowed < 0:
            what = "after its end" if inbound.ended else "beyond what it may hold"
            raise RemoteError(f"stream {number} got bytes {what}", name=ERROR)
        inbound.unread += len(data)
        self.unread += len(data)
        if data:  # a frame of no bytes is no end, and no event
            self._events.append(Received(number, data))

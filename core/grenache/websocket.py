"""One WebSocket of a caller: requests that are answered in any order, or a subscriber that only listens."""

import asyncio
import struct
from typing import Final

from core.errors import TransportClosed
from core.grenache.config import PUB, WS, WS_IDLE
from core.grenache.server import WebServer
from core.grenache.streams import GONE, TcpEngine, value_text
from core.grenache.work import Work
from core.limits import bounds
from core.rpc.memory import INPUT, REPLIES, Held, Standing
from core.rpc.progress import Progress
from core.tunnel.stream import ByteStream
from core.values import Caller
from core.wire.stream_frame import Reason
from core.wire.websocket_frame import (
    GOING_AWAY,
    NORMAL,
    TRY_LATER,
    FrameError,
    FrameReader,
    Kind,
    Message,
    close_frame,
    frame,
)

TOGETHER: Final = 16 * 1024  # bytes of a reply that is not held back for those behind it
ANSWERED: Final = 8  # replies that leave in one system call: the caller reads them while the next are made
IN_FLIGHT: Final = 64  # requests of one connection, as on uTP; the next waits unread
AT_ONCE: Final = 1024  # messages that are taken out of what came: an empty one has 6 bytes there, and 80 then
WAITING_COST: Final = 80  # bytes of a message that waits, besides its own
LISTENS: Final = 3600.0 * 24  # seconds for which a subscriber may say nothing: that is all it does


class WebSocket:
    """The connection after its upgrade."""

    def __init__(self, server: WebServer, transport: asyncio.Transport, caller: Caller, standing: Standing) -> None:
        self._server = server
        self._transport = transport
        self._caller = caller
        self._standing = standing
        self._loop = asyncio.get_running_loop()
        self._used_at = self._loop.time()
        self._reader = FrameReader(standing.message_bytes, masked=True, at_once=AT_ONCE)
        self._works: set[Work] = set()
        self._waiting: list[Message] = []  # read and not begun: what one piece brought
        self._waiting_bytes = 0
        self._input = Held(server.memory, INPUT, standing)
        self._replies = Held(server.memory, REPLIES, standing)
        self._coming = Progress(bounds.STALL_TIME)
        self._choked = False
        self._paused = False
        self._booked = False  # what was read is looked at on in the loop's next turn
        self._closed = False
        self._going = False  # `_go_on` is below us on the stack
        self._together: list[bytes] = []  # replies of one turn of the loop, which leave in one system call
        self._subscriber: _Subscriber | None = None

    def open(self) -> None:
        """Begin: a subscriber says nothing, so where something is published everybody is one."""
        if self._server.site.open_over(PUB):
            self._subscriber = _Subscriber(self._transport, self._caller)
            if not self._server.site.subscribed(self._subscriber.stream):
                self._close(TRY_LATER)

    def idle(self, now: float) -> bool:
        """Return whether it may be closed: unused for too long, or stalled in a message."""
        if self._coming.stalled(-self._reader.held, now):
            return True
        return not self._works and now - self._used_at > (WS_IDLE if self._subscriber is None else LISTENS)

    def lost(self) -> None:
        """Hear that the connection is gone."""
        self._closed = True
        self._input.let_go()
        self._replies.let_go()
        self._waiting.clear()
        for work in list(self._works):
            if work.task is not None:
                work.task.cancel()
        if self._subscriber is not None:
            self._subscriber.lost()

    def choke(self) -> None:
        """Hear that the caller takes nothing: it is read no further."""
        self._choked = True
        self._pause()
        if self._subscriber is not None:
            self._subscriber.choked = True

    def flow(self) -> None:
        """Hear that it reads again."""
        self._choked = False
        self._replies.let_go()
        if self._subscriber is not None:
            self._subscriber.flow()
        self._go_on()

    def feed(self, data: bytes) -> None:
        """Take what came."""
        if self._closed:
            return
        try:
            messages = self._reader.feed(data)
        except FrameError as error:
            self._close(error.code)
            return
        self._waiting += messages
        for message in messages:
            self._waiting_bytes += WAITING_COST + len(message.data)
        self._go_on()
        if self._reader.held and not (self._waiting or self._reader.more):  # what waits is held up by us
            self._coming.start(self._loop.time())
        else:
            self._coming.stop()

    def _count(self) -> None:
        """Count what came and is not begun."""
        held = self._reader.held + self._waiting_bytes
        if not held and not self._input.amount:
            return
        if not self._closed and not self._input.grow_beyond(bounds.FREE_BYTES, held):
            self._input.let_go()
            self._close(TRY_LATER)

    def _go_on(self) -> None:
        if not self._going:
            self._going = True
            taken = 0
            for message in self._waiting:
                if self._choked or len(self._works) >= IN_FLIGHT or self._closed:
                    break
                taken += 1
                self._waiting_bytes -= WAITING_COST + len(message.data)
                self._take(message)
            del self._waiting[:taken]
            self._going = False
            self._write_together()
            self._count()
        more = self._reader.more
        if more and not self._waiting and not self._booked:
            self._booked = True
            self._loop.call_soon(self._read_on)
        if self._waiting or self._choked or more:
            self._pause()
        elif self._paused:
            self._paused = False
            self._transport.resume_reading()

    def _read_on(self) -> None:
        self._booked = False
        self.feed(b"")

    def _write_together(self) -> None:
        together, self._together = self._together, []
        if together and not self._transport.is_closing():
            self._transport.write(b"".join(together))

    def _pause(self) -> None:
        if not self._paused and not self._transport.is_closing():
            self._paused = True
            self._transport.pause_reading()

    def _take(self, message: Message) -> None:
        kind, data = message
        if kind is Kind.PING:
            self._transport.write(frame(Kind.PONG, data))
        elif kind is Kind.CLOSE:
            code = struct.unpack(">H", data[:2])[0] if len(data) >= 2 else NORMAL
            self._close(code if 1000 <= code < 5000 else NORMAL)
        elif kind is not Kind.PONG and self._subscriber is None:
            self._server.count["requests"] += 1
            self._used_at = self._loop.time()
            work = Work(self._server, WS, self._caller, self._standing, self._send)
            work.begin(data)
            if work.task is not None:
                self._works.add(work)
                work.task.add_done_callback(lambda _: self._finished(work))

    def _finished(self, work: Work) -> None:
        self._works.discard(work)
        if self._waiting:
            self._go_on()

    def _send(self, data: bytes, work: Work) -> bool:
        self._works.discard(work)
        self._used_at = self._loop.time()
        if self._closed or self._transport.is_closing():
            return False
        unsent = self._transport.get_write_buffer_size()
        if unsent > bounds.FREE_BYTES and not self._replies.grow(unsent + len(data)):
            self._transport.abort()  # it asks on and on, and takes nothing
            return False
        if unsent < TOGETHER and (self._going or self._works or self._together):
            if not self._going and not self._together:
                self._loop.call_soon(self._write_together)
            self._together.append(frame(Kind.TEXT, data))
            if len(data) > TOGETHER or len(self._together) >= ANSWERED:
                self._write_together()
        else:
            self._transport.write(frame(Kind.TEXT, data))
        return True

    def _close(self, code: int = GOING_AWAY) -> None:
        if not self._closed:
            self._closed = True
            self._transport.write(b"".join([*self._together, close_frame(code)]))
            self._together = []
            self._transport.close()


class _Subscriber(TcpEngine):
    """A subscriber's connection as the engine of a stream, whose lines become messages. What comes is ignored."""

    def __init__(self, transport: asyncio.Transport, caller: Caller) -> None:
        super().__init__(transport, caller)
        self._line = b""
        self.choked = False
        self.stream = ByteStream(self, 0, b"", ours=False)

    def lost(self) -> None:
        """Hear that the connection is gone."""
        if not self.stream.over:
            self.stream.on_broken(TransportClosed(GONE))

    def flow(self) -> None:
        """Hear that there is room again."""
        self.choked = False
        if not self.stream.over:
            self.stream.on_writable()

    def accept(self, number: int, payload: bytes) -> None:
        """There is nothing to say."""

    def refuse(self, number: int, reason: Reason) -> None:
        """Close: a subscriber understands nothing else."""
        self.reset(number, reason)

    def write(self, number: int, data: bytes) -> int:
        """Send the values of whole lines."""
        if self.choked or self._transport.is_closing():
            return 0
        *lines, self._line = (self._line + data).split(b"\n")
        for line in lines:
            self._transport.write(frame(Kind.TEXT, value_text(line)))
        return len(data)

    def end(self, number: int) -> None:
        """Close."""
        self._transport.write(close_frame(NORMAL))
        self._transport.close()

    def reset(self, number: int, reason: Reason) -> None:
        """Close."""
        self._transport.write(close_frame(TRY_LATER))
        self._transport.close()

    def consumed(self, number: int, size: int) -> None:
        """Nothing is read."""

"""What a stream and its endpoint share about one uTP connection: its state, the message under way, who waits.

A `Channel` lives in its endpoint's table until the connection is over. A `core.net.stream.Stream` is the handle that
users hold; the channel does not know it, so that a dropped handle can be noticed.
"""

import asyncio
from collections.abc import Callable
from typing import Final, NoReturn, Protocol

from core.errors import LocalError, PeerError, TransportClosed
from core.net.joined import joined
from core.utp.connection import Connection
from core.utp.events import Closed, Connected, Ended, Incoming, Readable, UtpEvent, Writable
from core.values import Address
from core.wire.utp_marks import Marks

OFFER_MAX: Final = 1024  # bytes that `offer` takes; they fit a packet, and the engine takes those whole or not at all
# Bytes of one turn of the loop after which what may leave `soon` leaves at once: a packet of Ethernet's length is well
# filled, and the other side works on it meanwhile. 32 requests at once: 1.5 times as many, a processor for each side.
TOGETHER_BYTES: Final = 1024
FOLLOWED: Final = 0.3  # seconds that a round trip is taken for on a new way, until the first ack measures it


class Driver(Protocol):
    """The part of a pump that a channel needs."""

    def now(self) -> float:
        """Return seconds on the engines' clock."""

    def flush(self) -> None:
        """Send what the engines have and hand out their events."""

    def flush_soon(self) -> None:
        """Do so in the loop's next turn, unless it was done before then."""


class Listener(Protocol):
    """A listener is handed what arrives within the wake-up that brought it, instead of reading. No call may block."""

    def received(self, chunk: bytes, /) -> None:
        """Take the bytes of one DATA packet; of several in a row, if the other side joins messages anyway."""

    def ended(self, error: PeerError | None, /) -> None:
        """Hear, once and after everything received, that nothing more comes: None at the end, else why it broke."""


class Channel:
    """One uTP connection as seen from asyncio. `forget` is called once, when the connection is over.

    Memory is bounded by the engine: `chunks` holds at most what its receive window held, `tail` one message.
    """

    __slots__ = (
        "_boundary", "_chunks", "_driver", "_ended", "_finished", "_forget", "_listener", "_loop", "_orphaned",
        "_over", "_over_cleanly", "_patience", "_paused", "_tail", "_together", "_turn", "_urgent", "_waiters",
        "_writers", "closing", "connection", "joins", "opened",
    )  # fmt: skip

    def __init__(
        self,
        connection: Connection,
        driver: Driver,
        forget: Callable[[Connection], None],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.connection = connection
        self.opened = False
        self.joins = False  # the other side reads messages however they are joined or split; known once opened
        self.closing = False  # we closed or aborted: nobody reads from now on
        self._driver = driver
        self._loop = loop  # the running one is unknown when Qt drains its events after qasync's loop has stopped
        self._forget = forget
        self._chunks: list[bytes] = []  # few as a rule; an empty deque takes 760 bytes of every idle connection
        self._listener: Listener | None = None
        self._paused = False
        self._ended = False
        self._over: PeerError | None = None  # why it is over, once it is; kept to be raised
        self._over_cleanly = False
        self._together = 0  # bytes that were offered `soon` since something left at once
        self._writers = 0  # messages under way or waiting for their turn
        self._turn = asyncio.Lock()  # first come, first served: whole messages, never interleaved
        self._tail: memoryview | None = None  # what is left of the message under way
        self._boundary = False  # the rest of it starts a packet of its own
        self._urgent = False  # it may share packets, but not wait for company
        self._finished = False  # FIN is queued: the engine takes nothing after it
        self._orphaned = False  # the writer of `_tail` was cancelled: we finish its message and pass the turn on
        self._waiters: set[asyncio.Future[None]] = set()
        self._patience: asyncio.TimerHandle | None = None  # resets a connection that does not end after `let_go`

    @property
    def remote(self) -> Address:
        """Where the other side is now."""
        return self.connection.remote

    @property
    def over(self) -> bool:
        """True once the connection is gone for good."""
        return self._over is not None

    def follow(self, remote: Address) -> bool:
        """Go on at another address, where the other side is for certain; return whether it does."""
        if self.over:
            return False
        moved = self.connection.follow(remote, FOLLOWED, self._driver.now())
        self._driver.flush()
        return moved

    def buffered(self) -> tuple[int, int]:
        """Return the bytes that wait to be acknowledged there, and those that wait to be read here."""
        unsent, unread = self.connection.buffered()
        return unsent + (0 if self._tail is None else len(self._tail)), unread + sum(map(len, self._chunks))

    # -- from the engine ----------------------------------------------------------------------------------------------

    def handle(self, event: UtpEvent) -> None:
        """Take one event of this connection."""
        match event:
            case Incoming() | Connected():
                self.opened = True
                self.joins = Marks.JOINS in self.connection.peer_marks
            case Readable():
                if self.closing:
                    self.connection.read(self._driver.now())
                    self._driver.flush()
                elif self._listener is not None:
                    self._hand_over()
                    return  # nobody waits in `read`, and a writer's buffer has not changed
            case Writable():
                self._push()
                self._driver.flush()
            case Ended():
                self._ended = True
                self._hand_over()
            case Closed():
                self.end(event.error)
        self._wake()

    def end(self, error: PeerError | None) -> None:
        """Note that the connection is over; what was received before can still be read."""
        if self._over is not None:
            return
        if not self.closing:
            self._chunks.extend(self.connection.read(self._driver.now()))
        self._over_cleanly = error is None and not self.closing
        self._over = error or TransportClosed(f"the connection to {self.remote} is closed")
        self._tail = None
        self._pass_orphaned_turn()
        if self._patience is not None:
            self._patience.cancel()
        self._forget(self.connection)
        self._hand_over()
        self._wake()

    def _wake(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def _changed(self) -> None:
        waiter = self._loop.create_future()
        self._waiters.add(waiter)
        try:
            await waiter
        finally:
            self._waiters.discard(waiter)

    # -- to a listener ------------------------------------------------------------------------------------------------

    def listen(self, listener: Listener) -> None:
        """See Stream.listen."""
        self._listener = listener
        self._hand_over()

    def pause(self) -> None:
        """See Stream.pause."""
        self._paused = True

    def resume(self) -> None:
        """See Stream.resume."""
        self._paused = False
        self._hand_over()

    def _hand_over(self) -> None:
        """Give the listener what there is: the chunks, then the end. What it does not take stays with the engine."""
        listener, chunks = self._listener, self._chunks
        if listener is None:
            return
        if not (self._paused or self.closing):
            chunks.extend(self.connection.read(self._driver.now()))
            if self.connection.unsettled:
                self._driver.flush()
            if self.joins and len(chunks) > 1:
                chunks[:] = joined(chunks)
            while chunks and not self._paused:
                listener.received(chunks.pop(0))
        over = self._ended or self._over is not None
        if (self.closing or (over and not chunks and not self._paused)) and self._listener is listener:
            self._listener = None
            broke = over and not (self._ended or self._over_cleanly or self.closing)
            listener.ended(self._reason() if broke else None)

    # -- from the user ------------------------------------------------------------------------------------------------

    async def wait_opened(self) -> None:
        """Wait until the other side answered. Raises what ended the connection instead."""
        while not self.opened:
            self._raise_if_over()
            await self._changed()

    async def wait_over(self) -> None:
        """Wait until the connection is gone."""
        while self._over is None:
            await self._changed()

    async def read(self) -> bytes:
        """See Stream.read."""
        chunk = await self.peek()
        if self._chunks:
            self._chunks.pop(0)
        return chunk

    async def peek(self) -> bytes:
        """See Stream.peek."""
        while True:
            if self._chunks:
                return self._chunks[0]
            if self.closing or self._ended or self._over_cleanly:
                return b""
            self._raise_if_over()
            self._chunks.extend(self.connection.read(self._driver.now()))
            if self._chunks:
                # The window opened, and the end may have been reached. Most readers answer at once, and that flushes.
                self._driver.flush_soon()
            else:
                await self._changed()

    def offer(self, data: bytes, *, soon: bool) -> bool:
        """See Stream.offer."""
        connection = self.connection
        if self._writers or self.closing or self._over is not None:
            return False
        if not 0 < len(data) <= OFFER_MAX or connection.writable() < len(data):
            return False
        taken = connection.write(data, self._driver.now(), boundary=not self.joins, urgent=self.joins)
        if taken != len(data):
            raise AssertionError(f"the engine took {taken} bytes of a packet's {len(data)}")
        self._together = self._together + taken if soon else 0
        if 0 < self._together < TOGETHER_BYTES:
            self._driver.flush_soon()
        else:
            self._together = 0
            self._driver.flush()
        return True

    def room(self) -> int:
        """See Stream.room."""
        return 0 if self._writers or self.closing or self._over is not None else self.connection.writable()

    def put(self, data: bytes, *, urgent: bool) -> bool:
        """See Stream.put."""
        if self.room() < len(data):
            return False
        taken = self.connection.write(data, self._driver.now(), urgent=urgent)
        if taken not in (0, len(data)):
            raise AssertionError(f"the engine had room for {len(data)} bytes and took {taken}")
        self._driver.flush()
        return taken > 0

    async def write(self, data: bytes, *, boundary: bool) -> None:
        """See Stream.write."""
        if self.closing:
            self._raise_closed_here()
        if not data:
            return
        self._writers += 1
        try:
            await self._turn.acquire()
        except BaseException:
            self._writer_gone()
            raise
        try:
            await self._write_now(memoryview(data), boundary)
        finally:
            if self._drained():
                self._turn.release()
                self._writer_gone()
            else:
                self._orphaned = True

    async def _write_now(self, message: memoryview, boundary: bool) -> None:
        self._raise_if_over()
        if self._finished:
            self._raise_closed_here()
        self._tail = message
        self._boundary, self._urgent = boundary and not self.joins, boundary and self.joins
        self._push()
        self._driver.flush()
        while not self._drained():
            await self._changed()
        self._raise_if_over()

    def _drained(self) -> bool:
        """Tell whether no message is under way; it ends while its writer waits."""
        return self._tail is None

    def _push(self) -> None:
        """Give the engine what it takes of the message under way."""
        if self._tail is None or self._finished or self._over is not None:
            return
        now = self._driver.now()
        taken = self.connection.write(self._tail, now, boundary=self._boundary, urgent=self._urgent)
        if taken:
            self._boundary = False
            self._tail = self._tail[taken:] if taken < len(self._tail) else None
        self._pass_orphaned_turn()

    def _pass_orphaned_turn(self) -> None:
        if self._orphaned and self._tail is None:
            self._orphaned = False
            self._turn.release()
            self._writer_gone()

    def _writer_gone(self) -> None:
        self._writers -= 1
        if self.closing and not self._writers:
            self.finish()

    def let_go(self, timeout: float) -> None:
        """Send what was written, then FIN; reset what is not over in `timeout` seconds. Nobody reads from now on."""
        if self.closing or self._over is not None:
            return
        self.closing = True
        self._patience = self._loop.call_later(timeout, self.abort)
        if not self._writers:
            self.finish()
        self._hand_over()
        self._wake()

    async def close(self, timeout: float) -> None:
        """Let go and wait until the connection is over; reset it when cancelled."""
        self.let_go(timeout)
        try:
            await self.wait_over()
        except asyncio.CancelledError:
            self.abort()
            raise

    def finish(self) -> None:
        """Send FIN after what the engine has, and drop what the other side still sends."""
        self.closing = True
        if self._over is None and not self._finished:
            now = self._driver.now()
            self._finished = True
            self._chunks.clear()
            self.connection.read(now)
            self.connection.close(now)
            self._driver.flush()

    def abort(self) -> None:
        """Reset the connection now; idempotent. The RESET leaves in the loop's next turn, with those of many others."""
        self.closing = True
        self._chunks.clear()
        if self._over is None:
            self.connection.abort(self._driver.now())
            self._driver.flush_soon()
            self.end(None)

    def give_up(self, error: PeerError) -> None:
        """End a connection that is not open yet, for this reason."""
        if not self.opened and self._over is None:
            self.end(error)  # before the engine says that it was aborted
            self.connection.abort(self._driver.now())
            self._driver.flush()

    def _raise_closed_here(self) -> NoReturn:
        raise TransportClosed(f"the connection to {self.remote} was closed here")

    def _raise_if_over(self) -> None:
        if self._over is None:
            return
        raise self._reason() from self._over

    def _reason(self) -> PeerError:
        """Return why it is over, a fresh one: each raise adds to its traceback."""
        if isinstance(self._over, TransportClosed | LocalError):
            return type(self._over)(str(self._over))
        return TransportClosed(f"the connection to {self.remote} broke: {self._over}")

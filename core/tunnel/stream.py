"""One byte stream of a session: read it, or listen to it; write, end one direction, or give it up."""

import asyncio
from collections import deque
from typing import Final, Protocol

from core.errors import PeerError, RefusedError, TransportClosed
from core.limits.drop_oldest import DropOldest
from core.peer_id import PeerId
from core.values import Address
from core.wire.stream_frame import Reason

JOINED: Final = 1024  # bytes up to which pieces that wait are joined: single bytes would cost 40 times what they are
CANCELLED: Final = Reason("ERR_STREAM_CANCELLED", "the other side gave this stream up")


class StreamReset(TransportClosed):
    """The other side gave the stream up; `name` and sentence are its own."""

    name = "ERR_STREAM_RESET"


class Listener(Protocol):
    """A listener is handed what arrives, within the wake-up that brought it. None of these may block."""

    def received(self, data: bytes, /) -> None:
        """Take bytes, in order. Call `pause` when they cannot be passed on: nothing more is lost or handed over."""

    def ended(self) -> None:
        """Hear that the other side sends no further bytes; ours may still be sent."""

    def closed(self, error: PeerError | None, /) -> None:
        """Hear, last and exactly once, that the stream is over: None when both sides ended it, else why it broke."""

    def writable(self) -> None:
        """Hear that there is room again after `offer` took less than it was given."""


class Engine(Protocol):
    """What a stream needs of its session."""

    @property
    def remote(self) -> Address:
        """The other side, as seen here."""

    @property
    def peer_id(self) -> PeerId | None:
        """The other side's Peer ID, verified."""

    @property
    def binding(self) -> bytes:
        """What the encrypted session has and no other one."""

    def accept(self, number: int, payload: bytes) -> None:
        """Take a stream that the other side opens."""

    def refuse(self, number: int, reason: Reason) -> None:
        """Do not take it."""

    def write(self, number: int, data: bytes) -> int:
        """Queue bytes; return how many were taken."""

    def room(self, number: int) -> int:
        """Return how many bytes are worth reading for `write`; 0: the stream hears when there is room again."""

    def send_datagram(self, number: int, data: bytes) -> bool:
        """Queue one datagram."""

    def carry_datagrams(self, number: int) -> bool:
        """Send a stream's datagrams beside the connection whenever they get through; False: never."""

    def datagrams_dropped(self, number: int) -> int:
        """Return how many were dropped on their way out."""

    def end(self, number: int) -> None:
        """End our direction."""

    def reset(self, number: int, reason: Reason) -> None:
        """Give the stream up."""

    def consumed(self, number: int, size: int) -> None:
        """Let the other side send as much again."""

    def waiting_datagrams(self) -> DropOldest:
        """Return a queue for those of one stream that nobody has read yet."""


class ByteStream:
    """A stream, ours or the other side's. All its memory is bounded by the windows of the engine."""

    __slots__ = (
        "_accepted", "_answer", "_chunks", "_datagrams", "_ended", "_engine", "_failure", "_listener", "_number",
        "_over", "_paused", "_taken", "_told_end", "_waiters", "behind", "bytes_received", "bytes_sent", "ours",
        "payload",
    )  # fmt: skip

    def __init__(self, engine: Engine, number: int, payload: bytes, *, ours: bool) -> None:
        """`payload` is what the stream was opened with."""
        self._engine = engine
        self._number = number
        self.payload = payload
        self.ours = ours
        self._accepted = not ours
        self._taken = False  # we accepted it, if it is theirs
        self._answer = b""
        self._chunks: deque[bytes] = deque()
        self._datagrams: DropOldest | None = None
        self._listener: Listener | None = None
        self._paused = False
        self._ended = False  # the other side's direction
        self._failure: PeerError | None = None
        self._told_end = False
        self._over = False
        self._waiters: list[asyncio.Future[None]] = []
        self.bytes_received = 0
        self.bytes_sent = 0  # taken by the engine
        self.behind = 0  # bytes that wait behind the stream, in what joins it to a program; counted with the session's

    def __repr__(self) -> str:
        return f"<ByteStream {self._number} to {self._engine.remote}>"

    @property
    def remote(self) -> Address:
        """The other side's address, as seen here."""
        return self._engine.remote

    @property
    def peer_id(self) -> PeerId | None:
        """The other side's Peer ID, verified."""
        return self._engine.peer_id

    @property
    def binding(self) -> bytes:
        """What its encrypted session has and no other one, 32 bytes: RFC 9266."""
        return self._engine.binding

    @property
    def over(self) -> bool:
        """Whether both directions have ended, or the stream broke."""
        return self._over

    # -- opening ------------------------------------------------------------------------------------------------------

    def accept(self, payload: bytes = b"") -> None:
        """Take a stream that the other side opens."""
        self._taken = True
        self._engine.accept(self._number, payload)

    def refuse(self, reason: Reason) -> None:
        """Do not take it: the opener gets this error's name and sentence. One that was taken is given up with them."""
        if self._taken or self.ours:
            self.reset(reason)
            return
        if self._over:
            return
        self._engine.refuse(self._number, reason)
        self._break(TransportClosed(reason.message))

    @property
    def taken(self) -> bool:
        """Whether it is theirs, and we accepted it."""
        return self._taken

    @property
    def untaken(self) -> bool:
        """Whether it is ours, and the other side has not answered yet."""
        return not self._accepted and not self.over

    async def accepted(self) -> bytes:
        """Wait until the other side took our stream; return what it said. Raises RefusedError, TransportClosed."""
        while not self._accepted:
            self._raise_if_broken()
            await self._changed()
        return self._answer

    # -- reading ------------------------------------------------------------------------------------------------------

    def listen(self, listener: Listener) -> None:
        """Hand what arrives to `listener`, what came before at once."""
        self._listener = listener
        self._hand_over()

    def pause(self) -> None:
        """Hand over nothing more, from now on; the other side is soon held up."""
        self._paused = True

    def resume(self) -> None:
        """Go on handing over, at once."""
        self._paused = False
        self._hand_over()

    async def read(self) -> bytes:
        """Return the next bytes; b"" once the other side ended. Raises what broke the stream."""
        while not self._chunks:
            if self._ended and self._failure is None:
                return b""
            self._raise_if_broken()
            await self._changed()
        data = self._chunks.popleft()
        self._engine.consumed(self._number, len(data))
        return data

    async def read_datagram(self) -> bytes:
        """Return the next datagram. Raises what broke the stream."""
        return (await self._some_datagrams()).popleft()

    async def read_datagrams(self) -> list[bytes]:
        """Return all datagrams that wait, one at least. Raises what broke the stream."""
        waiting = await self._some_datagrams()
        return [waiting.popleft() for _ in range(len(waiting))]

    async def _some_datagrams(self) -> DropOldest:
        if self._datagrams is None:
            self._datagrams = self._engine.waiting_datagrams()
        while not self._datagrams:
            self._raise_if_broken()
            if self._ended:
                raise TransportClosed("the other side ended the stream")
            await self._changed()
        return self._datagrams

    # -- writing ------------------------------------------------------------------------------------------------------

    def room(self) -> int:
        """Return how many bytes are worth reading for `offer`; 0: the listener's `writable` tells when to go on."""
        return 0 if self._over else self._engine.room(self._number)

    def offer(self, data: bytes) -> int:
        """Write what there is room for; return how many bytes. The listener's `writable` tells when to go on."""
        taken = 0 if self._over else self._engine.write(self._number, data)
        self.bytes_sent += taken
        return taken

    async def write(self, data: bytes) -> None:
        """Write all of it, waiting for room. Raises what broke the stream."""
        at = self.offer(data)
        while at < len(data):
            self._raise_if_broken()
            await self._changed()
            at += self.offer(data[at:])
        self._raise_if_broken()

    def send_datagram(self, data: bytes) -> bool:
        """Send one datagram, or drop it: False for one that is too long, or when the stream is over."""
        sent = not self._over and self._engine.send_datagram(self._number, data)
        self.bytes_sent += len(data) if sent else 0
        return sent

    def carry_datagrams(self) -> bool:
        """Send datagrams beside the connection from now on, each by itself, whenever they get through.

        Both sides have to agree on it when the stream is opened. Until an answer has proved that they get through, on
        paths that take none, and for very long ones, they go in the stream, which keeps their order and waits for what
        was lost. False: they always will.
        """
        return not self._over and self._engine.carry_datagrams(self._number)

    @property
    def datagrams_dropped(self) -> int:
        """How many datagrams were dropped here for want of room, both ways. What a network loses nobody can count."""
        unread = 0 if self._datagrams is None else self._datagrams.dropped
        return unread + self._engine.datagrams_dropped(self._number)

    def end(self) -> None:
        """End our direction after what is written; the other one goes on. Idempotent."""
        if not self._over:
            self._engine.end(self._number)

    def reset(self, reason: Reason = CANCELLED) -> None:
        """Give the stream up at once, both ways. Idempotent."""
        if not self._over:
            self._engine.reset(self._number, reason)
            self._break(TransportClosed("this stream was given up here"))

    async def wait_over(self) -> None:
        """Wait until the stream is over, however it ended."""
        while not self._over:
            await self._changed()

    # -- from the session ---------------------------------------------------------------------------------------------

    def on_accepted(self, payload: bytes) -> None:
        """Take the other side's answer."""
        self._accepted, self._answer = True, payload
        self._wake()

    def on_refused(self, reason: Reason) -> None:
        """Take a refusal."""
        self._break(RefusedError(reason.message, name=reason.name))

    def on_received(self, data: bytes) -> None:
        """Take bytes."""
        self.bytes_received += len(data)
        if self._chunks and len(self._chunks[-1]) + len(data) <= JOINED:
            self._chunks[-1] += data
        else:
            self._chunks.append(data)
        self._hand_over()
        self._wake()

    def on_datagram(self, data: bytes) -> None:
        """Take a datagram; what nobody reads is dropped, the oldest first."""
        self.bytes_received += len(data)
        if self._datagrams is None:
            self._datagrams = self._engine.waiting_datagrams()
        self._datagrams.add(data)
        self._wake()

    def on_ended(self) -> None:
        """Hear that the other side ended its direction."""
        self._ended = True
        self._hand_over()
        self._wake()

    def on_writable(self) -> None:
        """Hear that there is room again."""
        if self._listener is not None:
            self._listener.writable()
        self._wake()

    def on_finished(self) -> None:
        """Hear that both directions have ended."""
        self._over = True
        if self._datagrams is not None:
            self._datagrams.clear()
        self._hand_over()
        self._wake()

    def on_broken(self, error: PeerError) -> None:
        """Hear that the stream, or its connection, broke."""
        self._break(error)

    # -- within -------------------------------------------------------------------------------------------------------

    def _hand_over(self) -> None:
        listener = self._listener
        while self._chunks and not self._paused and listener is not None:
            data = self._chunks.popleft()
            listener.received(data)
            self._engine.consumed(self._number, len(data))
        if listener is None or (self._chunks and self._failure is None):
            return
        if self._ended and not self._told_end and not self._paused:
            self._told_end = True
            listener.ended()
        if self._over and self._listener is not None:
            self._listener = None
            listener.closed(self._failure)

    def _break(self, error: PeerError) -> None:
        if self._over:
            return
        self._over = True
        self._failure = error
        if self._datagrams is not None:
            self._datagrams.clear()
        self._hand_over()
        self._wake()

    def _raise_if_broken(self) -> None:
        if self._failure is not None:
            raise self._failure.again()
        if self._over:
            raise TransportClosed("this stream is closed")

    async def _changed(self) -> None:
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        finally:
            if waiter in self._waiters:
                self._waiters.remove(waiter)

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

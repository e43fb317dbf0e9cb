"""A session: one encrypted connection between two peers, and the byte streams that it carries, on the loop."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from core.aio.allocator import keep_for_bulk
from core.aio.tasks import TaskSet
from core.errors import PeerError, RequestTimeout, TransportClosed
from core.limits.drop_oldest import DropOldest, Room
from core.peer_id import PeerId
from core.rpc.stream import Stream
from core.streams.config import StreamConfig
from core.streams.engine import StreamEngine
from core.streams.events import Finished, Goodbye, Opening, Received, Refused, Reset, StreamEvent
from core.tunnel.datagrams import SessionDatagrams
from core.tunnel.liveness import HURRIED, Liveness
from core.tunnel.stream import ByteStream
from core.tunnel.telling import tell, tell_over
from core.values import Address
from core.wire.stream_frame import DATAGRAM_MAX, Reason

WRITE_BYTES: Final = 128 * 1024 - 4  # handed to the connection at a time: `core.secure.frames.ONCE_BYTES`
OFFER_BYTES: Final = 900  # what a connection may take at once, without a task (`core.secure.stream.OFFER_BYTES`)
LOOKED_AT: Final = 0.01  # seconds after a sign of life is late that somebody looks: clocks and timers are rounded
CLOSING: Final = Reason("ERR_CLOSING", "this peer is closing")

_log = logging.getLogger(__name__)


class Session:
    """Carries streams both ways until the connection ends. The two sides differ only in who connected.

    `on_opening` is handed each stream that the other side opens: it calls `accept` or `refuse` on it, now or later.
    `on_over` is called once, at the end.
    """

    def __init__(
        self,
        connection: Stream,
        *,
        initiator: bool,
        on_opening: Callable[[ByteStream], None],
        on_over: Callable[["Session"], None] = lambda session: None,
        on_silent: Callable[["Session"], None] = lambda session: None,
        config: StreamConfig | None = None,
    ) -> None:
        self._connection = connection
        self.initiator = initiator  # we connected
        self._engine = StreamEngine(initiator=initiator, config=config)
        self._on_opening = on_opening
        self._on_over = on_over
        self._on_silent = on_silent  # called as soon as `doubtful` may be True
        self._streams: dict[int, ByteStream] = {}
        self._loop = asyncio.get_running_loop()
        self._writer = TaskSet(f"session with {connection.remote}")
        self._writing = False
        self._scheduled = False
        self._config = config or StreamConfig()
        self._datagrams = Room(self._config.datagrams_held)  # those that came, and nobody has read
        self._beside = SessionDatagrams(connection, self._on_datagram, initiator=initiator)
        self._held = False  # the connection is paused: readers here are slow
        self._failure: PeerError | None = None
        self._over = asyncio.Event()
        self.used_at = self._loop.time()  # when a stream was last opened, or the last one ended
        self._life = Liveness(self.used_at)
        self.refuses_new = False  # the other side said goodbye, or another session has taken its place

    def start(self) -> None:
        """Begin to listen to the connection."""
        keep_for_bulk()
        self._connection.listen(self)

    def __len__(self) -> int:
        """Return how many streams there are."""
        return len(self._streams)

    @property
    def remote(self) -> Address:
        """The other side, as seen here."""
        return self._connection.remote

    @property
    def peer_id(self) -> PeerId | None:
        """The other side's Peer ID, verified."""
        return self._connection.peer_id

    @property
    def binding(self) -> bytes:
        """What this session has and no other one (RFC 9266); b"" where the connection is not encrypted."""
        found: bytes = getattr(self._connection, "binding", b"")
        return found

    @property
    def over(self) -> bool:
        """Whether the connection has ended."""
        return self._over.is_set()

    @property
    def usable(self) -> bool:
        """Whether streams may be opened."""
        return not self.over and not self.refuses_new

    @property
    def held(self) -> int:
        """Bytes that wait here, of all streams, both ways."""
        if self.over:
            return 0
        behind = sum(stream.behind for stream in self._streams.values())
        return self._engine.held + self._datagrams.used + self._beside.held + behind

    @property
    def heard_at(self) -> float:
        """When something last came, on the loop's clock."""
        return self._life.heard_at

    @property
    def asks(self) -> bool:
        """Whether the other side is to be met again from here: we connected, or opened one of the streams."""
        return self.initiator or any(stream.ours for stream in self._streams.values())

    def doubtful(self) -> bool:
        """Ask for a sign of life where streams wait and nothing comes; True once it is late. Called every second."""
        now = self._loop.time()
        if self.over or self._held or not self._streams:
            return False
        self._ask(self._life.to_ask(now))
        return self._life.late(now)

    def _ask(self, patience: float | None) -> None:
        """Ask for a sign of life, which may take so many seconds; None: it is not time."""
        if patience is None:
            return
        now = self._loop.time()
        self._life.asked(now, patience)
        self._engine.ping(now)
        self._send_soon()
        self._loop.call_later(patience + LOOKED_AT, self._on_silent, self)

    def doubt(self) -> None:
        """Ask for a sign of life at once, and wait for it shortly: we slept, or are on another network."""
        if self.over:
            return
        if not self._streams:
            self.refuses_new = True  # the next stream is worth a new connection
            return
        self._life.suspect(self._loop.time())
        self._ask(HURRIED)

    # -- for users ----------------------------------------------------------------------------------------------------

    def open(self, payload: bytes) -> ByteStream:
        """Open a stream; what is written leaves with the opening. Raises LocalError."""
        number = self._engine.open(payload, self._loop.time())
        stream = self._streams[number] = ByteStream(self, number, payload, ours=True)
        self.used_at = self._loop.time()
        self._ask(self._life.to_ask(self.used_at, waits=True))  # the way may have gone in the silence
        self._send_soon()
        return stream

    async def open_accepted(self, payload: bytes, timeout: float) -> ByteStream:
        """Open a stream and wait until the other side took it. Raises RefusedError, RequestTimeout, TransportClosed."""
        stream = self.open(payload)
        try:
            async with asyncio.timeout(timeout):
                await stream.accepted()
        except TimeoutError:
            stream.reset()
            raise RequestTimeout(f"{self.remote} did not take the stream within {timeout:.3g} s") from None
        except BaseException:
            stream.reset()
            raise
        return stream

    def follow(self, remote: Address) -> None:
        """Go on at the address where this peer was met again, if nothing comes from where it was."""
        follow = getattr(self._connection, "follow", None)
        if follow is not None and not self.over and follow(remote):
            _log.info("the streams with %s go on at %s", self.peer_id, remote)

    def retire(self, error: TransportClosed) -> None:
        """Open nothing further here, and break what the other side has not taken yet; the other streams go on."""
        self.refuses_new = True
        for number, stream in list(self._streams.items()):
            if stream.untaken:
                self.reset(number, Reason(error.name, str(error)))
                stream.on_broken(error.again())

    async def wait_over(self) -> None:
        """Wait until the connection has ended."""
        await self._over.wait()

    async def close(self) -> None:
        """Give up all streams, send what that takes, and end. Idempotent; takes bounded time."""
        if not self.over:
            self._engine.goodbye(CLOSING)
            for stream in list(self._streams.values()):
                stream.reset(CLOSING)
            await self._write_all()
            self._end(TransportClosed("this peer closed the connection"))
        await self._writer.aclose()
        await self._connection.close()

    def abort(self, error: PeerError | None = None) -> None:
        """End at once, without a word. Idempotent."""
        self._connection.abort()
        self._end(error or TransportClosed("the connection was given up here"))

    # -- for streams (`core.tunnel.stream.Engine`) --------------------------------------------------------------------

    def accept(self, number: int, payload: bytes) -> None:
        """Take a stream that the other side opens."""
        self._engine.accept(number, payload)
        self._send_soon()

    def refuse(self, number: int, reason: Reason) -> None:
        """Do not take it."""
        self._engine.refuse(number, reason)
        self._forget(number)
        self._send_soon()

    def write(self, number: int, data: bytes) -> int:
        """Queue bytes; return how many were taken."""
        taken = self._engine.write(number, data)
        if taken:
            self._send_soon()
        return taken

    def room(self, number: int) -> int:
        """Return how many bytes are worth reading for `write`; 0: the stream hears when there is room again."""
        return self._engine.room(number)

    def send_datagram(self, number: int, data: bytes) -> bool:
        """Queue one datagram, beside the connection if that works."""
        if len(data) > DATAGRAM_MAX:
            return False
        if self._beside.send(number, data):
            return True
        queued = self._engine.send_datagram(number, data)
        self._send_soon()
        return queued

    def carry_datagrams(self, number: int) -> bool:
        """Send a stream's datagrams beside the connection from now on, whenever they get through; False: never."""
        return not self.over and self._beside.carry(number)

    def datagrams_dropped(self, number: int) -> int:
        """Return how many datagrams of a stream were dropped for want of room on their way out."""
        return self._engine.datagrams_dropped(number) + self._beside.dropped(number)

    def end(self, number: int) -> None:
        """End our direction of a stream."""
        self._engine.end(number)
        self._send_soon()

    def reset(self, number: int, reason: Reason) -> None:
        """Give a stream up."""
        self._engine.reset(number, reason)
        self._forget(number)
        self._send_soon()

    def consumed(self, number: int, size: int) -> None:
        """Let the other side send as much again."""
        self._engine.consumed(number, size, self._loop.time())
        if self._held and not self._engine.congested:
            self._held = False
            self._life.heard(self._loop.time())  # what came meanwhile was not looked at
            self._loop.call_soon(self._resume)
        self._send_soon()

    def waiting_datagrams(self) -> DropOldest:
        """Return a queue for those of one stream that nobody has read yet."""
        return DropOldest(self._datagrams, self._config.datagrams, self._config.datagram_bytes)

    # -- from the connection (`core.rpc.stream.Listener`) -------------------------------------------------------------

    def received(self, chunk: bytes) -> None:
        """Take bytes of the connection."""
        engine = self._engine
        now = self._loop.time()
        self._life.heard(now)
        engine.receive(chunk, now)
        for event in engine.events():
            self._handle(event)
        if engine.error is not None:
            _log.info("session with %s: %s", self.remote, engine.error)
            self.abort(engine.error)
            return
        if engine.congested and not self._held:
            self._held = True
            self._connection.pause()
        self._send_soon()

    def ended(self, error: PeerError | None) -> None:
        """Hear that the connection is over."""
        self._end(error or TransportClosed(f"{self.remote} closed the connection"))

    # -- within -------------------------------------------------------------------------------------------------------

    def _handle(self, event: StreamEvent) -> None:
        if isinstance(event, Opening):
            stream = self._streams[event.stream] = ByteStream(self, event.stream, event.payload, ours=False)
            self.used_at = self._loop.time()
            self._on_opening(stream)
            return
        if isinstance(event, Goodbye):
            self.refuses_new = True
            return
        handle = self._streams.get(event.stream)
        if handle is None:
            return
        if isinstance(event, Received):
            self._life.data()
            handle.on_received(event.data)
        elif isinstance(event, Refused | Reset | Finished):
            self._forget(event.stream)
            tell_over(handle, event)
        else:
            tell(handle, event)

    def _on_datagram(self, number: int, data: bytes) -> None:
        """Take one that came beside the connection; it may have overtaken the other side's ACCEPT, or its RESET."""
        handle = self._streams.get(number)
        if handle is not None and (handle.ours or handle.taken):
            handle.on_datagram(data)

    def _forget(self, number: int) -> None:
        if self._streams.pop(number, None) is not None:
            self._beside.forget(number)
            self.used_at = self._loop.time()

    def _resume(self) -> None:
        if not self._held and not self.over:
            self._connection.resume()

    def _send_soon(self) -> None:
        """Send at the end of this turn of the loop, so that what is written in it shares records and packets."""
        if not self._scheduled and not self._writing and not self.over:
            self._scheduled = True
            self._loop.call_soon(self._send)

    def _send(self) -> None:
        self._scheduled = False
        if self._writing or self.over:
            return
        data, connection = self._next(), self._connection
        if not data:
            return
        try:
            sent = connection.offer(data) if len(data) <= OFFER_BYTES else connection.put(data, urgent=_ends(data))
        except PeerError as error:
            self._end(error)
            return
        if not sent:
            self._writing = True
            self._writer.spawn(self._write(data), name=f"write to {self.remote}")
        elif self._engine.waiting:
            self._send_soon()  # others have their turn of the loop

    def _next(self) -> bytes:
        parts = self._engine.outgoing(WRITE_BYTES)
        for event in self._engine.events():  # a writer may go on, a stream may have ended
            self._handle(event)
        return b"".join(parts)

    async def _write(self, data: bytes) -> None:
        try:
            while data:
                await self._connection.write(data, boundary=_ends(data))
                data = self._next()
        except PeerError as error:
            self._end(error)
        finally:
            self._writing = False

    async def _write_all(self) -> None:
        """Send what waits, after what is being sent."""
        await self._writer.settle(1.0)
        if not self._writing and not self.over:
            await self._write(self._next())

    def _end(self, error: PeerError) -> None:
        if self.over:
            return
        self._failure = error
        self._over.set()
        self._beside.close()
        streams, self._streams = list(self._streams.values()), {}
        for stream in streams:
            stream.on_broken(error.again())
        self._on_over(self)


def _ends(data: bytes) -> bool:
    """Whether the last bytes leave at once. A full turn is of a bulk stream: more follows, and they fill its packet.

    If nothing follows, they wait for the ack of the bytes before them (RFC 896).
    """
    return len(data) < WRITE_BYTES

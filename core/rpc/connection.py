"""One connection of an RPC client: shared by all requests to one destination, matched by their ids."""

import asyncio
import logging
import math
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from core.aio.clock import clock_of
from core.errors import PeerError, RemoteError, RequestTimeout, TransportClosed
from core.peer_id import PeerId
from core.rpc.config import RpcConfig
from core.rpc.deadlines import Deadline, Deadlines
from core.rpc.feed import Feed
from core.rpc.idle import IdleLimit
from core.rpc.places import Places
from core.rpc.slices import Slices
from core.rpc.stream import Stream
from core.values import Address
from core.wire.rpc_message import LARGE, Decoder, Expect, Malformed, Message, Reply

Connect: TypeAlias = Callable[[Address, float], Awaitable[Stream]]  # (address, seconds) -> Stream, or PeerError
ConnectTo: TypeAlias = Callable[[Address, float, PeerId], Awaitable[Stream]]  # the same, to this peer or to nobody

_log = logging.getLogger(__name__)


Destination: TypeAlias = tuple[Address, PeerId | None]
"""Where a connection leads, and to which peer if that matters. A key of every request: a named tuple costs a call."""


class Connection:
    """Connects when `run`, reads replies until the end. `run` is a task of the client's; `call` is for anybody."""

    def __init__(
        self, to: Destination, connect: Connect, config: RpcConfig, count: Counter[str], slices: Slices
    ) -> None:
        self.to = to
        self.address = to[0]
        self._connect = connect
        self._config = config
        self._count = count
        self._stream: Stream | None = None
        self._failure: PeerError | None = None  # why it is over
        self._ready = asyncio.Event()  # connected, or over
        self._places = Places(config.asked)
        self.loop = asyncio.get_running_loop()
        self.clock = clock_of(self.loop)
        self.pending: dict[str, asyncio.Future[Reply]] = {}
        self.deadlines = Deadlines()  # of requests under way
        self._users = 0  # calls that wait to be sent
        self._slices = slices
        self._idle = IdleLimit(config.client_idle_close, lambda: self._in_use)

    @property
    def usable(self) -> bool:
        """Whether a new call may use it: it is connecting or connected, and the peer has not closed."""
        return self._failure is None

    @property
    def peer_id(self) -> PeerId | None:
        """The other side's Peer ID, verified; None for a plain one, and before it is connected."""
        return None if self._stream is None else self._stream.peer_id

    @property
    def heard_at(self) -> float:
        """When something last came, an acknowledgement too; inf while connecting, and for what cannot tell."""
        return float(getattr(self._stream, "heard_at", math.inf))

    @property
    def idle(self) -> bool:
        """Whether it is connected and no call needs it."""
        return self._stream is not None and not self._in_use

    @property
    def _in_use(self) -> bool:
        return self._users > 0 or bool(self.pending)

    @property
    def connected(self) -> bool:
        """Whether a call would be sent at once."""
        return self._stream is not None and self._failure is None

    async def wait_connected(self) -> None:
        """Wait until it is connected. Raises what ended it, as `call` does."""
        self._users += 1
        try:
            await self._ready.wait()
            self._connected()
        finally:
            self._users -= 1
            self._idle.used()

    def begin(self, rid: str, data: bytes, seconds: float) -> "SentRequest | None":
        """Send a request now, if nothing must be waited for; None: nothing was done, and `call` is the way."""
        stream = self._stream
        if stream is None or self._failure is not None or not self._places.take():
            return None
        if not stream.offer(data, soon=bool(self.pending)):
            self._places.give()
            return None
        return SentRequest(self, rid, seconds)

    async def call(self, rid: str, data: bytes) -> tuple[Reply, float]:
        """Send a request, waiting for what it needs; return its reply and the seconds from sending to it.

        Raises whatever ended the connection: TransportClosed, RemoteError, or what `connect` raised.
        """
        self._users += 1
        try:
            await self._ready.wait()
            await self._places.wait()
        except BaseException:
            self._users -= 1
            raise
        self._users -= 1
        if not self.connected:
            self._places.give()
        stream = self._connected()
        call = SentRequest(self, rid, None)
        try:
            if not stream.offer(data, soon=True):
                await stream.write(data, boundary=True)
            return await call.future, call.took()
        finally:
            call.finish()

    def finished(self, rid: str) -> None:
        """Hear that a `SentRequest` is over: its place is free."""
        self.pending.pop(rid, None)
        self._places.give()
        self._idle.used()

    def _connected(self) -> Stream:
        if self._failure is not None:
            raise _copy(self._failure)
        if self._stream is None:
            raise TransportClosed(f"the connection to {self.address} is not open")
        return self._stream

    async def run(self) -> None:
        """Connect, then read replies until the stream ends, breaks, or is unused for too long."""
        failure: PeerError = TransportClosed(f"the connection to {self.address} was closed")
        ended = False
        try:
            self._stream = await self._connect(self.address, self._config.connect_timeout)
            self._ready.set()
            await self._read(self._stream)
            self.end(failure)  # before close(), which takes time: nobody may use it any more
            await self._stream.close()
            ended = True
        except PeerError as error:
            failure = error
        except Exception as bug:  # or an OSError, of connect: those who wait must hear of it
            _log.error("the connection to %s failed: %r", self.address, bug)
            failure = TransportClosed(f"the connection to {self.address} failed: {bug}")
        finally:
            self.end(failure)
            if self._stream is not None and not ended:
                self._stream.abort()

    async def _read(self, stream: Stream) -> None:
        """Deliver replies until the stream ended or nobody used it for too long."""
        decoder = Decoder(self._config.message_bytes, expect=Expect.REPLIES, large=LARGE)
        async with self._idle:
            await Feed(stream, decoder, self._slices, self._idle, self._take).run()

    def _take(self, message: Message) -> bool:
        if isinstance(message, Reply):
            future = self.pending.get(message.rid)
            if future is None or future.done():
                self._count["late"] += 1
            else:
                future.set_result(message)
        elif isinstance(message, Malformed):
            self._count["malformed"] += message.count
            if message.fatal:
                raise RemoteError(f"{self.address} sent what cannot be read: {message.reason}")
        return True

    def end(self, failure: PeerError) -> None:
        """Make it unusable and fail everybody who waits. Idempotent: the first failure counts."""
        if self._failure is not None:
            return
        self._failure = failure
        self._ready.set()
        for future in self.pending.values():
            if not future.done():
                future.set_exception(_copy(failure))

    async def close(self) -> None:
        """End it, and close the stream; `run` then returns."""
        self.end(TransportClosed(f"the connection to {self.address} was closed here"))
        if self._stream is not None:
            await self._stream.close()


class SentRequest(Deadline):
    """One request on its way: who made it awaits `future`, and then calls `finish`, whatever happened."""

    __slots__ = ("_connection", "_rid", "future", "sent_at")

    def __init__(self, connection: Connection, rid: str, seconds: float | None) -> None:
        """Begin; a place was taken for it. After `seconds` the future fails with RequestTimeout."""
        super().__init__()
        self._connection = connection
        self._rid = rid
        loop = connection.loop
        self.sent_at = connection.clock()  # seconds, on the loop's clock
        self.future: asyncio.Future[Reply] = asyncio.Future(loop=loop)  # as `create_future` does, by two calls more
        connection.pending[rid] = self.future
        if seconds is not None:
            connection.deadlines.begin(self, seconds, loop)

    def expire(self) -> None:
        """See `Deadline`."""
        if not self.future.done():
            self.future.set_exception(timed_out(self._connection.address, self.seconds))

    def took(self) -> float:
        """Return the seconds since it was sent."""
        return self._connection.clock() - self.sent_at

    def finish(self) -> None:
        """Forget it."""
        self._connection.deadlines.lift(self)
        if self.future.done() and not self.future.cancelled():
            self.future.exception()  # retrieved: writing may have raised before it was awaited
        self._connection.finished(self._rid)


def timed_out(address: Address, seconds: float) -> RequestTimeout:
    """Return the error of a request that was not answered in the `seconds` allowed."""
    return RequestTimeout(f"{address} did not answer within {round(seconds, 2):g} s")


def _copy(error: PeerError) -> PeerError:
    """Return an equal error: one object raised in several tasks would gather all their tracebacks."""
    return type(error)(str(error), name=error.name)

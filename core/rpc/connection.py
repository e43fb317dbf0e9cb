"""One connection of an RPC client: shared by all requests to one destination, matched by their ids."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from core.errors import PeerError, RemoteError, TransportClosed
from core.rpc.config import RpcConfig
from core.rpc.idle import IdleLimit
from core.rpc.slices import Slices
from core.rpc.stream import Stream
from core.values import Address
from core.wire.rpc_message import LARGE, Decoder, Expect, Large, Malformed, Reply

Connect: TypeAlias = Callable[[Address, float], Awaitable[Stream]]  # (destination, seconds) -> Stream, or PeerError

_log = logging.getLogger(__name__)


class Connection:
    """Connects when `run`, reads replies until the end. `run` is a task of the client's; `call` is for anybody."""

    def __init__(
        self, address: Address, connect: Connect, config: RpcConfig, count: Counter[str], slices: Slices
    ) -> None:
        self.address = address
        self._connect = connect
        self._config = config
        self._count = count
        self._stream: Stream | None = None
        self._failure: PeerError | None = None  # why it is over
        self._ready = asyncio.Event()  # connected, or over
        self._places = asyncio.Semaphore(config.in_flight)
        self._pending: dict[str, asyncio.Future[Reply]] = {}
        self._users = 0  # calls that wait for anything
        self._slices = slices
        self._idle = IdleLimit(config.client_idle_close, lambda: self._users > 0)

    @property
    def usable(self) -> bool:
        """Whether a new call may use it: it is connecting or connected, and the peer has not closed."""
        return self._failure is None

    @property
    def idle(self) -> bool:
        """Whether it is connected and no call needs it."""
        return self._stream is not None and not self._users

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

    async def call(self, rid: str, data: bytes) -> tuple[Reply, float]:
        """Send a request; return its reply and the seconds from sending to it.

        Raises whatever ended the connection: TransportClosed, RemoteError, or what `connect` raised.
        """
        loop = asyncio.get_running_loop()
        self._users += 1
        try:
            await self._ready.wait()
            async with self._places:
                stream = self._connected()
                future = self._pending[rid] = loop.create_future()
                sent_at = loop.time()
                try:
                    await stream.write(data, boundary=True)
                    return await future, loop.time() - sent_at
                finally:
                    self._pending.pop(rid, None)
                    if future.done() and not future.cancelled():
                        future.exception()  # retrieved: write may have raised before it was awaited
        finally:
            self._users -= 1
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
        except Exception as error:  # an OSError, or a bug, of connect: those who wait must hear of it
            _log.error("the connection to %s failed: %r", self.address, error)
            failure = TransportClosed(f"the connection to {self.address} failed: {error}")
        finally:
            self.end(failure)
            if self._stream is not None and not ended:
                self._stream.abort()

    async def _read(self, stream: Stream) -> None:
        """Deliver replies until the stream ended or nobody used it for too long."""
        decoder = Decoder(self._config.message_bytes, expect=Expect.REPLIES, large=LARGE)
        async with self._idle:
            while chunk := await stream.read():
                for message in decoder.feed(chunk):
                    if isinstance(message, Large):
                        message = await self._slices.run(decoder.read_steps(message))
                    if isinstance(message, Reply):
                        self._deliver(message)
                    elif isinstance(message, Malformed):
                        self._count["malformed"] += message.count
                        if message.fatal:
                            raise RemoteError(f"{self.address} sent what cannot be read: {message.reason}")

    def _deliver(self, reply: Reply) -> None:
        future = self._pending.pop(reply.rid, None)
        if future is None or future.done():
            self._count["late"] += 1
            return
        future.set_result(reply)

    def end(self, failure: PeerError) -> None:
        """Make it unusable and fail everybody who waits. Idempotent: the first failure counts."""
        if self._failure is not None:
            return
        self._failure = failure
        self._ready.set()
        for future in self._pending.values():
            if not future.done():
                future.set_exception(_copy(failure))

    async def close(self) -> None:
        """End it, and close the stream; `run` then returns."""
        self.end(TransportClosed(f"the connection to {self.address} was closed here"))
        if self._stream is not None:
            await self._stream.close()


def _copy(error: PeerError) -> PeerError:
    """Return an equal error: one object raised in several tasks would gather all their tracebacks."""
    return type(error)(str(error), name=error.name)

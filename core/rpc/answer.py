"""One request that is answered by a task: wait for the handler, encode the result, send the reply.

The request counts until its reply has left, and what it holds meanwhile is counted where it is held.
"""

import asyncio
import logging
from collections.abc import Awaitable, Coroutine
from typing import TYPE_CHECKING, Final, TypeAlias

from core.aio.clock import clock_of
from core.errors import LocalError, PayloadError, PeerError, TransportClosed
from core.rpc.deadlines import Limit
from core.rpc.memory import REPLIES, RESULTS, Held, Standing, weigh
from core.rpc.received import Overdrawn, Received
from core.wire.json_dump import encode_small
from core.wire.rpc_message import encode_error, encode_result, encode_result_steps, is_large

if TYPE_CHECKING:
    from core.rpc.incoming import Incoming

EncodedReply: TypeAlias = tuple[bytes, str | None]  # the message, and its error text if it is one

_MAX_ERROR: Final = 1000  # characters of an error text that is sent; a sentence has a hundred
OVERDRAWN: Final = "the answers to you hold as much memory here as they may: take them, or ask for less at a time"
_log = logging.getLogger(__name__)


class Answer:
    """The end of one request. `whose`: a place was taken for them; `payload`: what was counted for it so far."""

    def __init__(
        self, incoming: "Incoming", rid: str, key: str, call: Received, began: float, whose: Standing, payload: Held
    ) -> None:
        self._incoming = incoming
        self._server = incoming.server
        self._rid = rid
        self._key = key
        self._call = call
        self._began = began  # seconds
        self._seconds: float | None = None  # until there was an answer
        self._whose = whose
        self._payload = payload
        self._ended = False
        self._text = 0  # bytes of JSON that the result will be, about
        self._result = Held(self._server.memory, RESULTS, whose)
        self._reply = Held(self._server.memory, REPLIES, whose)
        self._clock = clock_of(asyncio.get_running_loop())

    async def run(self, reply: EncodedReply | Awaitable[object]) -> None:
        """Send the reply, or wait for what it will be."""
        error: str | None = TransportClosed.name
        sent = 0
        try:
            error, sent = await (self._send(*reply) if isinstance(reply, tuple) else self._wait(reply))
        except TransportClosed:
            pass  # the connection ends
        finally:
            self.end(error, sent)

    def end(self, error: str | None = TransportClosed.name, sent: int = 0) -> None:
        """Give everything back, and tell how it ended. Idempotent: a task that is cancelled may never have begun."""
        if self._ended:
            return
        self._ended = True
        for held in (self._payload, self._result, self._reply):
            held.let_go()
        self._incoming.finished(self._whose)
        seconds = self._clock() - self._began if self._seconds is None else self._seconds
        self._server.report(self._call, seconds, error, sent)

    async def _wait(self, result: Awaitable[object]) -> tuple[str | None, int]:
        """Wait for the handler, for as long as it may take, and send what it found."""
        config = self._server.config
        if not self._server.memory.may_hold_another(self._whose):
            if isinstance(result, Coroutine):
                result.close()
            return await self._send(*refusal(self._rid, self._key, Overdrawn(OVERDRAWN)))
        try:
            with Limit(self._server.deadlines, config.handler_timeout) as limit:
                value = await result
        except asyncio.CancelledError as failure:
            task = asyncio.current_task()
            if task is None or task.cancelling():  # else it is something inside the handler that was cancelled
                raise
            return await self._send(*refusal(self._rid, self._key, failure))
        except Exception as failure:
            if not limit.expired:
                return await self._send(*refusal(self._rid, self._key, failure))
            error = f"ERR_TIMEOUT: the service took longer than {config.handler_timeout:g} s"
            return await self._send(encode_error(self._rid, error), error)
        self._payload.let_go()
        small = encode_small([self._rid, None, value], config.message_bytes)
        if small is not None:
            return await self._send(small, None)
        if not is_large(value):
            return await self._send(*self._encoded(value))
        size, self._text = weigh(value)
        self._server.memory.expect(self._whose, size)
        if not self._result.grow(size):
            del value
            return await self._send(*refusal(self._rid, self._key, Overdrawn(OVERDRAWN)))
        box: list[object] = [value]
        del value  # else a frame that waits below would hold it as well
        return await self._send_large(box)

    async def _send_large(self, box: list[object]) -> tuple[str | None, int]:
        """Encode and send the one value in `box`, which is then empty; of one connection one after the other."""
        try:
            async with self._incoming.large:
                reply = await self._encoded_slowly(box)
                self._result.let_go()
                return await self._send(*reply)
        finally:
            box.clear()

    def _encoded(self, value: object) -> EncodedReply:
        try:
            return encode_result(self._rid, value, max_bytes=self._server.config.message_bytes), None
        except Exception as failure:
            return refusal(self._rid, self._key, failure)

    async def _encoded_slowly(self, box: list[object]) -> EncodedReply:
        whose, most = self._whose, self._server.config.message_bytes
        size = self._result.amount
        if not self._result.grow(size + min(most, self._text)):
            box.clear()
            return refusal(self._rid, self._key, Overdrawn(OVERDRAWN))
        try:
            steps = encode_result_steps(self._rid, box.pop(), max_bytes=most)
            return await self._server.slices.run(steps, whose.owner, trusted=whose.trusted), None
        except Exception as failure:
            return refusal(self._rid, self._key, failure)

    async def _send(self, data: bytes, error: str | None) -> tuple[str | None, int]:
        """Send a reply, at once or when the caller takes it; return its error text and size."""
        if self._seconds is None:
            self._seconds = self._clock() - self._began
        if self._incoming.offer(data):
            return error, len(data)
        if error is None and not self._reply.grow(len(data)):
            return await self._send(*refusal(self._rid, self._key, Overdrawn(OVERDRAWN)))
        await self._incoming.write(data)
        return error, len(data)


def refusal(rid: str, key: str, failure: BaseException) -> EncodedReply:
    """Return the reply that tells of a failure what the caller may know of it."""
    error = error_text(key, failure)
    return encode_error(rid, error), error


def error_text(key: str, failure: BaseException) -> str:
    """Return what a caller may know of a failure: a name, of our own errors with their sentence."""
    match failure:
        case PayloadError() | LocalError():
            return f"{failure.name}: {failure}"[:_MAX_ERROR]
        case PeerError():
            return failure.name
        case asyncio.CancelledError():
            return "ERR_INTERNAL"
        case _:
            _log.error("the handler of %r failed: %r", key, failure)
            return "ERR_INTERNAL"

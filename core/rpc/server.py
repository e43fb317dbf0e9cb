"""Answering requests that come over accepted streams.

Each connection is one task group: a reader, and a task per request, so that a slow handler holds up nobody. A handler
that is a plain function may answer at once: no task is needed then, and the reply leaves within the wake-up that
brought the request. Replies leave as they are ready, each in a packet of its own (PROTOCOL section 6). When the
connection breaks, or `serve` is cancelled, everything that runs for it is cancelled too.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import TypeAlias

from core.errors import LocalError, PayloadError, PeerError, RemoteError, TransportClosed
from core.peer_id import PeerId
from core.rpc.config import RpcConfig
from core.rpc.deadlines import Deadlines, Limit
from core.rpc.feed import Feed
from core.rpc.idle import IdleLimit
from core.rpc.places import Places
from core.rpc.slices import Slices
from core.rpc.stream import Stream
from core.values import Caller, JsonValue, Outcome
from core.wire.rpc_message import (
    LARGE,
    Decoder,
    Expect,
    Malformed,
    Message,
    Request,
    encode_error,
    encode_result,
    encode_result_steps,
    is_large,
)

Handler: TypeAlias = Callable[[str, JsonValue, Caller], Outcome]  # (key, payload, caller)
# (key, caller, seconds, error or None, bytes of the request, bytes of the reply: 0 when it could not be sent)
OnServed: TypeAlias = Callable[[str, Caller, float, str | None, int, int], None]

_Reply: TypeAlias = tuple[bytes, str | None]  # the message, and its error text if it is one

_SPELL = 0.004  # seconds in which half the time, at most, goes to answering at once: a window's loop must have its turn
_MAX_ERROR = 1000  # characters of an error text that is sent; a sentence has a hundred
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RpcServerStatistics:
    """`connections` and `in_flight` are now; the others count since the server was made."""

    connections: int
    in_flight: int
    refused_connections: int  # over a limit
    served: int  # answered with a result
    failed: int  # answered with an error, or not deliverable
    malformed: int  # values that were no requests


class RpcServer:
    """Answers requests by `handler`. Which limits hold, and what happens beyond them, is in `RpcConfig`.

    Big messages are read and written in slices (`core.rpc.slices`); a handler must not change what it returned.

    The handler's PayloadError and LocalError go to the caller as "<NAME>: <sentence>", any other PeerError as its name,
    a handler over its time as ERR_TIMEOUT, a result that is no JSON or too large by the name of that error, and
    anything else as ERR_INTERNAL; that one is logged.
    """

    def __init__(self, handler: Handler, config: RpcConfig | None = None, *, on_served: OnServed | None = None) -> None:
        self.handler = handler
        self.config = config or RpcConfig()
        self.count: Counter[str] = Counter()
        self.places = Places(self.config.in_flight_total)
        self.deadlines = Deadlines()  # of handlers
        self.slices = Slices()
        self.streams: set[Stream] = set()  # being served
        self._on_served = on_served
        self._hosts: Counter[str] = Counter()
        self._spell_at = self._spell_spent = 0.0

    async def serve(self, stream: Stream, admit: Callable[[], Awaitable[Stream]] | None = None) -> None:
        """Answer the requests of one accepted stream until it ends; closes it. Raises nothing for what a peer does.

        `admit` returns what the stream turns out to carry, or raises PeerError: then it is not served. Run this as a
        task of its own; cancelling resets the stream.
        """
        host = stream.remote.host
        full = self._hosts.total() >= self.config.connections
        if full or self._hosts[host] >= self.config.connections_per_host:
            self.count["refused"] += 1
            stream.abort()
            return
        self._hosts[host] += 1
        try:
            await _Connection(self, stream if admit is None else await admit()).run()
        except BaseException as failure:
            stream.abort()
            if not isinstance(failure, PeerError):
                raise
        finally:
            self._hosts[host] -= 1
            if not self._hosts[host]:
                del self._hosts[host]

    def hang_up(self, on: Callable[[PeerId], bool]) -> None:
        """Reset the connections of those peers for whose ID `on` returns True."""
        for stream in tuple(self.streams):
            if stream.peer_id is not None and on(stream.peer_id):
                stream.abort()

    def may_answer_at_once(self, now: float) -> bool:
        """Tell whether a handler may run within the socket's wake-up, not in a task of its own."""
        if now >= self._spell_at + _SPELL:
            self._spell_at, self._spell_spent = now, 0.0
        return self._spell_spent < _SPELL / 2

    def answered_at_once(self, seconds: float) -> None:
        """Note how long that took."""
        self._spell_spent += seconds

    def report(self, request: Request, caller: Caller, seconds: float, error: str | None, reply_bytes: int) -> None:
        """Count an answered request and tell the listener."""
        self.count["served" if error is None else "failed"] += 1
        if self._on_served is None:
            return
        try:
            self._on_served(request.key, caller, seconds, error, request.size, reply_bytes)
        except Exception as failure:  # a listener's bug must not cost the caller its connection
            _log.error("listening to a served request failed: %r", failure)

    def statistics(self) -> RpcServerStatistics:
        """Return the counts so far."""
        return RpcServerStatistics(
            connections=self._hosts.total(),
            in_flight=self.count["in_flight"],
            refused_connections=self.count["refused"],
            served=self.count["served"],
            failed=self.count["failed"],
            malformed=self.count["malformed"],
        )


class _Connection:
    """One accepted stream and the requests under way on it."""

    def __init__(self, server: RpcServer, stream: Stream) -> None:
        self._server = server
        self._config = server.config
        self._stream = stream
        self._places = Places(server.config.in_flight)
        self._in_flight = 0
        self._idle = IdleLimit(server.config.idle_close, lambda: self._in_flight > 0 or self._feed.busy)
        decoder = Decoder(server.config.message_bytes, expect=Expect.REQUESTS, large=LARGE)
        self._feed = Feed(stream, decoder, server.slices, self._idle, self._take, self._take_later)
        self._group = asyncio.TaskGroup()
        self._loop = asyncio.get_running_loop()

    async def run(self) -> None:
        """Read requests and answer them until the stream ends, then finish those under way and close."""
        whole = False
        self._server.streams.add(self._stream)
        try:
            async with self._group, self._idle:
                await self._feed.run()
            whole = True
            await self._stream.close()
        except* (TransportClosed, RemoteError):
            pass  # gone, or it sent what cannot be read on; the handlers are cancelled
        finally:
            self._server.streams.discard(self._stream)
            if not whole:
                self._stream.abort()

    def _take(self, message: Message) -> bool:
        """Start a request if there is a place for it."""
        if isinstance(message, Request):
            if not self._places.take():
                return False  # nothing is read while all are taken: that is the back-pressure
            if not self._server.places.take():
                self._places.give()
                return False
            self._start(message)
        elif isinstance(message, Malformed):
            self._server.count["malformed"] += message.count
            if message.fatal:
                raise RemoteError(message.reason)
        return True

    async def _take_later(self, message: Message) -> None:
        """Start a request once there is a place for it."""
        await self._places.wait()
        try:
            await self._server.places.wait()
        except BaseException:
            self._places.give()
            raise
        if isinstance(message, Request):
            self._start(message)

    def _start(self, request: Request) -> None:
        """Answer a request: at once if its handler does, else by a task."""
        self._in_flight += 1
        self._server.count["in_flight"] += 1
        began = self._loop.time()
        reply = self._at_once(request) if self._server.may_answer_at_once(began) else self._call(request)
        soon = self._in_flight > 1 or self._feed.busy  # more replies follow at once: they share packets
        if isinstance(reply, tuple) and self._stream.offer(reply[0], soon=soon):
            self._finished()
            seconds = self._loop.time() - began
            self._server.answered_at_once(seconds)
            self._server.report(request, self._caller(), seconds, reply[1], len(reply[0]))
            return
        task = self._group.create_task(self._answer(request, began, reply), name="rpc request")
        if isinstance(reply, Coroutine):
            task.add_done_callback(lambda _: reply.close())  # of a task that was cancelled before it began

    def _at_once(self, request: Request) -> _Reply | Awaitable[JsonValue]:
        """Call the handler and return the reply, or what is to be awaited for it."""
        try:
            outcome = self._server.handler(request.key, request.payload, self._caller())
            if isinstance(outcome, Awaitable):
                return outcome
            if is_large(outcome):
                return _ready(outcome)
            return encode_result(request.rid, outcome, max_bytes=self._config.message_bytes), None
        except (Exception, asyncio.CancelledError) as failure:
            return self._refusal(request, failure)

    async def _call(self, request: Request) -> JsonValue:
        """Call the handler within a task."""
        outcome = self._server.handler(request.key, request.payload, self._caller())
        return await outcome if isinstance(outcome, Awaitable) else outcome

    async def _answer(self, request: Request, began: float, reply: _Reply | Awaitable[JsonValue]) -> None:
        try:
            data, error = reply if isinstance(reply, tuple) else await self._outcome(request, reply)
            seconds = self._loop.time() - began
            if not self._stream.offer(data, soon=self._in_flight > 1):
                await self._write(request, data, seconds)
            self._server.report(request, self._caller(), seconds, error, len(data))
        except asyncio.CancelledError:
            seconds = self._loop.time() - began
            self._server.report(request, self._caller(), seconds, TransportClosed.name, 0)
            raise
        finally:
            self._finished()

    def _caller(self) -> Caller:
        return Caller(self._stream.remote, self._stream.peer_id)  # it may have moved: its NAT restarted

    def _finished(self) -> None:
        self._idle.used()
        self._in_flight -= 1
        self._server.count["in_flight"] -= 1
        self._places.give()
        self._server.places.give()

    async def _write(self, request: Request, data: bytes, seconds: float) -> None:
        """Send a reply that must wait. Raises TransportClosed, which ends the connection."""
        try:
            async with asyncio.timeout(self._config.write_timeout):
                await self._stream.write(data, boundary=True)
        except (TransportClosed, TimeoutError) as failure:
            self._server.report(request, self._caller(), seconds, TransportClosed.name, 0)
            gone = TransportClosed("the caller is gone, or does not read")
            self._feed.fail(gone)  # at once: the group takes nothing more from here on
            raise gone from failure

    async def _outcome(self, request: Request, result: Awaitable[JsonValue]) -> _Reply:
        """Wait for the handler, for as long as it may take, and return the reply."""
        try:
            with Limit(self._server.deadlines, self._config.handler_timeout) as limit:
                value = await result
            return await self._encode(request.rid, value), None
        except asyncio.CancelledError as failure:
            task = asyncio.current_task()
            if task is None or task.cancelling():  # else it is something inside the handler that was cancelled
                raise
            return self._refusal(request, failure)
        except Exception as failure:
            if not limit.expired:
                return self._refusal(request, failure)
        error = f"ERR_TIMEOUT: the service took longer than {self._config.handler_timeout:g} s"
        return encode_error(request.rid, error), error

    def _refusal(self, request: Request, failure: BaseException) -> _Reply:
        """Return the reply that tells of a failure no more than the caller may know."""
        match failure:
            case PayloadError() | LocalError():
                error = f"{failure.name}: {failure}"[:_MAX_ERROR]
            case PeerError():
                error = failure.name
            case asyncio.CancelledError():
                error = "ERR_INTERNAL"
            case _:
                _log.error("the handler of %r failed: %r", request.key, failure)
                error = "ERR_INTERNAL"
        return encode_error(request.rid, error), error

    async def _encode(self, rid: str, result: JsonValue) -> bytes:
        max_bytes = self._config.message_bytes
        if is_large(result):
            return await self._server.slices.run(encode_result_steps(rid, result, max_bytes=max_bytes))
        return encode_result(rid, result, max_bytes=max_bytes)


async def _ready(value: JsonValue) -> JsonValue:
    return value

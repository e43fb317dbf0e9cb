"""One accepted stream: the requests that come on it, and what it holds in memory."""

import asyncio
import logging
from collections.abc import Awaitable, Coroutine
from typing import TYPE_CHECKING

from core.aio.clock import clock_of
from core.errors import PeerError, RemoteError, TransportClosed
from core.limits import bounds
from core.rpc.answer import OVERDRAWN, Answer, EncodedReply, refusal
from core.rpc.feed import Feed
from core.rpc.idle import IdleLimit
from core.rpc.memory import BUFFERS, INPUT, PAYLOADS, Held, Standing
from core.rpc.progress import Progress
from core.rpc.reading import TurnedAway, read_to_end
from core.rpc.received import Overdrawn, Received
from core.rpc.stream import Lodger, Stream
from core.services.service import AT_ONCE
from core.values import Caller, JsonValue
from core.wire.json_dump import encode_small
from core.wire.rpc_message import (
    LARGE,
    Decoder,
    Expect,
    Malformed,
    Message,
    Request,
    encode_error,
    encode_result,
    is_large,
)

if TYPE_CHECKING:
    from core.rpc.server import RpcServer

_log = logging.getLogger(__name__)


class Incoming:
    """One accepted stream and the requests under way on it. `run` is its task; `evict` ends it for a newcomer."""

    def __init__(self, server: "RpcServer", stream: Stream, standing: Standing) -> None:
        self.server = server
        self.stream = stream
        self.standing = standing
        self.large = asyncio.Lock()  # who writes a large reply, and encodes it: the others wait as what they are
        self.in_flight = 0
        self._config = server.config
        self._loop = asyncio.get_running_loop()
        self._clock = clock_of(self._loop)
        self._opened_at = self._used_at = self._clock()  # seconds; used: a request came
        self._looked_at = self._opened_at
        self._lodger: Lodger | None = None  # serves it instead
        self._asked = False  # a request has come
        self._writing = 0  # replies that wait for the caller's window
        self._written = 0  # bytes of them, which are counted as replies
        self._turn: asyncio.Future[None] | None = None  # the feed waits for a place of this connection
        self._input = Held(server.memory, INPUT, standing)
        self._buffers = Held(server.memory, BUFFERS, standing)
        self._coming, self._leaving = Progress(bounds.STALL_TIME), Progress(server.config.write_timeout)
        self._decoder = Decoder(standing.message_bytes, expect=Expect.REQUESTS, large=LARGE)
        self._idle = IdleLimit(self._config.idle_close, lambda: self.in_flight > 0 or self._feed.busy)
        self._feed = Feed(
            stream, self._decoder, server.slices, self._idle, self._take, self._take_later,
            whose=lambda: self.standing, weigh=self._weigh,
        )  # fmt: skip
        self._group = asyncio.TaskGroup()

    async def run(self, stream: Stream) -> None:
        """Read requests until the stream ends, then finish those under way and close.

        `stream` is the accepted one, or the session that it turned out to carry.
        """
        self.stream = stream
        self._stand(self.server.standing(self.caller()))
        whole = False
        try:
            whole = await read_to_end(self._group, self._idle, self._feed, stream)
        finally:
            self._input.let_go()
            if not whole:
                stream.abort()
        if whole:
            await stream.close()

    async def lend(self, stream: Stream, lodger: Lodger) -> None:
        """Keep the place for something else that is served on this stream, for as long as that takes."""
        self.stream = stream
        self._lodger = lodger
        self._stand(self.server.standing(self.caller()))
        self.server.connections.asked(self)
        await lodger.serve()

    def caller(self) -> Caller:
        """Return who is there, where it is now: its NAT may have restarted."""
        return Caller(self.stream.remote, self.stream.peer_id)

    # -- places and memory ------------------------------------------------------------------------------------------

    def spared(self) -> bool:
        """Return whether it works on a request, or had one just now."""
        if self._lodger is not None:
            return self._lodger.idle() < bounds.SPARED
        return self.in_flight > 0 or self._clock() < self._used_at + bounds.SPARED

    def evict(self) -> None:
        """End at once: another needs the place."""
        _log.debug("%s makes room: %s", self.stream.remote, "unused" if self._asked else "it never asked anything")
        self.stream.abort()

    def let_go(self) -> None:
        """Hold nothing, and be held by nothing of its own: it is over.

        Else each connection would be a circle of 45 objects, and a flood of them a pause of 100 ms for the collector.
        """
        self._input.let_go()
        self._buffers.let_go()
        self._feed.let_go()
        self._idle.let_go()
        self._group = asyncio.TaskGroup()  # the old one has the errors, with where they were raised
        self._lodger = None

    @property
    def buffered(self) -> int:
        """Bytes of the stream's buffers, as last looked at."""
        return self._buffers.amount

    def look(self, now: float, *, loaded: bool) -> None:
        """See to it that it does not stall, and count what its stream holds; `loaded`: places are scarce."""
        if self.stream.peer_id is not None or not self.standing.trusted:
            self._stand(self.server.standing(self.caller()))
        unsent, unread = self.stream.buffered()
        if self._lodger is not None:
            self._look_at(self._lodger, unsent + unread, loaded=loaded)
            return
        size = max(0, unsent - self._written) + unread
        self._buffers.set(size if size > bounds.FREE_BYTES else 0, self.standing)
        if self._decoder.held and self._used_at >= self._looked_at:  # a request was whole since: this is another one
            self._coming.stop()
            self._coming.start(now)
        self._looked_at = now
        if self._leaving.stalled(unsent, now):
            self._cut("it takes nothing of what it asked for")
        elif self._coming.stalled(-self._decoder.held, now):
            self._cut("it does not go on with its message")
        elif loaded and not self.standing.trusted and not self.in_flight:
            since, most = self._opened_at, bounds.SILENT_TIME_LOADED
            if self._asked:
                since, most = self._used_at, bounds.IDLE_TIME_LOADED
            if now - since >= most:
                self.server.connections.evict(self)

    def _look_at(self, lodger: Lodger, buffered: int, *, loaded: bool) -> None:
        """Count what a lodger holds with the stream's buffers; while places are scarce, a stranger's uses its own."""
        size = buffered + lodger.held()
        self._buffers.set(size if size > bounds.FREE_BYTES else 0, self.standing)
        if loaded and not self.standing.trusted and lodger.idle() >= bounds.IDLE_TIME_LOADED:
            self.server.connections.evict(self)

    def _stand(self, standing: Standing) -> None:
        """Take what the caller may hold now; its owner may have changed that."""
        before = self.standing
        if standing == before:
            return
        self.standing = standing
        self._decoder.max_bytes = standing.message_bytes
        self._input.set(self._input.amount, standing)
        if standing.trusted:
            self.server.connections.trust(self, standing.owner)
            self.stream.keep()
        elif before.trusted:
            self.server.connections.doubt(self, standing.owner)

    def _cut(self, why: str) -> None:
        _log.debug("%s is cut off: %s", self.stream.remote, why)
        self._leaving.stop()
        self._coming.stop()
        gone = TransportClosed(f"the caller is gone: {why}")
        self._feed.fail(gone.again())  # at once: nothing more is taken from here on
        self._group.create_task(_fail(gone), name="rpc cut off")  # which ends whatever the group waits for

    def _weigh(self, size: int) -> None:
        """Count what is not read yet: an unfinished message, and whole ones that wait to be read."""
        if not self._input.grow(0 if size <= bounds.FREE_BYTES else size):
            reason = "too much that is not finished comes from you: send less at a time"
            self._turn_away(self._decoder.give_up(), f"{Overdrawn.name}: {reason}", reason)
        if self._decoder.held:
            self._coming.start(self._clock())
        else:
            self._coming.stop()

    def _turn_away(self, rid: str, error: str, reason: str) -> None:
        """Stop reading this connection, and say why if it is known to which request."""
        self._input.let_go()
        self._coming.stop()
        _log.debug("%s is turned away: %s", self.stream.remote, reason)
        if rid and self.stream.offer(encode_error(rid, error)):
            self.server.count["failed"] += 1
            raise TurnedAway(reason)
        raise RemoteError(reason)

    # -- requests ---------------------------------------------------------------------------------------------------

    def _take(self, message: Message) -> bool:
        """Start a request if there is a place for it, and the caller takes what it was answered."""
        if isinstance(message, Request):
            owner, trusted, _ = self.standing
            if self._full() or not self.server.places.free(owner, trusted=trusted):
                return False  # nothing is read while all are taken: that is the back-pressure
            if not trusted and not self.server.may_answer_at_once(self._clock()):
                return False  # a burst of many hosts is begun bit by bit, with everybody's turns between
            self._start(message, None)
        elif isinstance(message, Malformed):
            self.server.count["malformed"] += message.count
            if message.fatal:
                self._turn_away(message.rid, f"ERR_MESSAGE_SIZE: {message.reason}", message.reason)
        return True

    async def _take_later(self, message: Message) -> None:
        """Start a request once there is a place for it."""
        while self._full():
            self._turn = self._loop.create_future()
            await self._turn
        whose = self.standing
        await self.server.places.wait(whose.owner, trusted=whose.trusted)
        if not isinstance(message, Request):
            self.server.places.give(whose.owner)
        elif whose.trusted:
            self._start(message, whose)
        else:
            await self._start_in_turn(message, whose)

    async def _start_in_turn(self, request: Request, whose: Standing) -> None:
        """Start a stranger's request when it is its host's turn."""
        try:
            await self.server.turns.wait(whose.owner)
        except BaseException:
            self.server.places.give(whose.owner)
            raise
        try:
            await self.server.turn()
        except BaseException:
            self.server.places.give(whose.owner)
            raise
        else:
            self._start(request, whose)
        finally:
            self.server.turns.give(whose.owner)

    def _full(self) -> bool:
        return self.in_flight >= self._config.in_flight or self._writing > 0

    def _start(self, request: Request, whose: Standing | None) -> None:
        """Answer a request: at once if its handler does, else by a task. `whose`: for them a place was taken."""
        server = self.server
        if not self._asked:
            self._asked = True
            server.connections.asked(self)
        self.in_flight += 1
        server.in_flight += 1
        self._used_at = began = self._clock()
        call = server.receive(request.key, request.payload, self.caller(), request.size)
        payload = Held(server.memory, PAYLOADS, self.standing)
        reply = self._begin(request, call, payload, began)
        feed = self._feed
        soon = self.in_flight > 1 or feed.following or feed.busy  # more replies follow at once: they share packets
        if isinstance(reply, tuple) and self.stream.offer(reply[0], soon=soon):
            payload.let_go()
            self.finished(whose)
            seconds = self._clock() - began
            server.answered_at_once(seconds)
            server.report(call, seconds, reply[1], len(reply[0]))
            return
        if whose is None:
            whose = self.standing
            server.places.charge(whose.owner)
        answer = Answer(self, request.rid, request.key, call, began, whose, payload)
        task = self._group.create_task(answer.run(reply), name="rpc request")
        server.spent(self._clock() - began)
        task.add_done_callback(lambda _: _over(answer, reply))  # it may have been cancelled before it began

    def _begin(
        self, request: Request, call: Received, payload: Held, began: float
    ) -> "EncodedReply | Awaitable[object]":
        """Call the handler and return the reply, or what is to be awaited for it."""
        size = request.size
        if size > bounds.FREE_BYTES and not payload.grow(size * bounds.PAYLOAD_FACTOR):
            sentence = "your requests hold as much memory here as they may: wait for one to end"
            return refusal(request.rid, request.key, Overdrawn(sentence))
        if not self.server.may_answer_at_once(began):
            return _later(call, request.payload)
        try:
            outcome: object = call.answer(request.payload)  # whatever a service made: the writer judges it
            if type(outcome) not in AT_ONCE and isinstance(outcome, Awaitable):
                if self.server.memory.may_hold_another(self.standing):
                    return outcome
                if isinstance(outcome, Coroutine):
                    outcome.close()
                return refusal(request.rid, request.key, Overdrawn(OVERDRAWN))
            small = encode_small([request.rid, None, outcome], self._config.message_bytes)
            if small is not None:
                return small, None
            if is_large(outcome):
                return _ready(outcome)
            return encode_result(request.rid, outcome, max_bytes=self._config.message_bytes), None
        except (Exception, asyncio.CancelledError) as failure:
            return refusal(request.rid, request.key, failure)

    async def write(self, data: bytes) -> None:
        """Send a reply that must wait. Meanwhile no further request is begun. Raises TransportClosed."""
        self._writing += 1
        self._written += len(data)
        self._leaving.start(self._clock())
        try:
            await self.stream.write(data, boundary=True)
        except PeerError as failure:
            self._feed.fail(TransportClosed("the caller is gone"))  # at once: the group takes nothing more from here on
            # Another one, and in no variable: a circle with where it is raised would keep the reply from being freed.
            raise TransportClosed("the caller is gone") from failure
        finally:
            self._writing -= 1
            self._written -= len(data)
            if not self._writing:
                self._leaving.stop()
                self._wake()

    def offer(self, data: bytes) -> bool:
        """Send a reply if that needs no waiting; tell whether it was sent."""
        return self.stream.offer(data, soon=self.in_flight > 1)

    def finished(self, whose: Standing | None) -> None:
        """Hear that a request is over; `whose`: for them a place was taken."""
        self._idle.used()
        self.in_flight -= 1
        self.server.in_flight -= 1
        if whose is not None:
            self.server.places.give(whose.owner)
        if self._turn is not None:
            self._wake()

    def _wake(self) -> None:
        if self._turn is not None and not self._turn.done() and not self._full():
            self._turn.set_result(None)
            self._turn = None


async def _fail(failure: PeerError) -> None:
    raise failure


def _over(answer: Answer, reply: "EncodedReply | Awaitable[object]") -> None:
    answer.end()
    if isinstance(reply, Coroutine):
        reply.close()


async def _ready(value: object) -> object:
    return value


async def _later(call: Received, payload: JsonValue) -> object:
    """Call the handler within a task."""
    outcome: object = call.answer(payload)
    return await outcome if isinstance(outcome, Awaitable) else outcome

"""One request of either transport, from what was read to the bytes of its reply."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import TypeAlias

from core.errors import RemoteError, TransportClosed
from core.grenache.config import HANDLER_TIME
from core.grenache.server import WebServer
from core.limits import bounds
from core.rpc.answer import error_text
from core.rpc.deadlines import Limit
from core.rpc.memory import PAYLOADS, RESULTS, Held, Standing, weigh
from core.rpc.received import Overdrawn, Received
from core.services.service import AT_ONCE
from core.values import Caller, JsonValue
from core.wire.grenache_message import Meta, Request, encode, encode_error, encode_steps, parse_request, shape_request
from core.wire.json_load import load_steps
from core.wire.rpc_message import LARGE, MAX_BYTES, is_large

Send: TypeAlias = Callable[[bytes, "Work"], bool]  # the reply; False: its caller is gone, or has no room for it

_log = logging.getLogger(__name__)


class Work:
    """A request under way. `send` is called once, at once or later, unless it is cancelled first."""

    __slots__ = (
        "_began", "_call", "_caller", "_held", "_loop", "_payload", "_result", "_rid", "_send", "_server", "_standing",
        "_transport", "task",
    )  # fmt: skip

    def __init__(self, server: WebServer, transport: str, caller: Caller, standing: Standing, send: Send) -> None:
        self._server = server
        self._transport = transport
        self._caller = caller
        self._standing = standing
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._rid: JsonValue = None
        self._call: Received | None = None
        self._held = False
        self._payload: Held | None = None
        self._result: Held | None = None
        self.task: asyncio.Task[None] | None = None  # while it is not answered

    def begin(self, body: bytes, meta: Meta | None = None) -> None:
        """Read a request and answer it, at once where that is possible."""
        requests = self._server.requests
        if not requests.fits(self._standing.owner, 1, trusted=self._standing.trusted):
            requests.refused += 1
            self._refuse(_rid(body, meta), BUSY)
            return
        size = len(body)
        if size > bounds.FREE_BYTES and not self._hold(size * bounds.PAYLOAD_FACTOR):
            self._refuse(None if meta is None else meta.rid, f"{Overdrawn.name}: {OVERDRAWN}")
        elif size > LARGE:
            self._later(self._read_slowly(body, meta))
        else:
            try:
                request = parse_request(body, meta)
            except RemoteError as error:
                self._refuse(None if meta is None else meta.rid, f"{error.name}: {error}")
            else:
                self._ask(request, size)

    def _hold(self, size: int) -> bool:
        self._payload = Held(self._server.memory, PAYLOADS, self._standing)
        return self._payload.grow(size)

    def _later(self, work: Coroutine[object, object, None]) -> None:
        """Go on in a task, which takes one of the caller's places; what is answered at once takes none."""
        self._server.requests.charge(self._standing.owner, 1)
        self._held = True
        self.task = self._server.tasks.spawn(self._run(work), name="web request")
        self.task.add_done_callback(lambda _: self._end(TransportClosed.name, 0))  # it may never have begun

    async def _run(self, work: Coroutine[object, object, None]) -> None:
        try:
            await work
        finally:
            self._end(TransportClosed.name, 0)

    async def _read_slowly(self, body: bytes, meta: Meta | None) -> None:
        whose = self._standing
        try:
            value = await self._server.slices.run(load_steps(body), whose.owner, trusted=whose.trusted)
            request = shape_request(value, meta)
        except (ValueError, RecursionError):
            self._refuse(None if meta is None else meta.rid, "ERR_REQUEST_PARSE: the request is no JSON")
        except RemoteError as error:
            self._refuse(None if meta is None else meta.rid, f"{error.name}: {error}")
        else:
            outcome = self._start(request, len(body))
            if outcome is not None:
                await self._wait(outcome)

    def _ask(self, request: Request, size: int) -> None:
        outcome = self._start(request, size)
        if outcome is not None:
            self._later(self._wait(outcome))

    def _start(self, request: Request, size: int) -> Awaitable[JsonValue] | None:
        """Call the service; return what is to be awaited for its answer, None when the reply is sent."""
        self._rid = request.rid
        self._call = self._server.site.receive(self._transport, request.key, request.payload, self._caller, size)
        try:
            outcome = self._call.answer(request.payload)
            if type(outcome) not in AT_ONCE and isinstance(outcome, Awaitable):
                return outcome
            value: JsonValue = outcome  # type: ignore[assignment]  # mypy does not know AT_ONCE
            if is_large(value):
                return _ready(value)
            self._reply(encode(self._rid, None, value, max_bytes=MAX_BYTES))
        except (Exception, asyncio.CancelledError) as failure:
            self._refuse(self._rid, error_text(request.key, failure))
        return None

    async def _wait(self, outcome: Awaitable[JsonValue]) -> None:
        key = "" if self._call is None else getattr(self._call, "key", "")
        limit: Limit | None = None
        try:
            with Limit(self._server.deadlines, HANDLER_TIME) as limit:
                value = await outcome
            reply = await self._encoded(value)
        except asyncio.CancelledError as failure:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            self._refuse(self._rid, error_text(key, failure))
        except Exception as failure:
            if limit is not None and limit.expired:
                self._refuse(self._rid, f"ERR_TIMEOUT: the service took longer than {HANDLER_TIME:g} s")
            else:
                self._refuse(self._rid, error_text(key, failure))
        else:
            self._reply(reply)

    async def _encoded(self, value: JsonValue) -> bytes:
        if self._payload is not None:
            self._payload.let_go()
        if not is_large(value):
            return encode(self._rid, None, value, max_bytes=MAX_BYTES)
        size, text = weigh(value)
        self._result = Held(self._server.memory, RESULTS, self._standing)
        if not self._result.grow(size + min(MAX_BYTES, text)):
            raise Overdrawn(OVERDRAWN)
        whose = self._standing
        steps = encode_steps(self._rid, None, value, max_bytes=MAX_BYTES)
        return await self._server.slices.run(steps, whose.owner, trusted=whose.trusted)

    # -- the end ------------------------------------------------------------------------------------------------------

    def _reply(self, data: bytes) -> None:
        self._say(data, None)

    def _refuse(self, rid: JsonValue, error: str) -> None:
        self._say(encode_error(rid, error), error)

    def _say(self, data: bytes, error: str | None) -> None:
        sent = self._send(data, self)
        self._end(error if sent else TransportClosed.name, len(data) if sent else 0)

    def _end(self, error: str | None, sent: int) -> None:
        """Give everything back and tell how it ended. Idempotent."""
        if self._held:
            self._held = False
            self._server.give_back(self._standing)
        for held in (self._payload, self._result):
            if held is not None:
                held.let_go()
        call, self._call = self._call, None
        if call is not None:
            call.ended(self._loop.time() - self._began, error, sent)


OVERDRAWN = "your requests hold as much memory here as they may: wait for one to end"
BUSY = f"{Overdrawn.name}: too many requests of yours are under way: wait for one to end"


def _rid(body: bytes, meta: Meta | None) -> JsonValue:
    """Return the id of a request that is refused unread: a caller takes no answer without it for its own."""
    try:
        return parse_request(body, meta).rid if len(body) <= LARGE else None if meta is None else meta.rid
    except RemoteError:
        return None if meta is None else meta.rid


async def _ready(value: JsonValue) -> JsonValue:
    return value

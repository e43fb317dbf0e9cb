"""One HTTP connection: aiohttp's parser below, services above, one request at a time in between.

Any method, path and content type will do, as for the Node server. Every request is answered, with an array under 200: a
Node client would wait for ever for what is not, and its process dies of any other JSON (GRENACHE_HTTP_WS section 1).
"""

import asyncio
import gzip
from typing import Final, cast

from aiohttp.streams import StreamReader

from core.errors import RemoteError
from core.grape.parser_source import Request
from core.grape.request_parser import RequestParser
from core.grenache.config import HEAD_TIME, HTTP, IDLE, WRITE_TIME
from core.grenache.heads import CONTINUE, MALFORMED, expects_leave, handshake, reply_head, unpack
from core.grenache.hosts import by_network, network, proved
from core.grenache.server import WebServer
from core.grenache.streams import HttpStream
from core.grenache.websocket import WebSocket
from core.grenache.work import OVERDRAWN, Work
from core.limits import bounds
from core.rpc.memory import INPUT, REPLIES, Held
from core.rpc.progress import Progress
from core.values import Address, Caller
from core.wire.grenache_message import HEADER_REFUSED, HeaderRefused, Meta, encode_error, parse_meta

ANSWERS_PER_TURN = 16  # to one caller that sends ahead, before others get their turn
LINGER = 1.0  # seconds for the rest of a request that was answered early, so that the answer arrives
SMALL: Final = 64 * 1024  # bytes up to which packing and unpacking are done at once: 0.5 ms
TOO_LONG = "ERR_PAYLOAD_SIZE: a request of yours may have {0:,} bytes here"


class HttpConnection(asyncio.Protocol):
    """Answers requests in their order: while one is being answered, those behind it wait unread."""

    def __init__(self, server: WebServer) -> None:
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._parser = RequestParser(self._loop)
        self._transport: asyncio.Transport | None = None
        self._due_at = 0.0  # when it is closed; 0: never, as long as the caller waits for us
        self._request: Request | None = None  # arriving, or being answered
        self._body: StreamReader | None = None
        self._meta = Meta()
        self._packed = False  # by `grc-compress`
        self._origin: str | None = None  # of a web page that may read the answer
        self._parts: list[bytes] = []
        self._unread = b""
        self._answering = False
        self._reading = False  # `_work` is below us on the stack
        self._ready = False
        self._resting = False
        self._early = False  # answered before its end: the rest is thrown away
        self._choked = False
        self._last = False
        self._work_now: Work | None = None
        self._stream: HttpStream | None = None
        self._socket: WebSocket | None = None  # what it has become
        self._coming, self._leaving = Progress(bounds.STALL_TIME), Progress(WRITE_TIME)

    # -- what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection."""
        self._transport = cast(asyncio.Transport, transport)
        where = transport.get_extra_info("peername") or ("", 0)
        host = where[0].removeprefix("::ffff:")
        self.caller = Caller(Address(host, where[1]), None if self._server.config.tls is None else proved(transport))
        self.standing = by_network(self._server.site.standing(self.caller))
        self._input = Held(self._server.memory, INPUT, self.standing)
        self._ahead = Held(self._server.memory, INPUT, self.standing)  # sent before its turn
        self._replies = Held(self._server.memory, REPLIES, self.standing)
        self._expect(HEAD_TIME)
        self._server.connected(self, network(host), trusted=self.standing.trusted)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it; what is worked out for it is stopped."""
        self._transport = None
        self._server.disconnected(self)
        self._input.let_go()
        self._ahead.let_go()
        self._replies.let_go()
        self._parts.clear()
        if self._work_now is not None and self._work_now.task is not None:
            self._work_now.task.cancel()
        if self._stream is not None:
            self._stream.lost()
        if self._socket is not None:
            self._socket.lost()

    def eof_received(self) -> bool:
        """Close, or do so after the answer under way: the caller has sent all that it wants."""
        self._last = True
        return self._answering and self._socket is None

    def pause_writing(self) -> None:
        """The caller reads slowly."""
        self._choked = True
        self._leaving.start(self._loop.time())
        if self._stream is not None:
            self._stream.choke()
        if self._socket is not None:
            self._socket.choke()

    def resume_writing(self) -> None:
        """It has read."""
        self._choked = False
        self._leaving.stop()
        self._replies.let_go()
        if self._stream is not None:
            self._stream.flow()
        if self._socket is not None:
            self._socket.flow()
        elif not self._answering:
            self._go_on()

    def data_received(self, data: bytes) -> None:
        """Read, or keep for later what comes too soon."""
        waits = self._answering or self._choked or self._resting
        if self._socket is not None:
            self._socket.feed(data)
        elif self._stream is not None or (not waits and self._server.turns.free(trusted=self.standing.trusted)):
            self._work(data)
        else:
            self._unread += data
            self._count_ahead()
            if self._transport is not None:
                self._transport.pause_reading()
            if not waits:
                self._rest()

    # -- what the server calls

    def look(self, now: float) -> None:
        """Close it if it stalls, or is unused for too long."""
        if self._transport is None:
            return
        unsent = self._transport.get_write_buffer_size()
        due = self._socket.idle(now) if self._socket is not None else self._due_at and now >= self._due_at
        if due and not unsent:
            self.close()
        elif self._leaving.stalled(unsent, now) or self._coming.stalled(-self._input.amount, now):
            self.abort()

    def abort(self) -> None:
        """Close at once, whatever is unsent."""
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        """Close after what is unsent."""
        if self._transport is not None:
            self._transport.close()

    def _expect(self, seconds: float) -> None:
        self._due_at = self._loop.time() + seconds

    def _work(self, data: bytes) -> None:
        """Answer what has come, until an answer has to be waited for."""
        began = self._server.turns.now()
        self._reading = True
        for _ in range(ANSWERS_PER_TURN):
            self._ready = False
            self._read(data)
            if not self._ready:
                break
            data = b""  # the parser holds back what is behind a request
        self._reading = False
        self._count_ahead()
        self._server.turns.charge(began)
        if self._ready:
            self._rest()

    def _count_ahead(self) -> None:
        """Count what a caller sends ahead of its turn, and of a header that is not whole."""
        if not self._ahead.grow_beyond(bounds.FREE_BYTES, self._parser.held + len(self._unread)):
            self._ahead.let_go()  # at once: else all others of that host are refused in this turn of the loop too
            self.abort()

    def _rest(self) -> None:
        self._resting = True
        self._server.turns.later(self._rested, trusted=self.standing.trusted)

    def _rested(self) -> None:
        self._resting = False
        self._go_on()

    def _read(self, data: bytes) -> None:
        try:
            messages, upgraded, rest = self._parser.feed(data)
        except Exception:  # the parser's own errors and what it did not foresee: a stranger's bytes all the same
            self._malformed()
            return
        if messages:
            self._request, self._body = messages[0]
            self._last |= self._request.should_close
            if not self._begin(self._request, rest):
                return
        request, body = self._request, self._body
        if request is None or body is None:
            return
        whole, came = upgraded or body.is_eof(), body.read_nowait()
        self._parser.took(len(came))
        if self._stream is not None:
            self._stream.received(came, whole)
        elif self._early:
            if whole:
                self._done()
        else:
            self._take(came, whole)
            if messages and not came and not self._answering and expects_leave(request):
                self._write(CONTINUE)

    def _begin(self, request: Request, rest: bytes) -> bool:
        """Look at a request's header; False: it is answered, or the connection has become something else."""
        self._server.used(self)
        self._due_at = 0.0
        headers = request.headers
        self._origin = self._server.origins.origin(headers)
        forged = self._server.origins.forgery(headers)
        if forged is not None:
            self._server.count["forbidden"] += 1
            return self._answer(encode_error(None, f"ERR_FORBIDDEN: {forged.sentence}"), status=403)
        if request.upgrade and headers.get("Upgrade", "").lower() == "websocket":
            return self._upgrade(request, rest)
        if request.method == "OPTIONS" and self._origin is not None:
            return self._answer(b"", status=204)
        if self._server.refuses_plain():
            return self._answer(b"Upgrade Required", status=426)
        self._packed = "gzip" in headers.get("grc-compress", "")
        try:
            self._meta = parse_meta(headers.get("_gr"), headers.get("_a"), headers.get("_ar"), chunked=request.chunked)
        except HeaderRefused:
            return self._answer(HEADER_REFUSED, status=500)
        if self._meta.streams and self._meta.key is not None:
            name = self._server.site.stream_name(self._meta.key)
            if name is not None:
                self._serve_stream(name)
        length = headers.get("Content-Length", "")
        if self._stream is None and length.isdigit() and int(length) > self.standing.message_bytes:
            self._refuse(TOO_LONG.format(self.standing.message_bytes))
        return True

    def _take(self, data: bytes, whole: bool) -> None:
        """Take a piece of a body, and answer once it is whole."""
        if whole and not self._parts:
            self._input.let_go()
            self._start(data)
            return
        if data:
            self._parts.append(data)
        size = self._input.amount + len(data)
        if size > self.standing.message_bytes:
            self._refuse(TOO_LONG.format(self.standing.message_bytes))
        elif not self._input.grow(size):
            self._refuse(f"ERR_RATE_LIMITED: {OVERDRAWN}")
        elif whole:
            parts, self._parts = self._parts, []
            self._input.let_go()
            self._coming.stop()
            self._start(b"".join(parts))
        else:
            self._coming.start(self._loop.time())

    def _refuse(self, error: str) -> None:
        self._parts.clear()
        self._input.let_go()
        self._coming.stop()
        self._answering = True
        self._answer(encode_error(self._meta.rid, error))

    def _start(self, body: bytes) -> None:
        self._answering = True
        if self._packed:
            if len(body) > SMALL:
                self._server.tasks.spawn(self._unpack_aside(body), name="unpack a request")
                return
            try:
                body = unpack(body, self.standing.message_bytes)
            except RemoteError:
                self._refuse(TOO_LONG.format(self.standing.message_bytes))
                return
        self._ask(body)

    async def _unpack_aside(self, body: bytes) -> None:
        try:
            body = await self._server.packing.unpack(body, self.standing)
        except RemoteError:
            self._refuse(TOO_LONG.format(self.standing.message_bytes))
            return
        self._ask(body)

    def _ask(self, body: bytes) -> None:
        """Ask the service, in turn: each connection has one request that may wait, as public clients expect."""
        if not self._server.in_turn(self, self.standing, lambda: self._ask_now(body), self._input, len(body)):
            self._refuse(f"ERR_RATE_LIMITED: {OVERDRAWN}")

    def _ask_now(self, body: bytes) -> None:
        self._input.let_go()
        if self._transport is None:
            return
        self._work_now = Work(self._server, HTTP, self.caller, self.standing, self._reply)
        self._work_now.begin(body, self._meta)

    def _reply(self, data: bytes, work: Work) -> bool:
        """Send a service's reply."""
        self._work_now = None
        if self._transport is None:
            return False
        if self._packed and len(data) > SMALL:
            self._server.tasks.spawn(self._pack_aside(data), name="pack a reply")
        else:
            self._answer(gzip.compress(data, 6) if self._packed else data)
        return True

    async def _pack_aside(self, data: bytes) -> None:
        self._answer(await self._server.packing.pack(data, self.standing))

    def _answer(self, data: bytes, status: int = 200) -> bool:
        """Send the answer to the request in hand. True, for those who return it."""
        request = self._request
        if request is None or self._transport is None:
            return True
        self._answering = False
        unsent = self._transport.get_write_buffer_size()
        if len(data) > bounds.FREE_BYTES and unsent and not self._replies.grow(unsent + len(data)):
            self.abort()  # it asks on and on, and takes nothing
            return True
        self._last |= status not in {200, 204}
        head = reply_head(status, len(data), keep=not self._last, origin=self._origin)
        self._write(head if request.method == "HEAD" else head + data)
        if self._body is not None and self._body.is_eof():
            self._done()
        else:
            self._early = True
            self._last = True
            self._expect(LINGER)
            self._go_on()
        return True

    def _done(self) -> None:
        """The request is answered and all of it has arrived: be ready for the next one."""
        self._request = self._body = None
        if self._last:
            return self.close()
        self._meta, self._packed, self._early = Meta(), False, False
        self._parser.message_consumed()
        self._expect(IDLE)
        if not self._choked:
            self._go_on()

    def _go_on(self) -> None:
        if self._reading:
            self._ready = True
            return
        if self._transport is None or self._transport.is_closing():
            return
        unread, self._unread = self._unread, b""
        if unread:
            self._transport.resume_reading()
        self._work(unread)

    def _malformed(self) -> None:
        if not self._early and self._stream is None:
            self._write(MALFORMED)
        self.close()

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    # -- what it may become

    def _serve_stream(self, name: str) -> None:
        if self._transport is None or self._request is None:
            return
        self._answering = True
        if expects_leave(self._request):
            self._write(CONTINUE)
        self._last = True
        details = {"action": self._meta.action, "args": self._meta.args, "rid": self._meta.rid}
        self._stream = HttpStream(self._transport, self.caller, name, self._meta.rid, details)
        self._server.site.open_stream(self._stream.stream)

    def _upgrade(self, request: Request, rest: bytes) -> bool:
        """Become a WebSocket. False: there is nothing further to read here."""
        self._last = True
        said = handshake(request) if self._server.upgrades() else None
        if said is None:
            return self._answer(b"", status=400)
        self._write(said)
        if self._transport is not None:
            self._socket = WebSocket(self._server, self._transport, self.caller, self.standing)
            self._socket.open()
            if rest:
                self._socket.feed(rest)
        return False

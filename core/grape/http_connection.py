"""One HTTP connection to a grape: aiohttp's parser below, the API above, one request at a time in between.

aiohttp's own server makes two tasks and six objects per request, and spends five times as long on it as this. A grape
needs none of them: a small body in, a small body out, and the header matters only to the check against web pages.
"""

import asyncio
import math
import time
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import Protocol, cast

from aiohttp.http import HttpVersion11
from aiohttp.streams import StreamReader

from core.aio.turns import Turns
from core.grape.api import PAYLOAD_TOO_LARGE, Api, HttpReply
from core.grape.config import GrapeConfig
from core.grape.parser_source import Request
from core.grape.request_parser import SMALL_REST, RequestParser

ANSWERS_PER_TURN = 16  # to one client that sends ahead, before others get their turn: at 50 us, 1 ms
LINGER = 1.0  # seconds to read the rest of a request that was answered early (413), so that the answer arrives
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
MALFORMED = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Host(Protocol):
    """What a connection needs of its server."""

    api: Api
    config: GrapeConfig
    loop: asyncio.AbstractEventLoop
    turns: Turns

    def forbids(self, request: Request) -> HttpReply | None:
        """Return the answer to a request that a web page may have forged, None for any other."""

    def connected(self, connection: "HttpConnection", host: str) -> None:
        """Take a connection from a host; one too many is aborted."""

    def asked(self, connection: "HttpConnection") -> None:
        """Count a request."""

    def hold(self, client: str, before: int, now: int) -> bool:
        """Count bytes that are held for a client, in place of `before`; False: there is no room for more."""

    def disconnected(self, connection: "HttpConnection") -> None:
        """Forget a connection."""


class HttpConnection:
    """An asyncio.Protocol. Answers requests in their order: while one is being answered, those behind it wait unread.

    `due_at` is when the server closes it; math.inf while the client waits for us.
    """

    def __init__(self, host: Host) -> None:
        self.due_at = math.inf
        self._host = host
        self._limit = host.config.check_max_payload_size
        # Bodies are not unpacked: the Node grape reads them as they came, and so there are no bombs.
        self._parser = RequestParser(host.loop)
        self._held = 0  # bytes that are counted
        self._transport: asyncio.Transport | None = None
        self._client: str | None = None
        self._request: Request | None = None  # the one that is arriving or being answered
        self._body: StreamReader | None = None
        self._unread = b""  # came meanwhile; bounded by what the transport reads at once, as it is paused then
        self._answering = False
        self._working = False  # `_work` is below us on the stack, and looks itself whether there is more
        self._ready = False  # for it: there may be
        self._resting = False  # it is others' turn
        self._answered_early = False  # what still comes of the body is thrown away
        self._choked = False  # the client does not read our answers: it gets nothing further until it does
        self._last = False  # close after this answer

    # -- what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection."""
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self._client = peer[0] if peer else None
        self._expect(self._host.config.idle_timeout)
        self._host.connected(self, self._client or "")

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection; what is being worked out for it goes on, and nobody hears the answer."""
        self._transport = None
        self._host.hold(self._client or "", self._held, 0)
        self._held = 0
        self._host.disconnected(self)

    def eof_received(self) -> bool:
        """Close, or do so after the answer under way."""
        self._last = True
        return self._answering

    def pause_writing(self) -> None:
        """Its answers pile up."""
        self._choked = True

    def resume_writing(self) -> None:
        """Go on with what it sent meanwhile."""
        self._choked = False
        if not self._answering:
            self._go_on()

    def data_received(self, data: bytes) -> None:
        """Read, or keep for later what comes too soon."""
        waits = self._answering or self._choked or self._resting
        if not waits and self._host.turns.free():
            self._work(data)
            return
        self._unread += data
        self._count()
        if self._transport is not None:
            self._transport.pause_reading()
        if not waits:
            self._rest()

    # -- what the server calls

    def finish(self) -> None:
        """Close after the answer under way."""
        self._last = True
        if not self._answering:
            self.abort()

    def abort(self) -> None:
        """Close at once, whatever is unsent."""
        if self._transport is not None:
            self._transport.abort()

    # -- requests

    def _expect(self, seconds: float) -> None:
        self.due_at = self._host.loop.time() + seconds

    def _work(self, data: bytes) -> None:
        """Answer what has come, until an answer has to be waited for."""
        began = self._host.turns.now()
        self._working = True
        for _ in range(ANSWERS_PER_TURN):
            self._ready = False
            self._read(data)
            if not self._ready:
                break
            data = b""  # the parser holds back what is behind a request
        self._working = False
        self._count()
        self._host.turns.charge(began)
        if self._ready:
            self._rest()

    def _rest(self) -> None:
        self._resting = True
        self._host.turns.later(self._rested)

    def _count(self) -> None:
        """Count what came and is not worked on, with what the parser holds of it."""
        size = self._parser.held + len(self._unread)
        size = size if size > SMALL_REST else 0
        if size == self._held:
            return
        if self._host.hold(self._client or "", self._held, size):
            self._held = size
        else:
            self._host.hold(self._client or "", self._held, 0)
            self._held = 0
            self.abort()

    def _rested(self) -> None:
        self._resting = False
        self._go_on()

    def _read(self, data: bytes) -> None:
        """Parse, and answer the request when it is whole. The parser stops behind it."""
        try:
            messages, upgraded, _ = self._parser.feed(data)
        except Exception:  # the parser's own errors and what it did not foresee: a stranger's bytes all the same
            self._refuse_malformed()
            return
        if messages:
            self._request, self._body = messages[0]
            self._host.asked(self)
            self._last |= self._request.should_close or self._request.upgrade  # to what we do not speak
        request, body = self._request, self._body
        if request is None or body is None:
            return  # not even its head is whole
        whole = upgraded or body.is_eof()
        if messages and (forbidden := self._host.forbids(request)) is not None:
            self._answer(forbidden)
        elif self._answered_early:
            self._parser.took(len(body.read_nowait()))
            if whole:
                self._done()
        elif body.total_bytes > self._limit:
            self._start(request, None)
        elif whole:
            came = body.read_nowait()
            self._parser.took(len(came))
            self._start(request, came)
        elif messages:
            self._await_body(request)

    def _refuse_malformed(self) -> None:
        if not self._answered_early:  # else the client would take this for the answer to what it asks next
            self._write(MALFORMED)
        self._close()

    def _await_body(self, request: Request) -> None:
        if int(request.headers.get("Content-Length", 0)) > self._limit:
            self._start(request, None)
            return
        self._expect(self._host.config.body_timeout)
        if request.headers.get("Expect", "").lower() == "100-continue":
            self._write(CONTINUE)  # else older curls wait a second

    # -- answers

    def _start(self, request: Request, body: bytes | None) -> None:
        """Answer a request; `body` is None if it was too large."""
        self.due_at = math.inf
        self._answering = True
        if body is None:
            self._answer(PAYLOAD_TOO_LARGE)
        else:
            self._host.api.answer(request.path, body, self._client, self._answer)

    def _answer(self, reply: HttpReply) -> None:
        """Send the answer to the request in hand."""
        request = self._request
        if request is None:
            return
        self._answering = False
        head = _head(reply, keep=not self._last, old=request.version < HttpVersion11)
        self._write(head if request.method == "HEAD" else head + reply.body)
        if self._body is not None and self._body.is_eof():
            self._done()
        else:
            self._answered_early = True
            self._expect(LINGER)
            self._go_on()

    def _done(self) -> None:
        """The request is answered and all of it has arrived: be ready for the next one."""
        if self._last:
            self._close()
            return
        self._request = self._body = None
        self._answered_early = False
        self._parser.message_consumed()
        self._expect(self._host.config.idle_timeout)
        if not self._choked and (self._unread or not self._parser.empty):
            self._go_on()

    def _go_on(self) -> None:
        """Read what came while that was not possible; the parser, too, may hold some of it back."""
        if self._working:
            self._ready = True
            return
        if self._transport is None or self._transport.is_closing():
            return
        if self._unread:
            self._transport.resume_reading()
        unread, self._unread = self._unread, b""
        self._work(unread)

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()


def _head(reply: HttpReply, *, keep: bool, old: bool) -> bytes:
    """Return an answer's head, with the headers that the Node grape sends. `old`: the client speaks HTTP/1.0."""
    close = b"Connection: close\r\n" if not keep else b"Connection: keep-alive\r\n" if old else b""
    return b"HTTP/1.1 %d %b\r\nContent-Length: %d\r\nDate: %b\r\n%b\r\n" % (
        reply.status,
        _reason(reply.status),
        len(reply.body),
        _date(int(time.time())),
        close,
    )


@lru_cache(maxsize=16)
def _reason(status: int) -> bytes:
    return HTTPStatus(status).phrase.encode()


@lru_cache(maxsize=1)
def _date(seconds: int) -> bytes:
    """Return the time as HTTP has it (RFC 9110 section 5.6.7)."""
    return formatdate(seconds, usegmt=True).encode()

"""HTTP over byte streams: what a proxy passes on, on both sides, and connections that are streams."""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Final

import aiohttp
from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from core.errors import PeerError, reason_of_os
from core.kinds.head_limit import HeadLimit
from core.tunnel.stream import ByteStream
from core.tunnel.transport import StreamTransport

if TYPE_CHECKING:
    from aiohttp.client_proto import ResponseHandler
    from aiohttp.tracing import Trace

# RFC 9110 section 7.6.1, and the older ones that proxies still meet: they speak of one connection, not of the message.
HOP_BY_HOP: Final = frozenset(
    {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer",
     "transfer-encoding", "upgrade",
     "expect"}  # each hop answers it by itself (`let_body_come`): who forwards it may wait for ever
)  # fmt: skip
# What only a proxy that its reader trusts may say; from outside it is a lie, and taken out.
FORWARDED: Final = frozenset(
    {"forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-port",
     "x-forwarded-server", "x-real-ip", "x-grapevine-peer"}
)  # fmt: skip
PEER_HEADER: Final = "X-Grapevine-Peer"  # the caller's Peer ID, verified
MESSAGE_MAX: Final = (
    16 * 1024 * 1024
)  # bytes of one WebSocket message, which is whole in memory here; as an RPC message
HEADERS_MAX: Final = 32 * 1024  # bytes of one header field, and of a request line: what common servers take at most
PIECE: Final = 64 * 1024  # bytes of a body read at a time
_log = logging.getLogger(__name__)
_ADDED: Final = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")  # by aiohttp, where they are missing
_CLOSING: Final = aiohttp.ClientWSTimeout(ws_close=5.0)  # seconds for the other end of a WebSocket to say goodbye
_NO_BODY: Final = frozenset({204, 304})


_ODD: Final = re.compile(r"[^a-z0-9]")


def canonical(name: str) -> str:
    """Return a field's name as the servers take it that turn `_` and `-` into the same (CGI, RFC 3875 section 4.1.18).

    To them `X_Grapevine_Peer` is `X-Grapevine-Peer`: a caller could say what only this proxy may.
    """
    return _ODD.sub("-", name.lower())


def end_to_end(headers: CIMultiDictProxy[str], drop: Iterable[str] = ()) -> CIMultiDict[str]:
    """Return the fields that are for the other end: not those of this connection, and not `drop` (lower case)."""
    named = {canonical(name.strip()) for value in headers.getall("Connection", ()) for name in value.split(",")}
    gone = HOP_BY_HOP | named | set(drop)
    return CIMultiDict((name, value) for name, value in headers.items() if canonical(name) not in gone)


class StreamConnector(aiohttp.BaseConnector):
    """Connections of an aiohttp client that are byte streams; `open_stream` raises PeerError."""

    def __init__(self, open_stream: Callable[[], Awaitable[ByteStream]], *, limit: int = 64) -> None:
        super().__init__(limit=limit, keepalive_timeout=30.0)
        self._open_stream = open_stream

    async def _create_connection(
        self, req: aiohttp.ClientRequest, traces: "list[Trace]", timeout: aiohttp.ClientTimeout
    ) -> "ResponseHandler":
        stream = await self._open_stream()
        protocol: ResponseHandler = self._factory()
        StreamTransport(stream, protocol).begin()
        return protocol


Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class StreamServer:
    """An aiohttp server whose connections are byte streams."""

    def __init__(self, handler: Handler) -> None:
        self._limits: dict[asyncio.Transport | None, HeadLimit] = {}
        self._server = web.Server(
            self._limited(_quietly(handler)),
            access_log=None,
            keepalive_timeout=75.0,
            max_line_size=HEADERS_MAX,
            max_field_size=HEADERS_MAX,
            auto_decompress=False,  # a body goes on as it came: unpacked, 1 KB may be 1 MB
        )

    async def serve(self, stream: ByteStream) -> None:
        """Serve one connection until it is over."""
        limit = HeadLimit(self._server())
        transport = StreamTransport(stream, limit)
        self._limits[transport] = limit
        try:
            transport.begin()
            await stream.wait_over()
        finally:
            del self._limits[transport]

    def _limited(self, handler: Handler) -> Handler:
        async def answer(request: web.BaseRequest) -> web.StreamResponse:
            limit = self._limits.get(request.transport)
            if limit is None:  # it has gone
                return await handler(request)
            limit.asks()
            try:
                return await handler(request)
            finally:
                limit.answered(whole=request.content.is_eof())

        return answer

    async def aclose(self) -> None:
        """End the connections there are."""
        await self._server.shutdown(0.1)


def _quietly(handler: Handler) -> Handler:
    """Return a handler for which a caller that goes in the middle is no error of ours."""

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        try:
            return await handler(request)
        except ConnectionError as error:
            _log.debug("%s went before the answer was whole: %s", request.remote, error)
            _cut(request)
            return web.Response(status=503)  # which nobody reads

    return answer


async def forward(
    request: web.BaseRequest, session: aiohttp.ClientSession, url: URL, headers: CIMultiDict[str]
) -> web.StreamResponse:
    """Pass a request on to `url`, with `headers` in place of its own, and stream the answer back.

    `Expect: 100-continue` is met here and not passed on: a server that knows nothing of it would never say 100, and
    its client would wait for that (RFC 9110 section 10.1.1 lets a proxy answer it as soon as it wants the body).
    Raises aiohttp.ClientError, PeerError or OSError when nothing answers, before a byte of an answer was sent.
    """
    if _wants_web_socket(request):
        return await _forward_web_socket(request, session, url, headers)
    await let_body_come(request)
    headers.popall("Expect", None)
    body = request.content.iter_chunked(PIECE) if request.body_exists else None
    async with session.request(
        request.method, url, headers=headers, data=body, allow_redirects=False, skip_auto_headers=_ADDED
    ) as answer:
        return await _send_back(request, answer)


async def let_body_come(request: web.BaseRequest) -> None:
    """Tell a sender that waits for it to send the body (RFC 9110 section 10.1.1), as curl does with large ones."""
    if request.headers.get("Expect", "").lower() == "100-continue" and request.version >= aiohttp.HttpVersion11:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0


async def _send_back(request: web.BaseRequest, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    response = web.StreamResponse(status=answer.status, reason=answer.reason)
    response.headers.clear()
    fields = end_to_end(answer.headers)
    for name, value in fields.items():
        response.headers.add(name, _own_cookie(value) if name.lower() == "set-cookie" else value)
    empty = request.method == "HEAD" or answer.status in _NO_BODY
    if not empty and "Content-Length" not in answer.headers:
        if request.version >= aiohttp.HttpVersion11:
            response.enable_chunked_encoding()
        else:
            response.force_close()
    await response.prepare(request)
    if not empty:
        try:
            async for piece in answer.content.iter_any():
                await response.write(piece)
        except aiohttp.ClientError:
            _cut(request)  # the reader must not take what came for all
            return response
        await response.write_eof()
    return response


def _own_cookie(value: str) -> str:
    """Return a cookie for this one host: with a Domain it would be sent to, and could overwrite, another page's."""
    parts = value.split(";")
    return ";".join(part for part in parts if part.partition("=")[0].strip().lower() != "domain" or part is parts[0])


def _cut(request: web.BaseRequest) -> None:
    if request.transport is not None:
        request.transport.abort()


def _wants_web_socket(request: web.BaseRequest) -> bool:
    return request.headers.get("Upgrade", "").lower() == "websocket" and request.method == "GET"


_SOCKET_OWN: Final = frozenset(
    {"sec-websocket-key", "sec-websocket-version", "sec-websocket-extensions", "sec-websocket-protocol",
     "sec-websocket-accept"}
)  # fmt: skip


async def _forward_web_socket(
    request: web.BaseRequest, session: aiohttp.ClientSession, url: URL, headers: CIMultiDict[str]
) -> web.StreamResponse:
    asked = [
        name.strip() for value in request.headers.getall("Sec-WebSocket-Protocol", ()) for name in value.split(",")
    ]
    kept = CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in _SOCKET_OWN)
    async with session.ws_connect(
        url, headers=kept, protocols=asked, autoping=False, max_msg_size=MESSAGE_MAX, timeout=_CLOSING
    ) as far:
        chosen = (far.protocol,) if far.protocol else ()
        near = web.WebSocketResponse(protocols=chosen, autoping=False, max_msg_size=MESSAGE_MAX, compress=False)
        await near.prepare(request)
        there = asyncio.get_running_loop().create_task(_pass_on(near, far))
        back = asyncio.get_running_loop().create_task(_pass_on(far, near))
        try:
            await asyncio.wait((there, back), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (there, back):
                task.cancel()
            await asyncio.gather(there, back, return_exceptions=True)
            await near.close()
        return near


_Socket = aiohttp.ClientWebSocketResponse | web.WebSocketResponse


async def _pass_on(source: _Socket, sink: _Socket) -> None:
    async for message in source:
        match message.type:
            case aiohttp.WSMsgType.TEXT:
                await sink.send_str(message.data)
            case aiohttp.WSMsgType.BINARY:
                await sink.send_bytes(message.data)
            case aiohttp.WSMsgType.PING:
                await sink.ping(message.data)
            case aiohttp.WSMsgType.PONG:
                await sink.pong(message.data)
    code = source.close_code
    await sink.close(code=code if code is not None and _may_be_sent(code) else 1000)


def _may_be_sent(code: int) -> bool:
    """Return whether a close frame may have this code (RFC 6455 section 7.4): 1005, 1006 and 1015 may not."""
    return 3000 <= code < 5000 or code in {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011}


def reason_of(error: Exception) -> str:
    """Return in words why nothing answered."""
    if isinstance(error, PeerError):
        return str(error)
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return "its certificate is signed by nobody known"
    if isinstance(error, aiohttp.ServerFingerprintMismatch):
        return "its certificate is not the one that was accepted"
    if isinstance(error, aiohttp.ClientConnectorError):
        return reason_of_os(error.os_error)
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "it closed the connection before it answered"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return str(error) or type(error).__name__

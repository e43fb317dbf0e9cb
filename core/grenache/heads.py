"""Heads of HTTP responses, and bodies that are packed by `grc-compress`."""

import time
import zlib
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from core.errors import RemoteError
from core.grenache.config import IDLE
from core.wire.websocket_frame import VERSION, accept_key, is_key

if TYPE_CHECKING:
    from core.grape.parser_source import Request

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
MALFORMED: Final = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def expects_leave(request: "Request") -> bool:
    """Return whether a client waits to be told to send the body (RFC 9110 section 10.1.1); with HTTP/1.0 none does."""
    return request.version >= (1, 1) and request.headers.get("Expect", "").lower() == "100-continue"


def reply_head(status: int, size: int, *, keep: bool, origin: str | None) -> bytes:
    """Return a response's head. `origin`: of a web page that may read it."""
    last = b"Connection: keep-alive\r\nKeep-Alive: timeout=%d\r\n" % IDLE if keep else b"Connection: close\r\n"
    more = b""
    if origin is not None:
        more = (
            b"Access-Control-Allow-Origin: %b\r\nVary: Origin\r\nAccess-Control-Allow-Methods: POST\r\n"
            b"Access-Control-Allow-Headers: grc-compress, content-type, _gr, _a, _ar\r\n"
        ) % origin.encode("ascii", "replace")
    return b"HTTP/1.1 %d %b\r\nContent-Length: %d\r\nDate: %b\r\n%b%b\r\n" % (
        status, _phrase(status), size, _date(int(time.time())), last, more,
    )  # fmt: skip


def handshake(request: "Request") -> bytes | None:
    """Return the answer to an upgrade to WebSocket (RFC 6455 section 4.2), None for one that is none."""
    headers = request.headers
    key = headers.get("Sec-WebSocket-Key")
    if key is None or not is_key(key) or headers.get("Sec-WebSocket-Version") != VERSION or request.method != "GET":
        return None
    protocols = [part.strip() for part in headers.get("Sec-WebSocket-Protocol", "").split(",") if part.strip()]
    chosen = f"Sec-WebSocket-Protocol: {protocols[0]}\r\n" if protocols and protocols[0].isascii() else ""
    return switching(key, chosen)


def switching(key: str, more: str = "") -> bytes:
    """Return the answer to an upgrade to WebSocket with this key; `more` are whole lines of its head."""
    return (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept_key(key)}\r\n{more}\r\n"
    ).encode()


def unpack(data: bytes, most: int) -> bytes:
    """Return what was packed by gzip; what is no gzip as it is, as the Node server takes it.

    Raises RemoteError for more than `most` bytes.
    """
    unpacking = zlib.decompressobj(31)
    try:
        found = unpacking.decompress(data, most + 1)
    except zlib.error:
        return data
    if len(found) > most:
        raise RemoteError("what was packed is too long", name="ERR_PAYLOAD_SIZE")
    return found if unpacking.eof else data


@lru_cache(maxsize=16)
def _phrase(status: int) -> bytes:
    from http import HTTPStatus  # 0.1 MB, and 0.4 for the date: most peers never serve a web client

    return HTTPStatus(status).phrase.encode()


@lru_cache(maxsize=1)
def _date(seconds: int) -> bytes:
    """Return the time as HTTP has it (RFC 9110 section 5.6.7)."""
    from email.utils import formatdate

    return formatdate(seconds, usegmt=True).encode()

"""Messages of Grenache's HTTP and WebSocket transports: one JSON array each, and what HTTP's header fields say of it.

A request is `[rid, key, payload]`, a reply `[rid, error, result]` (GRENACHE_HTTP_WS sections 1 and 2). The id may be
any JSON value, and is sent back as it came. `_gr` in the header outranks the first two elements of the body.
"""

import json
from collections.abc import Generator
from typing import Final, NamedTuple

from core.errors import LocalError, RemoteError
from core.values import JsonValue
from core.wire.json_dump import dump, dump_steps
from core.wire.json_load import load
from core.wire.json_scan import OverLimit
from core.wire.rpc_message import MAX_DEPTH, MAX_KEY

PARSE: Final = "ERR_REQUEST_PARSE"
HEADER_REFUSED: Final = b'[null, "ERR_HEADER_PARSE_GR", null]'  # with these spaces: the Node server's bytes
MAX_ID: Final = 1024  # characters of an id's JSON; a UUID has 38, and whatever it is we send it back
_UNSENDABLE: Final = (ValueError, TypeError, RecursionError, OverLimit, RuntimeError)


class Meta(NamedTuple):
    """What the header of an HTTP request says: `rid` and `key` of `_gr`, `_a`, `_ar`, and how the body is packed."""

    rid: JsonValue = None
    key: str | None = None
    action: str | None = None
    args: JsonValue = None
    streams: bool = False  # `_gr` was there, and the body comes in chunks: a stream of bytes, unless nothing takes one


class Request(NamedTuple):
    """`key` is the name of the service that was looked up; a server does not have to believe it."""

    rid: JsonValue
    key: str
    payload: JsonValue


class Reply(NamedTuple):
    """An error may come with a result."""

    rid: JsonValue
    error: str | None
    result: JsonValue


class HeaderRefused(RemoteError):
    """`_gr` is no JSON array."""

    name = "ERR_HEADER_PARSE_GR"


def parse_meta(gr: str | None, action: str | None, args: str | None, *, chunked: bool) -> Meta:
    """Read the header fields `_gr`, `_a` and `_ar`. Raises HeaderRefused; arguments that are no JSON are `{}`."""
    rid: JsonValue = None
    key: JsonValue = None
    if gr is not None:
        try:
            found = json.loads(gr)
        except (ValueError, RecursionError):
            raise HeaderRefused("_gr is not JSON") from None
        if isinstance(found, list):
            rid, key, *_ = [*found, None, None]
    try:
        given: JsonValue = json.loads(args) if args else {}
    except (ValueError, RecursionError):
        given = {}
    name = key[:MAX_KEY] if isinstance(key, str) and key else None
    return Meta(rid or None, name, action, given, streams=chunked and name is not None)


def shape_request(value: JsonValue, meta: Meta | None = None) -> Request:
    """Return the request that a JSON value is. Raises RemoteError (ERR_REQUEST_PARSE) for what is no array."""
    if not isinstance(value, list):
        raise RemoteError("a request is an array of an id, a name and a payload", name=PARSE)
    rid, key, payload = value if len(value) == 3 else (*value[:3], None, None, None)[:3]
    if meta is not None:
        rid, key = meta.rid or rid, meta.key or key
    return Request(rid, key[:MAX_KEY] if isinstance(key, str) else "", payload)


def parse_request(body: bytes, meta: Meta | None = None) -> Request:
    """Read a request at once. Raises RemoteError (ERR_REQUEST_PARSE)."""
    try:
        value = load(body)
    except (ValueError, RecursionError):
        raise RemoteError("the request is no JSON", name=PARSE) from None
    return shape_request(value, meta)


def parse_reply(body: bytes) -> Reply:
    """Read a reply at once. Raises RemoteError (ERR_REPLY_EMPTY), as the Node client does for what is no reply."""
    try:
        value = load(body)
    except (ValueError, RecursionError):
        value = None
    return shape_reply(value)


def shape_reply(value: JsonValue) -> Reply:
    """Return the reply that a JSON value is. Raises RemoteError (ERR_REPLY_EMPTY)."""
    if not isinstance(value, list) or len(value) < 2:
        raise RemoteError("what came is no reply, an array of an id, an error and a result", name="ERR_REPLY_EMPTY")
    error = value[1]
    said = None if not error else error if isinstance(error, str) else dump(error, MAX_DEPTH)
    return Reply(value[0], said, value[2] if len(value) > 2 else None)


def encode(first: JsonValue, second: JsonValue, third: JsonValue, *, max_bytes: int) -> bytes:
    """Return the bytes of a request or a reply. Raises LocalError: ERR_MESSAGE_ENCODE, ERR_MESSAGE_SIZE."""
    try:
        data = dump([first, second, third], MAX_DEPTH).encode()
    except _UNSENDABLE as error:
        raise LocalError(f"this cannot be sent as JSON: {error}", name="ERR_MESSAGE_ENCODE") from None
    if len(data) > max_bytes:
        raise LocalError(
            f"a message of {len(data):,} bytes is over the limit of {max_bytes:,}", name="ERR_MESSAGE_SIZE"
        )
    return data


def encode_steps(
    first: JsonValue, second: JsonValue, third: JsonValue, *, max_bytes: int
) -> Generator[None, None, bytes]:
    """Do as `encode` does, in steps of a few milliseconds."""
    parts: list[bytes] = []
    size = 0
    try:
        for text in dump_steps([first, second, third], MAX_DEPTH):
            parts.append(text.encode())
            size += len(parts[-1])
            if size > max_bytes:
                raise LocalError(f"a message of over {max_bytes:,} bytes is too large", name="ERR_MESSAGE_SIZE")
            yield
    except _UNSENDABLE as error:
        raise LocalError(f"this cannot be sent as JSON: {error}", name="ERR_MESSAGE_ENCODE") from None
    return b"".join(parts)


def encode_error(rid: JsonValue, error: str) -> bytes:
    """Return the bytes of a reply that says no. An id that cannot be sent back is left out."""
    text = error.encode(errors="replace").decode() or "ERR_GENERIC"
    try:
        return dump([rid, text, None], MAX_DEPTH).encode()
    except _UNSENDABLE:
        return dump([None, text, None], MAX_DEPTH).encode()


def header_json(value: JsonValue) -> str:
    """Return a value for a header field: in ASCII, since what is beyond travels as Latin-1 there."""
    return json.dumps(value, ensure_ascii=True, separators=(",", ":"))

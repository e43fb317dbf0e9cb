"""JSON of the HTTP API to bytes and back, with the Node grape's notions of both.

Its callers send byte strings in any of four ways, all observed to work: hex digits, a JSON-encoded Node Buffer
(`{"type": "Buffer", "data": [1, 2]}`), a list of bytes, or a string that holds one of these as JSON.
"""

import json
import re
from collections.abc import Mapping, Sequence

from core.values import JsonValue
from core.wire.bencoding import Bencoded

MAX_DEPTH = 32  # nested lists in a value; a deeper one is not rendered
_HEX_PAIRS = re.compile(r"(?:[0-9a-fA-F]{2})*")
_HASH = re.compile(r"[0-9a-fA-F]{40}")


def parse_json(raw: bytes) -> JsonValue:
    """Return the JSON value of a request's body. Raises ValueError for anything else, NaN and Infinity included.

    Bytes that are not UTF-8 become U+FFFD, as they do in the Node grape.
    """
    try:
        value: JsonValue = _DECODER.decode(raw.decode("utf-8", "replace"))
    except RecursionError:
        raise ValueError("nested too deep") from None
    return value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)  # `json.loads` would make one per call


def utf8(text: str) -> bytes:
    """Return `text` as UTF-8; half a surrogate pair, which JSON can carry, becomes U+FFFD."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def hash_bytes(value: JsonValue) -> bytes | None:
    """Return the 20 bytes of a hash written as 40 hex digits, or None."""
    if isinstance(value, str) and _HASH.fullmatch(value):
        return bytes.fromhex(value)
    return None


def hex_or_buffer(value: JsonValue) -> bytes:
    """Return the bytes of a key or signature: hex up to the first wrong digit, or a Buffer. Raises TypeError."""
    found = _json_text(value)
    if found is not None:
        return found
    if isinstance(value, str):
        pairs = _HEX_PAIRS.match(value)
        return bytes.fromhex(pairs.group() if pairs else "")
    return _buffer(value)


def text_or_buffer(value: JsonValue) -> bytes:
    """Return the bytes of a salt: the text itself, or a Buffer. Raises TypeError."""
    found = _json_text(value)
    if found is not None:
        return found
    return utf8(value) if isinstance(value, str) else _buffer(value)


def _json_text(value: JsonValue) -> bytes | None:
    """Return the bytes that a string holds as JSON (`"[1,2]"`), or None for every other string or value."""
    if not isinstance(value, str) or value[:1] not in '[{"':
        return None
    try:
        inner = parse_json(value.encode("utf-8", "surrogatepass"))
        return utf8(inner) if isinstance(inner, str) else _buffer(inner)
    except (TypeError, ValueError):
        return None


def _buffer(value: JsonValue) -> bytes:
    if isinstance(value, dict) and value.get("type") == "Buffer":
        value = value.get("data")
    if isinstance(value, list):
        return bytes(int(byte) & 0xFF if isinstance(byte, int | float) and byte == byte // 1 else 0 for byte in value)
    raise TypeError("neither text nor a Buffer")


def bencodable(value: JsonValue, depth: int = 0) -> Bencoded:
    """Return a JSON value as bencoding has it: text as UTF-8, numbers cut to integers, true as 1.

    Raises TypeError for null, and for what is nested deeper than MAX_DEPTH.
    """
    if value is None or depth > MAX_DEPTH:
        raise TypeError("cannot be stored")
    if isinstance(value, str):
        return utf8(value)
    if isinstance(value, int | float):
        try:
            return int(value)
        except (OverflowError, ValueError):
            raise TypeError("not a finite number") from None
    if isinstance(value, list):
        return [bencodable(element, depth + 1) for element in value]
    return {utf8(key): bencodable(element, depth + 1) for key, element in sorted(value.items())}


def stored_text(value: object, depth: int = 0) -> str:
    """Return a stored value as the text that the Node grape shows: lists joined by commas, dicts not shown."""
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode("utf-8", "replace")
    if isinstance(value, Mapping):
        return "[object Object]"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "" if depth > MAX_DEPTH else ",".join(stored_text(element, depth + 1) for element in value)
    return str(value)


def is_integer(value: JsonValue) -> bool:
    """Tell whether JavaScript calls the number an integer: 7 and 7.0, not true, not 1e400."""
    if isinstance(value, bool):
        return False
    return isinstance(value, int) or (isinstance(value, float) and value.is_integer())

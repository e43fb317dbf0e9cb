"""What a peer and an open peer say to one another, as JSON values in RPC messages (docs/protocol-additions.md).

Requests, under the key OPEN_SERVICE, have one member that says what is wanted:

    {"hello": "<32 hex digits>"}                   -> {"hello": "<32 hex digits>", "you": "192.0.2.7:4000"}
    {"leave": [item, ...], "ring": true}           -> {"left": 2, "told": 1, "you": ...}
    {"watch": [key, ...], "wait": 50, "seen": 17}  -> {"news": 18, "items": [found, ...], "you": ...}
    {"watch": null, ...}: the keys of before       -> as above, or {"unknown": true}: say the keys again
    {"lookup": "name"}                             -> {"peers": ["192.0.2.7:4000", ...]}
    {"announce": "name"}                           -> {"nodes": 3}
    {"put": "text"}, {"get": "<40 hex digits>"}    -> {"hash": ...}, {"v": ...}

An item is a list of key, value and signature, in base64url without padding, and a sequence number: a mutable item of
BEP 44. What is found has two more entries: the address from which it was left, as the open peer saw it, and whether its
writer rings, that is waits for an answer now.
"""

import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import field
from typing import Final

from core.errors import PayloadError, RemoteError
from core.frozen import dataclass
from core.values import Address, JsonValue

OPEN_SERVICE: Final = "grapevine_open"
NONCE_BYTES: Final = 16
KEY_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64
VALUE_MAX: Final = 1000  # bytes, BEP 44
ITEMS_MAX: Final = 64  # of one message
KEYS_MAX: Final = 256
NAME_MAX: Final = 128  # characters
SEQUENCE_MAX: Final = 2**63 - 1
_PROOF: Final = b"grapevine open peer 1"


@dataclass(frozen=True, slots=True)
class OpenItem:
    """A mutable item of BEP 44. In what is found, `seen` is from where it was left, and `rung`: its writer waits."""

    key: bytes
    value: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    sequence: int
    seen: Address | None = None
    rung: bool = False


@dataclass(frozen=True, slots=True)
class Hello:
    """A challenge."""

    nonce: bytes


@dataclass(frozen=True, slots=True)
class Leave:
    """Items to keep, and to hand on. `ring`: those that wait for them are told, though they are known."""

    items: tuple[OpenItem, ...]
    ring: bool = False


@dataclass(frozen=True, slots=True)
class Watch:
    """Wait `wait` seconds for items under `keys` (None: those of before) that came after `seen`."""

    keys: tuple[bytes, ...] | None
    wait: float
    seen: int


@dataclass(frozen=True, slots=True)
class Names:
    """Something for the Grenache DHT: `verb` is "lookup", "announce", "put" or "get"."""

    verb: str
    text: str


@dataclass(frozen=True, slots=True)
class Watched:
    """What a watcher is told. `unknown`: the keys have to be said again."""

    news: int
    items: tuple[OpenItem, ...]
    you: Address | None = None
    unknown: bool = False


def proof(nonce: bytes, key: bytes) -> bytes:
    """Return the answer to a challenge, by the 32 bytes of the Peer ID that answers over an encrypted session."""
    return hashlib.sha256(_PROOF + nonce + key).digest()[:NONCE_BYTES]


# -- requests ---------------------------------------------------------------------------------------------------------


def hello(nonce: bytes) -> JsonValue:
    """Return a challenge as it is sent."""
    return {"hello": nonce.hex()}


def leave(items: Sequence[OpenItem], *, ring: bool = False) -> JsonValue:
    """Return items as they are left."""
    listed: list[JsonValue] = [_listed(each) for each in items]
    return {"leave": listed, "ring": True} if ring else {"leave": listed}


def watch(keys: Sequence[bytes] | None, wait: float, seen: int) -> JsonValue:
    """Return what watches keys."""
    told: JsonValue = None if keys is None else [_text(each) for each in keys]
    return {"watch": told, "wait": wait, "seen": seen}


def parse_request(payload: JsonValue) -> Hello | Leave | Watch | Names:
    """Read a request. Raises PayloadError that says what is wrong."""
    if not isinstance(payload, dict):
        raise PayloadError('an open peer is asked with an object, as {"hello": "<32 hex digits>"}')
    if "hello" in payload:
        return Hello(_nonce(payload["hello"]))
    if "leave" in payload:
        listed = payload["leave"]
        if not isinstance(listed, list) or not 0 < len(listed) <= ITEMS_MAX:
            raise PayloadError(f"'leave' is a list of 1 to {ITEMS_MAX} items")
        return Leave(tuple(_item(each) for each in listed), payload.get("ring") is True)
    if "watch" in payload:
        return _watch(payload)
    for verb in ("lookup", "announce", "put", "get"):
        text = payload.get(verb)
        if isinstance(text, str) and 0 < len(text) <= (VALUE_MAX if verb == "put" else NAME_MAX):
            return Names(verb, text)
    raise PayloadError("an open peer takes hello, leave, watch, lookup, announce, put and get")


# -- answers ----------------------------------------------------------------------------------------------------------


def hello_document(nonce: bytes, key: bytes, you: Address) -> JsonValue:
    """Return the answer to a challenge as it is sent."""
    return {"hello": proof(nonce, key).hex(), "you": str(you)}


def left_document(left: int, told: int, you: Address) -> JsonValue:
    """Return what somebody who left items is told: how many are kept, and how many watchers have them now."""
    return {"left": left, "told": told, "you": str(you)}


def watched_document(watched: Watched) -> JsonValue:
    """Return what a watcher is told as it is sent."""
    if watched.unknown:
        return {"unknown": True}
    document: dict[str, JsonValue] = {"news": watched.news, "items": [_listed(each) for each in watched.items]}
    if watched.you is not None:
        document["you"] = str(watched.you)
    return document


def parse_hello(data: JsonValue) -> tuple[bytes, Address | None]:
    """Read the answer to a challenge: the proof, and where we are seen. Raises RemoteError."""
    if not isinstance(data, dict):
        raise RemoteError("the answer of an open peer is no object")
    try:
        return _nonce(data.get("hello")), _address(data.get("you"))
    except PayloadError as error:
        raise RemoteError(str(error)) from None


def parse_left(data: JsonValue) -> tuple[int, int]:
    """Read what became of items that we left: how many are kept, how many watchers have them. Raises RemoteError."""
    if not isinstance(data, dict):
        raise RemoteError("the answer of an open peer is no object")
    left, told = data.get("left"), data.get("told")
    if not isinstance(left, int) or not isinstance(told, int) or isinstance(left, bool) or isinstance(told, bool):
        raise RemoteError("an open peer does not say what it kept")
    return left, told


def parse_watched(data: JsonValue) -> Watched:
    """Read what a watcher is told; items that make no sense are left out. Raises RemoteError."""
    if not isinstance(data, dict):
        raise RemoteError("the answer of an open peer is no object")
    if data.get("unknown") is True:
        return Watched(0, (), unknown=True)
    news, listed = data.get("news"), data.get("items")
    if not isinstance(news, int) or isinstance(news, bool) or not isinstance(listed, list):
        raise RemoteError("an open peer does not say what it has")
    items = []
    for each in listed[:ITEMS_MAX]:
        try:
            items.append(_item(each))
        except PayloadError:
            continue
    return Watched(news, tuple(items), _address(data.get("you")))


# -- parts ------------------------------------------------------------------------------------------------------------


def _watch(payload: dict[str, JsonValue]) -> Watch:
    listed, wait, seen = payload["watch"], payload.get("wait", 0), payload.get("seen", 0)
    if isinstance(wait, bool) or not isinstance(wait, int | float) or not wait >= 0:
        raise PayloadError("'wait' is a number of seconds")
    if isinstance(seen, bool) or not isinstance(seen, int):
        raise PayloadError("'seen' is the number that came with the last answer")
    wait = float(min(wait, 3600))
    if listed is None:
        return Watch(None, wait, seen)
    if not isinstance(listed, list) or len(listed) > KEYS_MAX:
        raise PayloadError(f"'watch' is a list of up to {KEYS_MAX} keys")
    return Watch(tuple(_bytes(each, KEY_BYTES) for each in listed), wait, seen)


def _listed(item: OpenItem) -> list[JsonValue]:
    told: list[JsonValue] = [_text(item.key), _text(item.value), _text(item.signature), item.sequence]
    return [*told, str(item.seen), item.rung] if item.seen is not None else told


def _item(value: JsonValue) -> OpenItem:
    if not isinstance(value, list) or not 4 <= len(value) <= 8:
        raise PayloadError("an item is a list of key, value, signature and sequence number")
    sequence = value[3]
    if isinstance(sequence, bool) or not isinstance(sequence, int) or not 0 <= sequence <= SEQUENCE_MAX:
        raise PayloadError("a sequence number is a number from 0 on")
    seen = _address(value[4]) if len(value) > 4 else None
    rung = len(value) > 5 and value[5] is True
    return OpenItem(
        _bytes(value[0], KEY_BYTES), _bytes(value[1], None), _bytes(value[2], SIGNATURE_BYTES), sequence, seen, rung
    )


def _nonce(value: JsonValue) -> bytes:
    if not isinstance(value, str) or len(value) != 2 * NONCE_BYTES:
        raise PayloadError(f"'hello' has {2 * NONCE_BYTES} hex digits")
    try:
        return bytes.fromhex(value)
    except ValueError:
        raise PayloadError(f"'hello' has {2 * NONCE_BYTES} hex digits") from None


def _address(value: JsonValue) -> Address | None:
    try:
        return Address.parse(value) if isinstance(value, str) and len(value) < 64 else None
    except ValueError:
        return None


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(value: JsonValue, size: int | None) -> bytes:
    """Read base64url of `size` bytes, or of up to VALUE_MAX."""
    if not isinstance(value, str) or len(value) > 4 * VALUE_MAX // 3 + 4 or not value.isascii():
        raise PayloadError("bytes are said in base64url, without padding")
    try:
        data = base64.b64decode(value + "=" * (-len(value) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise PayloadError("bytes are said in base64url, without padding") from None
    if (size is not None and len(data) != size) or len(data) > VALUE_MAX:
        raise PayloadError("a key, signature or value has another length")
    return data

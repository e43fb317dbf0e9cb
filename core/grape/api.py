"""The HTTP API without the HTTP: a path and a body in, a status and a body out, as the Node grape answers them.

Every case was observed on `grenache-grape` 1.0.0 (PROTOCOL.md section 2). Errors are JSON strings under status 200,
save those that its HTTP layer answers: plain text under 413 or 500; and a refusal by another node, whose KRPC code
(301, 302) becomes the HTTP status. Where the Node grape shows a JavaScript error, ours names the error.
"""

import json
import logging
import random as random_module
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Generic, TypeVar

from core.dht.items import (
    CAS_MISMATCH,
    KEY_BYTES,
    MAX_SALT_BYTES,
    MAX_VALUE_BYTES,
    SEQUENCE_OLD,
    Item,
    ItemRefused,
)
from core.dht.responder import MAX_KEY_BYTES
from core.errors import LocalError, PeerError
from core.frozen import dataclass
from core.grape.local_address import is_this_machine, peer_host
from core.grape.payload import (
    bencodable,
    hash_bytes,
    hex_or_buffer,
    is_integer,
    parse_json,
    stored_text,
    text_or_buffer,
    utf8,
)
from core.grape.service import DhtService, Done, FoundItem
from core.limits.budget import Budget
from core.scope import network, only_four
from core.values import Address, JsonValue
from core.wire.bencoding import encode

_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode  # `json.dumps` would make one per call

log = logging.getLogger(__name__)

ResultT = TypeVar("ResultT")

# KRPC errors of BEP 44 that say which version is stored: the Node grape answers them under the same HTTP status.
_CONFLICTS = {
    CAS_MISMATCH: "301 CAS mismatch, re-read and try again",
    SEQUENCE_OLD: "302 sequence number less than current",
}


@dataclass(frozen=True, slots=True)
class HttpReply:
    """Status and body; there is no content type, as in the Node grape."""

    status: int
    body: bytes


class _Refusal(Exception):
    """Answered as a JSON string under 200."""


class _BadPayload(Exception):
    """Answered as plain text under 500, where the Node grape shows a JavaScript error."""


PAYLOAD_TOO_LARGE = HttpReply(413, b"ERR_GRAPE_PAYLOAD_SIZE")
PAYLOAD_INVALID = HttpReply(500, b"ERR_GRAPE_PAYLOAD_INVALID")


def forbidden(sentence: str) -> HttpReply:
    """Return the answer to a request that a web page may have forged. The Node grape would do as it says."""
    return HttpReply(403, _json_reply(f"ERR_GRAPE_FORBIDDEN: {sentence}").body)


class _Order(Generic[ResultT]):
    """A request as the DHT understands it: how to ask, and how its answer is shown, as JSON; "" for nothing."""

    __slots__ = ("show", "start")

    def __init__(self, start: Callable[[Done[ResultT]], None], show: Callable[[ResultT], str]) -> None:
        self.start = start
        self.show = show


KEPT_PART = 4  # the fourth part of the operations is kept for this machine's clients
PART_PER_HOST = 2  # and half of them is what one other host has at most


class Api:
    """Answers requests off a DHT. At most `max_operations` at once, of one other host half as many.

    A further one is answered ERR_GRAPE_BUSY.
    """

    def __init__(
        self, dht: DhtService, *, max_operations: int = 256, random: random_module.Random | None = None
    ) -> None:
        self._dht = dht
        self._random = random or random_module.SystemRandom()
        self._operations: Budget[str] = Budget(
            max_operations,
            -(-max_operations // PART_PER_HOST),
            kept=max_operations // KEPT_PART,
            per_trusted=max_operations,
        )
        self._read: dict[str, Callable[[JsonValue, str | None], _Order[Any]]] = {
            "/lookup": self._lookup,
            "/announce": self._announce,
            "/put": self._put,
            "/get": self._get,
        }

    def answer(self, path: str, body: bytes, client: str | None, done: Callable[[HttpReply], None]) -> None:
        """Answer one request; `path` as in the request line, `client` the IP it came from. Raises nothing.

        `done` is called exactly once, before this returns if the answer is at hand.
        """
        try:
            message = parse_json(body)
        except ValueError:
            done(PAYLOAD_INVALID)
            return
        read = self._read.get(f"/{path[1:2].lower()}{path[2:]}")  # the Node grape takes "/Lookup" too, and no "/LOOKUP"
        if message is None:
            done(HttpReply(500, b"ERR_GRAPE_GENERIC"))
        elif read is None:
            done(_json_reply("ERR_REQ_NOTFOUND"))
        else:
            data = message.get("data") if isinstance(message, dict) else None
            order = _guarded(lambda: read(data, client))
            if isinstance(order, HttpReply):
                done(order)
            else:
                self._fulfil(order, client or "", done)

    def _fulfil(self, order: _Order[ResultT], client: str, done: Callable[[HttpReply], None]) -> None:
        owner = network(client)
        if not self._operations.take(owner, 1, trusted=is_this_machine(client)):
            done(_json_reply("ERR_GRAPE_BUSY"))
            return

        def ended(result: ResultT | PeerError) -> None:
            self._operations.give(owner, 1)
            done(_guarded(lambda: _shown(order, result)))

        order.start(ended)

    def _lookup(self, data: JsonValue, client: str | None) -> _Order[Sequence[Address]]:
        if not isinstance(data, str) or not data:
            raise _Refusal("ERR_GRAPE_LOOKUP")
        key = utf8(data)
        host = peer_host(client)
        start = partial(self._dht.lookup, key) if len(key) <= MAX_KEY_BYTES else _find_nobody
        return _Order(start, lambda peers: self._listing(peers, host))

    def _listing(self, peers: Sequence[Address], host: str) -> str:
        """Return peers in random order, as the Node grape does: most clients take the first one.

        Those of IPv4, as everybody who asks over HTTP knows no others: they would take `[2001` for a name.
        """
        listed = only_four(self._dht.listed(peers, host))
        if len(listed) > 1:
            listed = self._random.sample(listed, len(listed))
        shown = '","'.join([str(peer) for peer in listed])  # digits, dots, a colon: nothing that JSON escapes
        return f'["{shown}"]' if shown else "[]"

    def _announce(self, data: JsonValue, client: str | None) -> _Order[int]:
        if not isinstance(data, list):
            raise _Refusal("ERR_GRAPE_ANNOUNCE")
        name = data[0] if data else None
        number = data[1] if len(data) > 1 else None
        if not isinstance(number, int | float) or not is_integer(number) or not 0 <= number <= 65535:
            raise _Refusal("ERR_GRAPE_SERVICE_PORT")  # the Node grape: "All queries failed" for a number out of range
        if not isinstance(name, str):
            raise _BadPayload("ERR_GRAPE_ANNOUNCE")
        key = utf8(name)
        if not 0 < len(key) <= MAX_KEY_BYTES:  # the Node grape stores "" where no lookup can ask for it
            raise _Refusal("ERR_GRAPE_ANNOUNCE")
        port = int(number) or self._dht.address.port  # 0 is the grape's own port, BEP 5 implied_port
        return _Order(partial(self._dht.announce, key, Address(peer_host(client), port)), str)

    def _put(self, data: JsonValue, client: str | None) -> _Order[bytes]:
        if isinstance(data, str):
            data = {"v": data}
        if data is None:
            raise _BadPayload("ERR_GRAPE_GENERIC")
        if not isinstance(data, dict) or "v" not in data:
            raise _Refusal("opts.v not given")
        return _Order(partial(self._dht.put, _item(data), host=peer_host(client)), lambda digest: f'"{digest.hex()}"')

    def _get(self, data: JsonValue, client: str | None) -> _Order[FoundItem | None]:
        if data is None:
            raise _BadPayload("ERR_GRAPE_GENERIC")
        salt = b""
        if isinstance(data, dict):
            salt = _bytes(text_or_buffer, data.get("salt"))
            data = data.get("hash")
        if not isinstance(data, str):
            raise _Refusal("ERR_GRAPE_GENERIC")
        target = hash_bytes(data)
        if target is None:
            return _Order(_find_nothing, _found_text)
        return _Order(partial(self._dht.get, target, salt), _found_text)


def _find_nobody(done: Done[Sequence[Address]]) -> None:
    """Answer a lookup of a name too long for anybody to be announced there."""
    done(())


def _find_nothing(done: Done[FoundItem | None]) -> None:
    """Answer a get of what is no hash, where nothing can be stored: the Node grape has an empty body for it."""
    done(None)


def _guarded(work: Callable[[], ResultT]) -> ResultT | HttpReply:
    """Return what `work` returns, or the answer to what it raises."""
    try:
        return work()
    except _Refusal as refusal:
        return _json_reply(str(refusal))
    except _BadPayload as error:
        return HttpReply(500, str(error).encode())
    except Exception:  # a bug of ours costs this request, not the grape
        log.exception("a request failed")
        return HttpReply(500, b"ERR_GRAPE_GENERIC")


def _shown(order: _Order[ResultT], result: ResultT | PeerError) -> HttpReply:
    return _dht_error(result) if isinstance(result, PeerError) else HttpReply(200, order.show(result).encode())


def _json_reply(text: str) -> HttpReply:
    """Return a sentence as `JSON.stringify` writes it."""
    return HttpReply(200, _encode(text).encode())


def _dht_error(error: PeerError) -> HttpReply:
    if isinstance(error, ItemRefused) and error.code in _CONFLICTS:
        return HttpReply(error.code, _json_reply(_CONFLICTS[error.code]).body)
    if isinstance(error, ItemRefused):
        return _json_reply("All queries failed")
    return _json_reply("ERR_GRAPE_GENERIC" if isinstance(error, LocalError) else error.name)


def _bytes(read: Callable[[JsonValue], bytes], value: JsonValue) -> bytes:
    """Return the bytes of an optional field; what JavaScript calls false is absent."""
    if not value:
        return b""
    try:
        return read(value)
    except (TypeError, ValueError):
        raise _BadPayload("ERR_GRAPE_GENERIC") from None


def _item(data: dict[str, JsonValue]) -> Item:
    """Return the item of a put's DATA. The sentences are the Node grape's."""
    try:
        value = bencodable(data["v"])
        # The Node grape counts a text without bencoding's "999:", and takes less than 1,000 bytes; so do the nodes that
        # store it (core.dht.items). Everything else is counted as it is stored.
        size = len(value) + 1 if isinstance(value, bytes) else len(encode(value))
    except (TypeError, ValueError):
        raise _Refusal("ERR_GRAPE_GENERIC") from None
    if size > MAX_VALUE_BYTES:
        raise _Refusal("v must be less than 1000 bytes in put()")
    if not data.get("k"):
        return Item(value=value)
    return _mutable_item(data, Item(value=value))


def _mutable_item(data: dict[str, JsonValue], plain: Item) -> Item:
    key = _bytes(hex_or_buffer, data.get("k"))
    signature = _bytes(hex_or_buffer, data.get("sig"))
    salt = _bytes(text_or_buffer, data.get("salt"))
    cas, sequence = data.get("cas"), data.get("seq")
    if "cas" in data and (isinstance(cas, bool) or not isinstance(cas, int | float)):
        raise _Refusal("opts.cas must be an integer if provided")
    if len(key) != KEY_BYTES:
        raise _Refusal("opts.k ed25519 public key must be 32 bytes")
    if not data.get("sig"):
        raise _Refusal("opts.sign function or options.sig signature is required for mutable put")
    if len(salt) > MAX_SALT_BYTES:
        raise _Refusal("opts.salt is > 64 bytes long")
    if "seq" not in data:
        raise _Refusal("opts.seq not provided for a mutable update")
    if isinstance(sequence, bool) or not isinstance(sequence, int | float) or abs(sequence) > 2**63:
        raise _Refusal("opts.seq not an integer")
    return Item(
        value=plain.value,
        key=key,
        signature=signature,
        sequence=int(sequence),
        salt=salt,
        cas=int(cas) if isinstance(cas, int | float) and abs(cas) < 2**63 else None,
    )


def _found_text(found: FoundItem | None) -> str:
    """Return an item as JSON, as `JSON.stringify` writes it; one that nobody has is an empty body."""
    if found is None:
        return ""
    if found.item.key is not None:
        return _encode(found_json(found))
    token = "null" if found.token is None else f'"{found.token.hex()}"'
    return f'{{"id":"{found.responder.hex()}","token":{token},"v":{_encode(stored_text(found.item.value))}}}'


def found_json(found: FoundItem | None) -> dict[str, JsonValue] | None:
    """Return an item as a get shows it: `id`, `token`, `v`, and `sig`, `k`, `seq`, `salt` of a mutable one."""
    if found is None:
        return None
    item = found.item
    shown: dict[str, JsonValue] = {
        "id": found.responder.hex(),
        "token": found.token.hex() if found.token is not None else None,
        "v": stored_text(item.value),
    }
    if item.key is not None:
        shown |= {"sig": item.signature.hex(), "k": item.key.hex(), "seq": item.sequence}
        if item.salt:
            shown["salt"] = item.salt.decode("utf-8", "replace")
    return shown

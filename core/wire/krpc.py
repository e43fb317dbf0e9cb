"""KRPC messages (BEP 5): queries, replies and errors, with BEP 42's `ip` in what answers a query.

`parse(bytes(message)) == message`, for values that were decoded or checked before. Any other bytes give a message or
MalformedMessage, nothing else.
Arguments stay a dictionary; `take_bytes` and `take_int` read a field of it with its bounds.
"""

from dataclasses import field
from typing import TypeAlias

from core.errors import RemoteError
from core.frozen import dataclass
from core.values import Address, Buffer
from core.wire.bencoding import Bencoded, decode, encode_checked
from core.wire.compact import ID_BYTES, PEER_6_BYTES, PEER_BYTES, pack_peer, pack_peer_6, unpack_peer, unpack_peer_6

Fields: TypeAlias = dict[bytes, Bencoded]

MAX_TRANSACTION_BYTES = 16  # everybody sends 2 (BEP 5), a few clients 4 or 8; it is echoed, so it must not be long
MAX_METHOD_BYTES = 32  # the longest in use is "announce_peer"
MAX_MESSAGE_BYTES = 256  # of an error's text, kept for the log

PROTOCOL_ERROR = 203
METHOD_UNKNOWN = 204


class MalformedMessage(RemoteError):
    """Bytes that are no KRPC message. `transaction` is set if it was a query that BEP 5 wants answered with 203."""

    def __init__(self, message: str, transaction: bytes | None = None) -> None:
        super().__init__(message)
        self.transaction = transaction


class QueryRefused(RemoteError):
    """A query is understood and refused; `code` is the KRPC error code that it is answered with."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Query:
    """A question: `arguments` holds the sender's `id`. `read_only` (BEP 43): the sender answers no queries."""

    transaction: bytes
    method: bytes
    arguments: Fields
    read_only: bool = False

    def __bytes__(self) -> bytes:
        message: Fields = {b"t": self.transaction, b"y": b"q", b"q": self.method, b"a": dict(self.arguments)}
        if self.read_only:
            message[b"ro"] = 1
        return encode_checked(message)


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a query. `observed` is the address of the one who asked, as the answering node saw it (BEP 42)."""

    transaction: bytes
    values: Fields
    observed: Address | None = None

    def __bytes__(self) -> bytes:
        message: Fields = {b"t": self.transaction, b"y": b"r", b"r": dict(self.values)}
        return _with_observed(message, self.observed)


@dataclass(frozen=True, slots=True)
class Error:
    """A refusal: 201 generic, 203 protocol (also: bad token), 204 unknown method, 205-302 of BEP 44."""

    transaction: bytes
    code: int
    message: str = field(default="")
    observed: Address | None = None

    def __bytes__(self) -> bytes:
        message: Fields = {b"t": self.transaction, b"y": b"e", b"e": [self.code, self.message.encode()]}
        return _with_observed(message, self.observed)


Message: TypeAlias = Query | Reply | Error


def parse(data: Buffer) -> Message:
    """Return the message in one datagram. Raises MalformedMessage, and nothing else."""
    try:
        document = decode(data)
    except RemoteError as error:
        raise MalformedMessage(str(error)) from None
    if not isinstance(document, dict):
        raise MalformedMessage("not a dictionary")
    transaction = document.get(b"t")
    if not isinstance(transaction, bytes) or not 0 < len(transaction) <= MAX_TRANSACTION_BYTES:
        raise MalformedMessage("no usable transaction id")
    kind = document.get(b"y")
    if kind == b"q":
        return _parse_query(transaction, document)
    if kind == b"r":
        values = document.get(b"r")
        if not isinstance(values, dict):
            raise MalformedMessage("a reply without `r`")
        return Reply(transaction, values, _observed(document))
    if kind == b"e":
        return _parse_error(transaction, document)
    raise MalformedMessage("neither query, reply nor error")


def take_bytes(fields: Fields, name: bytes, low: int, high: int) -> bytes:
    """Return the byte string `name` of low..high bytes. Raises RemoteError if it is missing or anything else."""
    value = fields.get(name)
    if not isinstance(value, bytes) or not low <= len(value) <= high:
        raise RemoteError(f"`{name.decode()}` is not a string of {low} to {high} bytes")
    return value


def take_id(fields: Fields) -> bytes:
    """Return the sender's 20-byte node id. Raises RemoteError."""
    return take_bytes(fields, b"id", ID_BYTES, ID_BYTES)


def take_int(fields: Fields, name: bytes, low: int, high: int, default: int | None = None) -> int:
    """Return the integer `name` in low..high, or `default` if it is missing. Raises RemoteError."""
    value = fields.get(name, default)
    if not isinstance(value, int) or not low <= value <= high:
        raise RemoteError(f"`{name.decode()}` is not a number from {low} to {high}")
    return value


def _parse_query(transaction: bytes, document: Fields) -> Query:
    method = document.get(b"q")
    arguments = document.get(b"a")
    if not isinstance(method, bytes) or len(method) > MAX_METHOD_BYTES or not isinstance(arguments, dict):
        raise MalformedMessage("a query without method or arguments", transaction)
    return Query(transaction, method, arguments, document.get(b"ro") == 1)


def _parse_error(transaction: bytes, document: Fields) -> Error:
    match document.get(b"e"):
        case [int(code), bytes(text), *_]:
            return Error(transaction, code, text[:MAX_MESSAGE_BYTES].decode(errors="replace"), _observed(document))
        case [int(code)]:
            return Error(transaction, code, "", _observed(document))
    raise MalformedMessage("an error without code")


def _observed(document: Fields) -> Address | None:
    """Return BEP 42's `ip`; a wrong length (the 4 bytes some send) is as good as none."""
    value = document.get(b"ip")
    if not isinstance(value, bytes):
        return None
    if len(value) == PEER_BYTES:
        return unpack_peer(value)
    return unpack_peer_6(value) if len(value) == PEER_6_BYTES else None


def _with_observed(message: Fields, observed: Address | None) -> bytes:
    if observed is not None:
        six = ":" in observed.host
        message[b"ip"] = (
            pack_peer_6(Address(observed.host.partition("%")[0], observed.port)) if six else pack_peer(observed)
        )
    return encode_checked(message)

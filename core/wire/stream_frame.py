"""Frames of byte streams: many streams share one encrypted connection (docs/protocol-additions.md, "Byte streams").

A frame is 8 bytes of header and a payload:

     0      1                4                8
     +------+----------------+----------------+---------
     | kind | payload length |   stream id    | payload
     +------+----------------+----------------+---------

Numbers are big endian. Pure: bytes to frames and back.
"""

import json
import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import Final, NamedTuple

from core.errors import RemoteError
from core.values import Buffer

HEADER_BYTES: Final = 8
DATA_MAX: Final = 64 * 1024  # bytes of one DATA frame; four TLS records, and one turn of a stream that is alone
OPEN_MAX: Final = 4096  # bytes of what an opener says: a service's name and its request for it
REASON_MAX: Final = 1024  # bytes of an error's name and sentence
DATAGRAM_MAX: Final = 65_507  # bytes; the longest UDP payload over IPv4 (RFC 768: 65,535 - 8 - 20)
_NAME_MAX: Final = 64  # characters of an error's name
_HEADER: Final = struct.Struct(">II")


class Kind(IntEnum):
    """What a frame says."""

    OPEN = 1  # a new stream; payload: what it is for
    ACCEPT = 2  # the stream is open; payload: what the other side answers
    REFUSE = 3  # it is not; payload: `Reason`
    DATA = 4  # bytes, in order
    CREDIT = 5  # so many more bytes may be sent: 4 bytes
    END = 6  # the sender of this frame sends no further DATA (as TCP's FIN)
    RESET = 7  # the stream is over, both ways, and what is under way is dropped; payload: `Reason`
    DATAGRAM = 8  # one datagram: may be dropped, is never split or joined
    PING = 9  # payload: 8 bytes, which PONG brings back
    PONG = 10
    GOODBYE = 11  # the sender takes no new streams; payload: `Reason`


_MOST: Final = {
    Kind.OPEN: OPEN_MAX, Kind.ACCEPT: OPEN_MAX, Kind.REFUSE: REASON_MAX, Kind.DATA: DATA_MAX, Kind.CREDIT: 4,
    Kind.END: 0, Kind.RESET: REASON_MAX, Kind.DATAGRAM: DATAGRAM_MAX, Kind.PING: 8, Kind.PONG: 8,
    Kind.GOODBYE: REASON_MAX,
}  # fmt: skip
_EXACTLY: Final = {Kind.CREDIT: 4, Kind.PING: 8, Kind.PONG: 8}
ERROR: Final = "ERR_STREAM_PROTOCOL"


class Frame(NamedTuple):
    """A frame, or of a DATA frame that has not come whole, the next piece."""

    kind: Kind
    stream: int
    payload: bytes


class Reason(NamedTuple):
    """Why a stream is refused or reset: an error's name and a sentence, as in RPC."""

    name: str
    message: str


def pack_frame(kind: Kind, stream: int, payload: Buffer = b"") -> bytes:
    """Return a frame. Raises ValueError for a payload over the limit of its kind."""
    size = len(payload)
    if size > _MOST[kind]:
        raise ValueError(f"a {kind.name} frame holds {_MOST[kind]} bytes, not {size}")
    return _HEADER.pack(kind << 24 | size, stream) + bytes(payload)


def pack_header(kind: Kind, stream: int, size: int) -> bytes:
    """Return the header alone, for a payload that is sent behind it."""
    return _HEADER.pack(kind << 24 | size, stream)


def pack_reason(reason: Reason) -> bytes:
    """Return the payload of a refusal; the sentence is cut to what fits."""
    name, message = reason.name[:_NAME_MAX], reason.message
    packed = json.dumps([name, message], ensure_ascii=False).encode(errors="replace")
    while len(packed) > REASON_MAX:
        message = message[: len(message) * 3 // 4]
        packed = json.dumps([name, message], ensure_ascii=False).encode(errors="replace")
    return packed


def parse_reason(payload: bytes) -> Reason:
    """Return what a refusal says. One that says nothing, or nothing that can be read, is still a refusal."""
    try:
        said = json.loads(payload) if payload else None
    except (ValueError, RecursionError):
        said = None
    if isinstance(said, list) and len(said) == 2 and all(isinstance(part, str) for part in said):
        name, message = said
        if name.startswith("ERR_") and name.isascii() and name.isprintable():
            return Reason(name[:_NAME_MAX], message)
    return Reason("ERR_STREAM_RESET", "the other side gave no reason")


class FrameParser:
    """Takes frames apart, however they are joined or split. Keeps at most one frame that is not DATA."""

    __slots__ = ("_kind", "_left", "_parts", "_stream")

    def __init__(self) -> None:
        self._parts = b""  # of a header, or of a payload that is kept until it is whole
        self._left = -1  # bytes of the payload that are yet to come; -1: a header comes next
        self._kind = Kind.END
        self._stream = 0

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Yield what `data` completes, DATA piece by piece. Raises RemoteError; nothing can be read after that."""
        at, size = 0, len(data)
        while at < size:
            if self._left < 0:
                taken = data[at : at + HEADER_BYTES - len(self._parts)]
                at += len(taken)
                self._parts += taken
                if len(self._parts) < HEADER_BYTES:
                    return
                self._begin()
                if self._left == 0:
                    yield self._finish(b"")
                continue
            piece = data[at : at + self._left]
            at += len(piece)
            self._left -= len(piece)
            if self._kind is Kind.DATA:
                if self._left == 0:
                    self._left = -1
                yield Frame(Kind.DATA, self._stream, piece)
                continue
            self._parts = self._parts + piece if self._parts else piece
            if self._left == 0:
                yield self._finish(self._parts)

    def _begin(self) -> None:
        first, self._stream = _HEADER.unpack(self._parts)
        self._parts = b""
        number, self._left = first >> 24, first & 0xFFFFFF
        try:
            self._kind = Kind(number)
        except ValueError:
            raise RemoteError(f"frame kind {number} is unknown", name=ERROR) from None
        exactly = _EXACTLY.get(self._kind, self._left)
        if self._left > _MOST[self._kind] or self._left != exactly:
            raise RemoteError(f"a {self._kind.name} frame of {self._left:,} bytes", name=ERROR)

    def _finish(self, payload: bytes) -> Frame:
        self._left, self._parts = -1, b""
        return Frame(self._kind, self._stream, payload)

"""Sealed datagrams of a session, beside its uTP connection (docs/protocol-additions.md, "Datagrams").

     0     1              9            15
     +----+--------------+------------+---------------------------+-----+
     | fa | session id   | counter    | content, sealed           | tag |
     +----+--------------+------------+---------------------------+-----+

The first byte begins no uTP packet (their low nibble is 1), and stands in no UTF-8 text, so that it is neither a punch
(PROTOCOL section 4) nor bencode. Numbers are big endian. The content is a kind and what belongs to it:

    0 DATA   4 bytes of stream id, the datagram
    1 PIECE  4 bytes of stream id, 4 of message number, part, parts, the piece: a datagram too long for the path
    2 PING   8 bytes, and zeros up to the size that it asks about
    3 PONG   the 8 bytes of the PING

Pure: bytes to values and back. Sealing is the engine's (`core.datagrams.seal`).
"""

import struct
from typing import Final, NamedTuple, TypeAlias

from core.errors import RemoteError
from core.values import Buffer

FIRST_BYTE: Final = 0xFA
ID_BYTES: Final = 8
HEADER_BYTES: Final = 15
TAG_BYTES: Final = 16  # RFC 8439 section 2.8
SEALED_BYTES: Final = HEADER_BYTES + TAG_BYTES  # what sealing adds to a content
COUNTERS: Final = 1 << 48  # of one direction; a million a second last nine years
DATA_BYTES: Final = 5  # of a DATA content before the datagram
PIECE_BYTES: Final = 11  # of a PIECE content before the piece
PING_BYTES: Final = 9  # of a PING content without zeros
PIECES_MAX: Final = 8  # of one datagram; each that is lost takes the others with it
_SHORTEST: Final = SEALED_BYTES + DATA_BYTES

_HEADER: Final = struct.Struct(">B8sHI")
_DATA: Final = struct.Struct(">BI")
_PIECE: Final = struct.Struct(">BIIBB")
_PING: Final = struct.Struct(">BQ")
_KINDS: Final = range(4)
_DATA_KIND, _PIECE_KIND, _PING_KIND, _PONG_KIND = _KINDS


class Data(NamedTuple):
    """A datagram of a stream; it may be empty."""

    stream: int
    data: bytes


class Piece(NamedTuple):
    """A piece of a datagram, number `part` of `parts`, from 0."""

    stream: int
    message: int  # 32 bits, of its own for each datagram that is cut
    part: int
    parts: int  # 2 to PIECES_MAX
    data: bytes


class Ping(NamedTuple):
    """Asks whether a datagram of this size arrives."""

    nonce: int  # 64 bits


class Pong(NamedTuple):
    """It did."""

    nonce: int


Content: TypeAlias = Data | Piece | Ping | Pong


def is_datagram(datagram: Buffer) -> bool:
    """Tell whether a datagram claims to be of this kind, by its first byte."""
    return len(datagram) > 0 and datagram[0] == FIRST_BYTE


def pack_header(session: bytes, counter: int) -> bytes:
    """Return what goes before the sealed content. Raises struct.error for a counter that does not fit."""
    return _HEADER.pack(FIRST_BYTE, session, counter >> 32, counter & 0xFFFFFFFF)


def parse_header(datagram: Buffer) -> tuple[bytes, int] | None:
    """Return session id and counter; None for what is too short, or begins otherwise. Never raises."""
    if len(datagram) < _SHORTEST or datagram[0] != FIRST_BYTE:
        return None
    _, session, high, low = _HEADER.unpack_from(datagram)
    return session, high << 32 | low


def pack_content(content: Content, size: int = 0) -> bytes:
    """Return a content; a PING is filled with zeros up to `size` bytes. Raises struct.error for what does not fit."""
    if isinstance(content, Data):
        return _DATA.pack(_DATA_KIND, content.stream) + content.data
    if isinstance(content, Piece):
        return _PIECE.pack(_PIECE_KIND, *content[:4]) + content.data
    if isinstance(content, Ping):
        return _PING.pack(_PING_KIND, content.nonce).ljust(size, b"\0")
    return _PING.pack(_PONG_KIND, content.nonce)


def parse_content(content: bytes) -> Content:
    """Return what a content says. Raises RemoteError for one that is malformed, or of a kind that is not known."""
    kind = content[0] if content else -1
    if kind == _DATA_KIND and len(content) >= DATA_BYTES:
        return Data(_DATA.unpack_from(content)[1], content[DATA_BYTES:])
    if kind == _PIECE_KIND and len(content) > PIECE_BYTES:
        _, stream, message, part, parts = _PIECE.unpack_from(content)
        if 2 <= parts <= PIECES_MAX and part < parts:
            return Piece(stream, message, part, parts, content[PIECE_BYTES:])
    elif kind == _PING_KIND and len(content) >= PING_BYTES:
        return Ping(_PING.unpack_from(content)[1])
    elif kind == _PONG_KIND and len(content) == PING_BYTES:
        return Pong(_PING.unpack_from(content)[1])
    raise RemoteError(f"a sealed datagram of kind {kind} with {len(content)} bytes")

"""Messages inside a session: each behind its length, so that any number share a packet.

A frame is 4 bytes, big endian, that say how long the message is, and the message. Pure: bytes in, pieces out.
"""

from typing import Final

from core.errors import RemoteError
from core.values import Buffer

HEADER_BYTES: Final = 4
ALPN: Final = b"grapevine/1"  # what a session is for (RFC 7301): requests and replies
STREAMS: Final = b"grapevine-streams/1"  # byte streams (core.tunnel)
PROTOCOLS: Final = (ALPN, STREAMS)
FIRST_BYTE: Final = 0x16  # of a TLS handshake (RFC 8446 section 5.1); a plain message begins with [ or { or space
RECORD_BYTES: Final = 16_384  # plaintext of one TLS record at the most (RFC 8446 section 5.1)
# Sealed in one step: 0.1 ms on a desktop, 1.5 ms on a board without AES in its processor. Whole records: each costs as
# much as 2 KB of what is in it.
SLICE_BYTES: Final = 8 * RECORD_BYTES
ONCE_BYTES: Final = SLICE_BYTES - HEADER_BYTES  # of a message that is sealed in one step, with its length before it
_RECORD_HEADER: Final = 5  # bytes: type, version, length
_FIRST_TYPE: Final = 20  # RFC 8446 section 5.1
_LAST_TYPE: Final = 24  # RFC 6520's
_MAJOR: Final = 3  # of the version, since SSL 3
_MOST: Final = RECORD_BYTES + 256  # bytes of a sealed record (RFC 8446 section 5.2)
SEAL_BYTES: Final = 22  # what a record adds: 5 of header, 1 of type, 16 of tag (RFC 8446 section 5.2)


def header(size: int) -> bytes:
    """Return what goes before a message of `size` bytes."""
    return size.to_bytes(HEADER_BYTES, "big")


class RecordCounter:
    """Counts the TLS records that end in what comes, however they are split: 5 bytes of header end with the length."""

    __slots__ = ("_header", "_left")

    def __init__(self) -> None:
        self._header = b""  # what came of the next one
        self._left = 0  # bytes that are missing of the record under way

    def count(self, data: Buffer) -> int:
        """Take what came; return how many records it ends (RFC 8446 section 5.1)."""
        size = len(data)
        at = self._left
        if not (at or self._header) and size > _RECORD_HEADER and data[3] << 8 | data[4] == size - _RECORD_HEADER:
            return 1  # one whole record, as of most messages
        if at > size:
            self._left = at - size
            return 0
        whole = int(at > 0)
        while at < size:
            if not self._header and at + _RECORD_HEADER <= size:
                kind, major, length = data[at], data[at + 1], data[at + 3] << 8 | data[at + 4]
                at += _RECORD_HEADER
            else:
                part = bytes(data[at : at + _RECORD_HEADER - len(self._header)])
                at += len(part)
                self._header += part
                if len(self._header) < _RECORD_HEADER:
                    break
                kind, major, length = self._header[0], self._header[1], int.from_bytes(self._header[3:], "big")
                self._header = b""
            if not _FIRST_TYPE <= kind <= _LAST_TYPE or major != _MAJOR or length > _MOST:
                return whole + 1  # no record: OpenSSL says so when it is asked
            at += length
            whole += at <= size
        self._left = max(0, at - size)
        return whole


class FrameReader:
    """Takes frames apart, however they are joined or split. Keeps nothing but a length that is not whole yet."""

    __slots__ = ("_left", "_length", "_max_bytes")

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._left = 0  # bytes of the message under way that are yet to come
        self._length = b""  # what came of the next length

    @property
    def unfinished(self) -> bool:
        """Whether a frame has begun and not ended."""
        return bool(self._left or self._length)

    def feed(self, data: bytes) -> list[bytes]:
        """Return what of messages is in `data`: whole ones, or pieces of long ones, and never of two in one piece.

        Raises RemoteError (ERR_MESSAGE_SIZE) for a message beyond the limit; nothing can be read after that.
        """
        size = len(data)
        begins = not (self._left or self._length) and HEADER_BYTES < size <= self._max_bytes
        if begins and int.from_bytes(data[:HEADER_BYTES], "big") == size - HEADER_BYTES:
            return [data[HEADER_BYTES:]]  # one whole message, as most are
        pieces: list[bytes] = []
        at = 0
        while at < size:
            if not self._left:
                part = data[at : at + HEADER_BYTES - len(self._length)]
                at += len(part)
                self._length += part
                if len(self._length) < HEADER_BYTES:
                    break
                self._begin()
            elif at == 0 and size <= self._left:
                self._left -= size
                return [data]
            else:
                piece = data[at : at + self._left]
                at += len(piece)
                self._left -= len(piece)
                pieces.append(piece)
        return pieces

    def _begin(self) -> None:
        self._left, self._length = int.from_bytes(self._length, "big"), b""
        if self._left > self._max_bytes:
            raise RemoteError(
                f"a message of {self._left:,} bytes is over the limit of {self._max_bytes:,}", name="ERR_MESSAGE_SIZE"
            )

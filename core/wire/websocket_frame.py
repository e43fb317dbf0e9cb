"""WebSocket frames (RFC 6455 section 5) without I/O, for both sides: strict about masks, reserved bits and sizes.

No extension is agreed upon, as the Node transport agrees upon none. Every error costs the connection, with the close
code that the RFC has for it.
"""

import base64
import enum
import hashlib
import struct
import sys
from typing import Final, NamedTuple

from core.errors import RemoteError

GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3
VERSION: Final = "13"
NORMAL, GOING_AWAY, PROTOCOL_ERROR, TOO_BIG, TRY_LATER = 1000, 1001, 1002, 1009, 1013
CONTROL_MAX: Final = 125  # bytes of a control frame, section 5.5
MAX_FRAGMENTS: Final = 4096  # of one message: each costs an object
_FIN, _RESERVED, _MASK, _CODE, _LENGTH = 0x80, 0x70, 0x80, 0x0F, 0x7F
_WHOLE_TEXT: Final = 0x81  # a first byte
_SHORTEST: Final = 6  # bytes of a head with a mask


class Kind(enum.IntEnum):
    """Opcodes, section 5.2."""

    MORE = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


_KINDS: Final = {int(kind): kind for kind in Kind}  # asking the class costs as much as the rest of a frame


class Message(NamedTuple):
    """A whole message, or a control frame."""

    kind: Kind
    data: bytes


class FrameError(RemoteError):
    """What came is no frame; `code` is what the other side is told."""

    name = "ERR_WEBSOCKET"

    def __init__(self, message: str, code: int = PROTOCOL_ERROR) -> None:
        super().__init__(message)
        self.code = code


class FrameReader:
    """Reads messages from pieces. `masked`: what comes has to be masked (we are the server), or must not be.

    `at_once`: messages that one `feed` returns at the most.
    """

    def __init__(self, max_bytes: int, *, masked: bool, at_once: int = sys.maxsize) -> None:
        self._at_once = at_once
        self.max_bytes = max_bytes
        self._masked = masked
        self._data = bytearray()
        self._parts: list[bytes] = []
        self._size = 0
        self._kind: Kind | None = None  # of the message that is under way
        self.more = False

    @property
    def held(self) -> int:
        """Bytes of what is not whole yet."""
        return len(self._data) + self._size

    def feed(self, data: bytes) -> list[Message]:
        """Take what came; return what it completes. Raises FrameError, after which nothing can be read.

        With `more` there are others, beyond `at_once`; the next call returns them, with b"" too.
        """
        if self._data:
            self._data += data
            view, kept = bytes(self._data), True
        else:
            view, kept = data, False
        at, found = 0, list[Message]()
        while (
            at < len(view)
            and len(found) < self._at_once
            and (end := self._short(view, at, found) or self._frame(view, at, found)) != at
        ):
            at = end
        self.more = len(found) >= self._at_once
        if kept:
            del self._data[:at]
        elif at < len(view):
            self._data += view[at:]
        return found

    def _short(self, data: bytes, at: int, found: list[Message]) -> int:
        """Read a whole text message of up to 125 bytes, which most are; return where it ends, 0 for any other frame."""
        if data[at] != _WHOLE_TEXT or self._kind is not None or len(data) - at < _SHORTEST:
            return 0
        body = at + (_SHORTEST if self._masked else 2)
        size = data[at + 1] - (_MASK if self._masked else 0)
        end = body + size
        if not 0 <= size < 126 or end > len(data) or size > self.max_bytes:
            return 0
        text = data[body:end]
        found.append(Message(Kind.TEXT, mask_with(text, data[body - 4 : body]) if self._masked else text))
        return end

    def _frame(self, data: bytes, at: int, found: list[Message]) -> int:
        """Read one frame; return where the next one begins, `at` when it is not whole."""
        if len(data) - at < 2:
            return at
        first, second = data[at], data[at + 1]
        size, head = second & _LENGTH, at + 2
        if first & _RESERVED:
            raise FrameError("a reserved bit is set, and no extension was agreed upon")
        if bool(second & _MASK) != self._masked:
            raise FrameError("a client's frames are masked, a server's are not")
        if size >= 126:
            width = 2 if size == 126 else 8
            if len(data) - head < width:
                return at
            size = int.from_bytes(data[head : head + width])
            head += width
        kind = self._check(first, size)
        mask = b""
        if self._masked:
            mask, head = data[head : head + 4], head + 4
        if len(data) < head + size:
            return at
        body = data[head : head + size]
        self._take(kind, bool(first & _FIN), mask_with(body, mask) if mask else body, found)
        return head + size

    def _check(self, first: int, size: int) -> Kind:
        kind = _KINDS.get(first & _CODE)
        if kind is None:
            raise FrameError(f"opcode {first & _CODE} is reserved")
        if kind >= Kind.CLOSE:
            if size > CONTROL_MAX or not first & _FIN:
                raise FrameError("a control frame is short, and whole")
        elif (kind is Kind.MORE) != (self._kind is not None):
            raise FrameError("a message is continued that never began, or begins within another")
        elif self._size + size > self.max_bytes:
            raise FrameError(f"a message of over {self.max_bytes:,} bytes", TOO_BIG)
        return kind

    def _take(self, kind: Kind, last: bool, data: bytes, found: list[Message]) -> None:
        if kind >= Kind.CLOSE or (last and kind is not Kind.MORE):
            found.append(Message(kind, data))
        else:
            self._kind = self._kind or kind
            self._parts.append(data)
            self._size += len(data)
            if len(self._parts) > MAX_FRAGMENTS:
                raise FrameError(f"a message in more than {MAX_FRAGMENTS} fragments", TOO_BIG)
            if last:
                found.append(Message(self._kind, b"".join(self._parts)))
                self._parts, self._size, self._kind = [], 0, None


_ONES: Final = [int.from_bytes(b"\1\0\0\0" * words, "little") for words in range(64)]  # times a mask: it repeated


def mask_with(data: bytes, mask: bytes) -> bytes:
    """Return `data` masked or unmasked, section 5.3; as one number, which is quick in Python."""
    if not data:
        return data
    words = (len(data) + 3) // 4
    if words < len(_ONES):
        repeated = int.from_bytes(mask, "little") * _ONES[words]
        return (int.from_bytes(data, "little") ^ repeated).to_bytes(4 * words, "little")[: len(data)]
    whole = int.from_bytes((mask * words)[: len(data)], "little")
    return (int.from_bytes(data, "little") ^ whole).to_bytes(len(data), "little")


def frame(kind: Kind, data: bytes, mask: bytes = b"") -> bytes:
    """Return one whole frame; a client gives four random bytes as `mask`."""
    size, flag = len(data), _MASK if mask else 0
    if size < 126:
        head = bytes((_FIN | kind, flag | size))
    elif size < 1 << 16:
        head = struct.pack(">BBH", _FIN | kind, flag | 126, size)
    else:
        head = struct.pack(">BBQ", _FIN | kind, flag | 127, size)
    return head + mask + mask_with(data, mask) if mask else head + data


def close_frame(code: int | None, mask: bytes = b"") -> bytes:
    """Return the frame that ends a connection."""
    return frame(Kind.CLOSE, b"" if code is None else struct.pack(">H", code), mask)


def accept_key(key: str) -> str:
    """Return what a server answers a client's Sec-WebSocket-Key, section 4.2.2."""
    return base64.b64encode(hashlib.sha1(key.encode() + GUID, usedforsecurity=False).digest()).decode()


def is_key(key: str | None) -> bool:
    """Tell whether a Sec-WebSocket-Key is one: 16 bytes in base64."""
    try:
        return key is not None and len(base64.b64decode(key, validate=True)) == 16
    except ValueError:
        return False

"""The four calls of OpenSSL that every message takes, without what pyOpenSSL does around each of them.

A small message sealed and opened costs 11 us of processor time by pyOpenSSL's methods, and 5 here: they allocate 16 KB
for each reading, and look for errors where there is none. Whatever does not simply work is left to those methods, which
know what it means.

`_ssl`, `_into_ssl` and `_from_ssl` of a connection are not in pyOpenSSL's documentation: tests/secure/test_pipe.py
sees that they are there, and pyproject.toml bounds its version.
"""

from typing import Any, Final

from cryptography.hazmat.bindings.openssl.binding import Binding
from OpenSSL import SSL

from core.secure.frames import RECORD_BYTES, SEAL_BYTES, SLICE_BYTES
from core.values import Buffer

_lib: Final[Any] = Binding.lib
_ffi: Final[Any] = Binding.ffi
RECORDS: Final = SLICE_BYTES // RECORD_BYTES + 1  # written or read at once: what is sealed in one step, and an alert
SPACE: Final = RECORDS * (RECORD_BYTES + SEAL_BYTES)  # bytes
# Not cleared: what nobody has written to takes no memory.
_new: Final[Any] = _ffi.new_allocator(should_clear_after_alloc=False)


class _Space:
    """Where OpenSSL writes to."""

    __slots__ = ("bytes", "start")

    def __init__(self) -> None:
        self.start: Any = _new("char[]", SPACE)
        self.bytes: Any = _ffi.buffer(self.start)


# Those that nobody uses. A call takes one and gives it back, since other threads run while OpenSSL works: there are as
# many as threads were in such a call at once. (A `threading.local` is none once mypyc has compiled it: attributes of
# its classes are in the object itself, so that all threads had one space, and found one another's messages in it.)
_spaces: Final[list[_Space]] = []


def _space() -> _Space:
    try:
        return _spaces.pop()
    except IndexError:
        return _Space()


class Pipe:
    """The memory buffers of one connection. It says nothing of errors: see each method for how they are noticed."""

    __slots__ = ("_from", "_into", "_ssl", "_tls")

    def __init__(self, connection: SSL.Connection) -> None:
        """`connection` is on memory buffers; the pipe keeps it alive."""
        self._tls: Any = connection
        self._ssl, self._into, self._from = self._tls._ssl, self._tls._into_ssl, self._tls._from_ssl

    def put(self, data: Buffer) -> None:
        """Take what came from the other side."""
        if type(data) is not bytes or _lib.BIO_write(self._into, data, len(data)) != len(data):
            self._tls.bio_write(data)

    def open(self, most: int = 1) -> tuple[bytes, int]:
        """Return the text of the next records, joined, and of how many: `most`, or fewer where the next is none.

        Raises SSL.Error, as `SSL.Connection.recv` does, if the first is none.
        """
        space = _space()
        start = space.start
        at: int = _lib.SSL_read(self._ssl, start, RECORD_BYTES)
        count = 1 if at > 0 else 0
        if count and most > 1:
            most = min(most, RECORDS)
            while count < most:
                size: int = _lib.SSL_read(self._ssl, start + at, RECORD_BYTES)
                if size <= 0:
                    break
                at += size
                count += 1
        text: bytes = space.bytes[:at] if count else b""
        _spaces.append(space)
        return (text, count) if count else (self._tls.recv(RECORD_BYTES), 1)

    def seal(self, data: Buffer) -> None:
        """Encrypt for the other side. Raises SSL.Error."""
        if type(data) is not bytes or _lib.SSL_write(self._ssl, data, len(data)) != len(data):
            self._tls.send(data)

    def take(self) -> bytes:
        """Return, and forget, what is to be sent, b"" when that is nothing; quickest when it is below `SPACE` bytes."""
        out = piece = self._read()
        while len(piece) == SPACE:
            piece = self._read()
            out += piece
        return out

    def _read(self) -> bytes:
        space = _space()
        size: int = _lib.BIO_read(self._from, space.start, SPACE)
        piece: bytes = space.bytes[:size] if size > 0 else b""
        _spaces.append(space)
        return piece

"""Who put which of the files of a drop box into it: kept in a file beside them, so that a restart forgets nobody.

A line for each file, `HOST BYTES MARK`, written before the file gets its name: a program that is killed between the two
has counted one file too many. The file is for its owner only. One that is damaged counts all that is there for
everybody, until the owner has taken it away: so it opens nothing.
"""

import contextlib
import hashlib
import logging
import os
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

from core.files.kept import keep_damaged
from core.files.private import read_private, write_private
from core.scope import site

NAME: Final = ".grapevine-uploads"  # no file that is put in has a name that begins so (`safe_name`)
SITE_PARTS: Final = 2  # the part of a /48, in hosts: two thirds of a box, where a host gets half of it
LINES: Final = 20_000  # written before what has gone is left out: twice the files that a box takes, 1.5 MB
LINE_MAX: Final = 160  # bytes: the longest text of a network, 20 digits and a mark are 84
EVERYBODY: Final = "*"  # on whose account files are that nobody knows who put in

_log = logging.getLogger(__name__)


class Part(NamedTuple):
    """What is put in: so many files with so many bytes."""

    files: int = 0
    size: int = 0

    def plus(self, files: int, size: int) -> "Part":
        """Return both together."""
        return Part(self.files + files, self.size + size)


class Parts:
    """Parts by host, and by the site (/48 of IPv6) that it is in. One thread changes it, others may read."""

    def __init__(self) -> None:
        self._of: dict[str, Part] = {}

    def of(self, host: str) -> Part:
        """Return the part of a host, or of a site."""
        return self._of.get(host, _NOTHING)

    def add(self, host: str, files: int, size: int) -> None:
        """Count more, or fewer, of a host."""
        place = site(host)
        for owner in (host,) if place is None else (host, place):
            part = self.of(owner).plus(files, size)
            if part.files or part.size:
                self._of[owner] = part
            else:
                self._of.pop(owner, None)


_NOTHING: Final = Part()


class _Upload(NamedTuple):
    host: str
    size: int


class Uploads:
    """The uploads of one folder. Everything but `of` may block, is for threads, and raises OSError."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / NAME
        self._lock = threading.Lock()
        self._uploads: dict[str, _Upload] = {}  # by the mark of the file's name
        self._parts = Parts()
        self._lines = 0

    def of(self, owner: str) -> Part:
        """Return what is there of a host or a site, and of everybody."""
        return self._parts.of(owner).plus(*self._parts.of(EVERYBODY))

    def open(self) -> None:
        """Read who put in what is there. Raises OSError when nothing can be read or written there."""
        with self._lock:
            try:
                data = read_private(self._path, LINES * LINE_MAX)
            except FileNotFoundError:
                return
            try:
                found = _parse(data)
            except ValueError as error:
                kept = keep_damaged(self._path)
                _log.warning(
                    "%s, which says who put what into this drop box, is damaged: %s. It is kept as %s. All that is "
                    "there counts for everybody now, until you take it out of the box.", self._path, error, kept.name,
                )  # fmt: skip
                found = {mark(name): _Upload(EVERYBODY, _size_of(self._folder / name)) for name in _names(self._folder)}
            for key, upload in found.items():
                self._count(key, upload)
            self._leave_out_gone()
            self._write_all()

    def add(self, name: str, host: str, size: int) -> None:
        """Write down that a host puts a file in; then count it."""
        key = mark(name)
        line = _line(key, _Upload(host, size))
        with self._lock:
            file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
            try:
                before = os.fstat(file).st_size
                try:
                    if os.write(file, line) < len(line):
                        raise OSError(28, "its disk is full")
                    os.fsync(file)
                except OSError:
                    with contextlib.suppress(OSError):
                        os.ftruncate(file, before)  # else the next line would be damaged
                    raise
            finally:
                os.close(file)
            self._count(key, _Upload(host, size))
            self._lines += 1
            if self._lines >= LINES:
                self._leave_out_gone()
                self._write_all()

    def look(self) -> None:
        """Count what is still there: the owner may have taken some of it away."""
        with self._lock:
            self._leave_out_gone()

    def _count(self, key: str, upload: _Upload) -> None:
        old = self._uploads.pop(key, None)
        if old is not None:
            self._parts.add(old.host, -1, -old.size)
        self._uploads[key] = upload
        self._parts.add(upload.host, 1, upload.size)

    def _leave_out_gone(self) -> None:
        there = set(map(mark, _names(self._folder)))
        for key in self._uploads.keys() - there:
            gone = self._uploads.pop(key)
            self._parts.add(gone.host, -1, -gone.size)

    def _write_all(self) -> None:
        write_private(self._path, b"".join(_line(key, upload) for key, upload in self._uploads.items()))
        self._lines = len(self._uploads)


def mark(name: str) -> str:
    """Return what stands for a file's name: one of 2^64."""
    return hashlib.blake2b(os.fsencode(name), digest_size=8).hexdigest()


def _line(key: str, upload: _Upload) -> bytes:
    return f"{upload.host} {upload.size} {key}\n".encode()


def _parse(data: bytes) -> dict[str, _Upload]:
    """Read a file of lines. Its last one may be cut: its file never got its name. Raises ValueError for others."""
    if len(data) > LINES * LINE_MAX:
        raise ValueError("it is far too large")
    found: dict[str, _Upload] = {}
    for number, line in enumerate(data.split(b"\n")[:-1], 1):
        fields = line.decode(errors="replace").split(" ")
        host, size, key = fields if len(fields) == 3 else ("", "", "")
        if not (host and host.isprintable() and size.isascii() and size.isdigit() and _is_mark(key)):
            raise ValueError(f"line {number} cannot be read")
        found[key] = _Upload(host, int(size))
    return found


def _is_mark(text: str) -> bool:
    return len(text) == 16 and not set(text) - set("0123456789abcdef")


def _names(folder: Path) -> Iterable[str]:
    with os.scandir(folder) as found:
        return [entry.name for entry in found if not entry.name.startswith(NAME)]


def _size_of(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0

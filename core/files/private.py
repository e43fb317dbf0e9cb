"""Files that only their owner can read, written whole or not at all.

On Windows the system closes a user's own folders to other users, so modes and owners are looked at on POSIX only. A
symbolic link is followed if it is ours, so that settings may be kept elsewhere: what counts is the file behind it.
"""

import contextlib
import errno
import itertools
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, Final

from core.files.leftovers import remove_leftovers

_POSIX: Final = os.name == "posix"
_ADMINISTRATOR: Final = 0  # the user number of root
_OTHERS: Final = 0o077  # what a mode gives to the group and to everybody
_NONBLOCK: Final = getattr(os, "O_NONBLOCK", 0)  # a FIFO in a file's place must not hold us up
_BINARY: Final = getattr(os, "O_BINARY", 0)
_numbers = itertools.count()  # two threads may write the same file at once


def make_private_directory(path: Path) -> None:
    """Make a directory, and those above it, for its owner only; one of ours that is open to others is closed.

    Raises OSError.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if _POSIX:
        status = path.stat()
        if status.st_uid == os.geteuid() and status.st_mode & _OTHERS:
            with contextlib.suppress(OSError):  # a file system without modes
                path.chmod(0o700)


def read_private(
    path: Path, most: int, said: Callable[[str], None] = lambda sentence: None, *, secret: bool = False
) -> bytes:
    """Return what is in a file, and a byte more than `most` if it is too large.

    One that other users can read or change is closed to them. `said` hears a sentence if they could change it, or if
    they could read what is `secret`. Raises OSError, also for what is not a file, and PermissionError for a file of
    another user than us or the administrator.
    """
    opened = os.open(path, os.O_RDONLY | _NONBLOCK | _BINARY)
    try:
        status = os.fstat(opened)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is not a file")
        sentence = _close_to_others(path, status, lambda: os.chmod(opened, 0o600), secret)
        if sentence:
            said(sentence)
        with open(opened, "rb", closefd=False) as file:
            return file.read(most + 1)
    finally:
        os.close(opened)


def close_to_others(path: Path) -> str | None:
    """Make a file private that something else opens; return what `read_private` says. Raises as it does."""
    return _close_to_others(path, path.stat(), lambda: path.chmod(0o600), secret=False)


def _close_to_others(path: Path, status: os.stat_result, close: Callable[[], None], secret: bool) -> str | None:
    if not _POSIX:
        return None
    if status.st_uid not in (os.geteuid(), _ADMINISTRATOR):  # who can do everything anyway, and may have put it there
        raise PermissionError(errno.EPERM, f"it belongs to another user of this computer (number {status.st_uid})")
    if not status.st_mode & _OTHERS:
        return None
    writable = bool(status.st_mode & 0o022)
    did = "read and change" if writable else "read"
    try:
        close()
    except OSError as error:
        return f"Other users of this computer can {did} {path}, and that cannot be changed: {error.strerror or error}."
    return f"Other users of this computer could {did} {path}. Now only you can." if secret or writable else None


def is_private(path: Path) -> bool:
    """Return whether only its owner can read a file that is there."""
    return not _POSIX or not path.stat().st_mode & _OTHERS


def write_private(path: Path, data: bytes) -> None:
    """Write a file that only its owner can read, from its first byte on, whole or not at all. Raises OSError."""
    with private_file(path, "wb") as file:
        file.write(data)


@contextlib.contextmanager
def private_file(
    path: Path,
    mode: str,
    *,
    permissions: int = 0o600,
    **options: Any,  # noqa: ANN401 - those of `open`
) -> Iterator[IO[Any]]:
    """Open a new file that takes the place of `path` when everything is on the disk, or else leaves nothing.

    `mode` and `options` are those of `open`; other `permissions` are for what is no secret. Raises OSError.
    """
    path = _behind(path)
    temporary = path.with_name(f"{path.name}.{os.getpid()}-{next(_numbers)}.tmp")
    temporary.unlink(missing_ok=True)
    remove_leftovers(path.parent, path.name)
    try:
        with open(
            os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, permissions), mode, **options
        ) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Have the names in a directory on the disk too: without, a crash of the machine may bring an older file back."""
    if _POSIX:
        with contextlib.suppress(OSError):  # some file systems have no such thing, and the file itself is there
            directory = os.open(path, os.O_RDONLY)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)


def _behind(path: Path) -> Path:
    """Return the file that a link of our own leads to; a link of somebody else is not followed but replaced."""
    if not _POSIX:
        return path
    try:
        status = path.lstat()
    except OSError:
        return path
    ours = stat.S_ISLNK(status.st_mode) and status.st_uid == os.geteuid()
    return path.resolve() if ours else path

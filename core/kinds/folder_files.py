"""Files below one folder and nowhere else: opened step by step, so that no link, `..` or race leads out of it."""

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from core.errors import LocalError

ENTRIES_MAX: Final = 10_000  # of one folder that are listed; more are said to be there
DEPTH_MAX: Final = 64  # folders within folders
NOT_FOUND: Final = "ERR_NOT_FOUND"
_DIRECTORY: Final = getattr(os, "O_DIRECTORY", 0)
_NO_LINKS: Final = getattr(os, "O_NOFOLLOW", 0)
_NO_WAITING: Final = getattr(os, "O_NONBLOCK", 0)  # a FIFO would hold the opening up for ever
_CLOEXEC: Final = getattr(os, "O_CLOEXEC", 0)
_SEPARATORS: Final = frozenset("/\\:\0" if os.name == "nt" else "/\0")  # of folders, drives and streams (NTFS)
_BY_HANDLE: Final = os.open in os.supports_dir_fd


class Entry(NamedTuple):
    """One name in a folder. `modified` is Unix seconds, `size` bytes (0 for a folder)."""

    name: str
    folder: bool
    size: int
    modified: float


class Listing(NamedTuple):
    """What a folder shows; `more`: there are further names."""

    entries: list[Entry]
    more: bool


class Files:
    """What is below `root`. Links are not followed and not shown; hidden names are, with `hidden`, as any other.

    All calls block: run them in a thread. They raise LocalError (ERR_NOT_FOUND) for whatever is not there, may not be
    read, is a link or a device, or is hidden: a caller learns nothing of what it may not have.
    """

    def __init__(self, root: Path, *, hidden: bool = False) -> None:
        self.root = root
        self._hidden = hidden

    def list(self, parts: tuple[str, ...]) -> Listing:
        """Return what is in a folder: folders first, then by name."""
        with self._opened(parts, _DIRECTORY) as handle:
            entries: list[Entry] = []
            more = False
            with os.scandir(handle) as found:
                for name in found:
                    if len(entries) >= ENTRIES_MAX:
                        more = True
                        break
                    entry = self._entry(name)
                    if entry is not None:
                        entries.append(entry)
        return Listing(sorted(entries, key=lambda e: (not e.folder, e.name.casefold(), e.name)), more)

    def open(self, parts: tuple[str, ...]) -> tuple[int, os.stat_result]:
        """Open a regular file for reading; the caller closes the descriptor."""
        with self._opened(parts, _NO_WAITING) as handle:
            found = os.fstat(handle)
            if not stat.S_ISREG(found.st_mode):
                raise _nothing(parts)
            return os.dup(handle), found

    def is_folder(self, parts: tuple[str, ...]) -> bool:
        """Return whether this is a folder; False also when there is nothing."""
        try:
            with self._opened(parts, _DIRECTORY):
                return True
        except LocalError:
            return False

    def _entry(self, name: "os.DirEntry[str]") -> Entry | None:
        if not self._may(name.name):
            return None
        try:
            found = name.stat(follow_symlinks=False)
        except OSError:
            return None
        folder = stat.S_ISDIR(found.st_mode)
        if not folder and not stat.S_ISREG(found.st_mode):
            return None
        return Entry(name.name, folder, 0 if folder else found.st_size, found.st_mtime)

    def _may(self, name: str) -> bool:
        return name not in {"", ".", ".."} and not _SEPARATORS & set(name) and (self._hidden or name[0] != ".")

    @contextlib.contextmanager
    def _opened(self, parts: tuple[str, ...], flags: int) -> Iterator[int]:
        if len(parts) > DEPTH_MAX or not all(self._may(part) for part in parts):
            raise _nothing(parts)
        try:
            handle = self._walk(parts, flags)
        except (OSError, ValueError):
            raise _nothing(parts) from None
        try:
            yield handle
        finally:
            os.close(handle)

    def _walk(self, parts: tuple[str, ...], flags: int) -> int:
        """Return a descriptor of what the last part names; each step is taken from the folder before, by its handle."""
        if not _BY_HANDLE:
            return self._walk_by_path(parts, flags)
        handle = os.open(self.root, os.O_RDONLY | _DIRECTORY | _CLOEXEC)  # the root itself may be a link of the owner's
        for number, part in enumerate(parts, 1):
            more = flags if number == len(parts) else _DIRECTORY
            try:
                if more != _DIRECTORY:
                    _require_file(os.stat(part, dir_fd=handle, follow_symlinks=False))
                following = os.open(part, os.O_RDONLY | _NO_LINKS | _CLOEXEC | more, dir_fd=handle)
            finally:
                os.close(handle)
            handle = following
        return handle

    def _walk_by_path(self, parts: tuple[str, ...], flags: int) -> int:
        """Do so where systems have no handles of folders: what is a link, or ends outside, is refused."""
        path = self.root.resolve()
        for part in parts:
            path = path / part
            if path.is_symlink():
                raise OSError(f"{path} is a link")
        if not path.resolve().is_relative_to(self.root.resolve()):
            raise OSError(f"{path} is outside")
        if flags != _DIRECTORY:
            _require_file(os.stat(path, follow_symlinks=False))
        return os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | flags)


def _require_file(found: os.stat_result) -> None:
    """Raise OSError for what is no regular file: to open a FIFO or a device does something by itself, as waking who
    waits to write there, or rewinding a tape."""
    if not stat.S_ISREG(found.st_mode):
        raise OSError("it is no regular file")


def _nothing(parts: tuple[str, ...]) -> LocalError:
    shown = "/".join(parts).encode(errors="replace").decode()
    return LocalError(f"there is no file {shown[:200]!r} here", name=NOT_FOUND)

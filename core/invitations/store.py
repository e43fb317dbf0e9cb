"""The book of invitations in a file, for the running peer and the command line alike.

Each change reads the file, changes it and writes it whole, under a lock between programs: what one program has spent,
no other one gives away. Without a path everything is in memory. A damaged file holds no invitation: nobody joins, and
nothing is written, until its owner has it set aside (`reset`).
"""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeAlias, TypeVar

from core.errors import LocalError
from core.files.kept import keep_damaged
from core.files.lock import locked
from core.files.private import make_private_directory, read_private, write_private
from core.invitations.book import Book

T = TypeVar("T")
FAULT: Final = "ERR_INVITATIONS"
MAX_BYTES: Final = 1 << 22  # a full book has 1.5 MB
_Stamp: TypeAlias = tuple[int, int, int]  # what changes with every writing: inode, time in ns, size
_log = logging.getLogger(__name__)


class InvitationStore:
    """The book. `problem` is a sentence about a file that cannot be used; `book` is then empty."""

    def __init__(self, path: Path | None = None) -> None:
        self.book = Book()  # as it was when it was read or written here the last time
        self.problem: str | None = None
        self._path = path
        self._stamp: _Stamp | None = None
        self._changing = asyncio.Lock()
        self._listeners: list[Callable[[], None]] = []

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener`, on the loop, whenever the book has changed."""
        self._listeners.append(listener)

    async def open(self) -> None:
        """Read the file, if there is one. Nothing is raised: see `problem`."""
        async with self._changing:
            await self._read()

    async def refresh(self) -> None:
        """Read the file again if another program has changed it."""
        if self._path is None or await asyncio.to_thread(self._look) == self._stamp:
            return
        async with self._changing:
            await self._read()
        self.tell()

    async def change(self, change: Callable[[Book], T]) -> T:
        """Make a change to what the file holds now; when this returns it is on the disk.

        Raises LocalError: what `change` raises, and ERR_INVITATIONS for a damaged file or a disk that refuses.
        """
        async with self._changing:
            if self._path is None:
                book = self.book.copy()
                outcome = change(book)
                self.book = book
            else:
                # when who asked is cancelled the thread goes on, and `refresh` reads what it has written
                outcome = await self._change_file(self._path, change)
        self.tell()
        return outcome

    async def reset(self) -> Path | None:
        """Set a damaged file aside and begin with no invitation. Returns where it is kept; None: it was sound."""
        async with self._changing:
            await self._read()
            path = self._path
            if self.problem is None or path is None:
                return None
            kept = await asyncio.to_thread(_set_aside, path)
            await self._read()
        self.tell()
        return kept

    # -- within -----------------------------------------------------------------------------------------------------

    async def _change_file(self, path: Path, change: Callable[[Book], T]) -> T:
        def work() -> tuple[Book, _Stamp | None, T]:
            try:
                make_private_directory(path.parent)
                with locked(path.with_suffix(".lock")):
                    book = _load(path)
                    outcome = change(book)
                    write_private(path, book.dump())
                    return book, self._look(), outcome
            except OSError as error:
                raise LocalError(_unusable(path, error.strerror or str(error)), name=FAULT) from error

        self.book, self._stamp, outcome = await asyncio.to_thread(work)
        self.problem = None
        return outcome

    async def _read(self) -> None:
        if self._path is None:
            return
        path, stamp = self._path, await asyncio.to_thread(self._look)
        try:
            self.book, self.problem = await asyncio.to_thread(_load, path), None
        except LocalError as error:
            if self.problem != str(error):
                _log.warning("%s", error)
            self.book, self.problem = Book(), str(error)
        self._stamp = stamp

    def _look(self) -> _Stamp | None:
        try:
            status = self._path.stat() if self._path is not None else None
        except OSError:
            return None
        return None if status is None else (status.st_ino, status.st_mtime_ns, status.st_size)

    def tell(self) -> None:
        """Have the listeners look: time alone may have changed how an invitation stands."""
        for listener in tuple(self._listeners):
            listener()


def _load(path: Path) -> Book:
    """Read the file; none is an empty book. Raises LocalError for one that cannot be used."""
    try:
        data = read_private(path, MAX_BYTES, lambda sentence: _log.warning("%s", sentence))
        if len(data) > MAX_BYTES:
            raise ValueError("it is far too large")
        return Book.load(data)
    except FileNotFoundError:
        if path.is_symlink():
            raise LocalError(_unusable(path, "it is a link to a file that is not there"), name=FAULT) from None
        return Book()
    except OSError as error:
        raise LocalError(_unusable(path, error.strerror or str(error)), name=FAULT) from error
    except ValueError as error:
        raise LocalError(_unusable(path, str(error)[:200]), name=FAULT) from error


def _set_aside(path: Path) -> Path:
    try:
        with locked(path.with_suffix(".lock")):
            kept = keep_damaged(path)
            write_private(path, Book().dump())
            return kept
    except OSError as error:
        raise LocalError(_unusable(path, error.strerror or str(error)), name=FAULT) from error


def _unusable(path: Path, why: str) -> str:
    return (
        f"the invitations in {path} cannot be used ({why}): none of them holds. "
        "'grapevine invitations reset' sets the file aside"
    )

"""The file with the list of known peers: read, changed and written under a lock, by however many programs.

Everything here blocks; the store calls it in a thread.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from core.errors import LocalError
from core.files.lock import locked
from core.files.private import write_private
from core.trust.book import Book
from core.trust.edits import Edit, repeat
from core.trust.entries import Key

MAX_BYTES: Final = 1 << 25  # a full list has 3 MB, one in which every peer has every service named 30
Stamp: TypeAlias = tuple[int, int, int]  # what changes with every writing: inode, time in ns, size


@dataclass(frozen=True, slots=True)
class Merged:
    """The list as the file has it now, and the grants that were taken out of it."""

    book: Book
    by_others: bool  # it was another than that which was read or written here the last time
    claimed: dict[Key, float]
    problem: str | None  # a sentence, when what was there could not be used


class TrustFile:
    """One file. A damaged one is kept beside, never overwritten, and from then on nobody is trusted."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = path.with_suffix(".lock")
        self._book = Book()  # what the file held when it had this stamp; None: there was none
        self._stamp: Stamp | None = None

    def changed(self) -> bool:
        """Tell whether another program has changed it since."""
        return self._look() != self._stamp

    def _look(self) -> Stamp | None:
        try:
            status = self.path.stat()
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size

    def merge(self, edits: Sequence[Edit], now: float, *, claim: bool) -> Merged:
        """Make these changes to what the file holds now, and write it if that changed anything.

        `claim`: take out the grants, whoever gave them; a request is let in once, so only one program may have one.
        Raises LocalError with a sentence when the disk refuses.
        """
        try:
            if not edits and not self.path.parent.exists():
                return Merged(Book(), False, {}, None)
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with locked(self._lock):
                return self._merge(edits, now, claim=claim)
        except OSError as error:
            raise LocalError(
                f"the list of known peers in {self.path} cannot be used: {error.strerror or error}", name="ERR_TRUST"
            ) from error

    def _merge(self, edits: Sequence[Edit], now: float, *, claim: bool) -> Merged:
        by_others, problem = self.changed(), None
        if by_others:
            self._book, problem = self._read()
            self._stamp = self._look()
        book = self._book.copy()
        book.expire(now)
        repeat(edits, book)
        claimed: dict[Key, float] = {}
        if claim:
            claimed, book.grants = book.grants, {}
        if edits or claimed:
            write_private(self.path, book.dump())
            self._book, self._stamp = book.copy(), self._look()
        return Merged(book, by_others, claimed, problem)

    def _read(self) -> tuple[Book, str | None]:
        try:
            with self.path.open("rb") as file:
                data = file.read(MAX_BYTES + 1)
        except FileNotFoundError:
            return Book(), None
        try:
            if len(data) > MAX_BYTES:
                raise ValueError("it is far too large")
            return Book.load(data), None
        except ValueError as error:
            return Book(), self._set_aside(error)

    def _set_aside(self, error: Exception) -> str:
        """Rename what cannot be read. Raises OSError when that cannot be done: then nothing is written either."""
        kept = self.path.with_suffix(f".unreadable-{time.time_ns()}.json")
        self.path.replace(kept)
        return (
            f"The list of known peers could not be used ({str(error)[:200]}), so nobody is trusted now; "
            f"the old list is kept as {kept}."
        )

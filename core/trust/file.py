"""The file with the list of known peers: read, changed and written under a lock, by however many programs.

Everything here blocks; the store calls it in a thread. What a damaged file is worth, `core.trust.recovery` says.
"""

import contextlib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final, TypeAlias

from core.errors import LocalError
from core.files.kept import keep_damaged
from core.files.lock import locked
from core.files.private import make_private_directory, read_private, write_private
from core.frozen import frozen
from core.trust.book import Book
from core.trust.edits import Edit, repeat
from core.trust.entries import Key, KnownPeer
from core.trust.recovery import Found, dump_copy, essence, judge, load_copy

_log = logging.getLogger(__name__)
MAX_BYTES: Final = 1 << 25  # a full list has 3 MB, one in which every peer has every service named 30
Stamp: TypeAlias = tuple[int, int, int]  # what changes with every writing: inode, time in ns, size


@frozen
class Merged:
    """The list as the file has it now, and the grants that were taken out of it."""

    book: Book
    by_others: bool  # it was another than that which was read or written here the last time
    claimed: dict[Key, float]
    problem: str | None  # a sentence, when what was there cannot be used: there are blocks only, nothing was written


class TrustFile:
    """One file, and its copy. A damaged one stays as it is until `confirm`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.copy = path.with_suffix(".copy.json")
        self.notices: list[str] = []  # sentences about files that other users could read
        self._lock = path.with_suffix(".lock")
        self._found = Found(Book())  # what the file held when it had this stamp
        self._copied: Book | None = None  # what the copy has; None: it is not there, or not whole
        self._stamp: Stamp | None = None  # None: there was no file
        self._was_read = False

    def changed(self) -> bool:
        """Tell whether another program has changed it since."""
        return self._look() != self._stamp

    def recoverable(self) -> tuple[KnownPeer, ...]:
        """Return the peers that `confirm` would put in force; none, while the list is sound."""
        return tuple(self._found.recovered.peers.values()) if self._found.words else ()

    def _look(self) -> Stamp | None:
        try:
            status = self.path.stat()
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size

    def merge(self, edits: Sequence[Edit], now: float, *, claim: bool) -> Merged:
        """Make these changes to what the file holds now, and write it if that changed anything.

        `claim`: take out the grants of all programs; a request is let in once, so only one program may have one.
        Raises LocalError with a sentence when the disk refuses.
        """
        try:
            if not edits and not self.path.parent.exists():
                self._read()  # nothing was ever kept, or everything is gone
                return Merged(self._found.book.copy(), False, {}, self._sentence())
            make_private_directory(self.path.parent)
            with locked(self._lock):
                return self._merge(edits, now, claim=claim)
        except OSError as error:
            raise self._refused(error) from error

    def confirm(self, now: float) -> Merged:
        """Write what could be recovered in the place of what is damaged, which is kept beside. Raises LocalError."""
        try:
            make_private_directory(self.path.parent)
            with locked(self._lock):
                self._read()
                if self._found.words:
                    if self.path.exists():
                        keep_damaged(self.path)
                    book = self._found.recovered.copy()
                    book.expire(now)
                    self._write(book)
                return Merged(self._found.book.copy(), True, {}, None)
        except OSError as error:
            raise self._refused(error) from error

    def _merge(self, edits: Sequence[Edit], now: float, *, claim: bool) -> Merged:
        first = not self._was_read
        by_others = self.changed() and not first
        if by_others or first:
            self._read()
        book, problem = self._found.book.copy(), self._sentence()
        claimed: dict[Key, float] = {}
        if problem is None:
            book.expire(now)
            repeat(edits, book)
            if claim:
                claimed, book.grants = book.grants, {}
            if edits or claimed:
                self._write(book)
        return Merged(book, by_others, claimed, problem)

    def _write(self, book: Book) -> None:
        """Write the list and, if it would be another one, the copy: whatever is cut off between, a block is in one."""
        copied = essence(book)
        steps = [(self.path, book.dump())]
        if copied != self._copied:
            if self._copied is None and self.copy.exists():
                keep_damaged(self.copy)
            blocked = {peer.peer_id for peer in copied.peers.values() if peer.blocked}
            before = () if self._copied is None else self._copied.peers.values()
            opens = any(peer.blocked and peer.peer_id not in blocked for peer in before)
            first = opens or not self.path.exists()  # a copy alone would look like a list that was removed
            steps.insert(len(steps) if first else 0, (self.copy, dump_copy(book)))
        for path, data in steps:
            write_private(path, data)
        self._found, self._copied, self._stamp = Found(book.copy()), copied, self._look()

    def _read(self) -> None:
        stamp = self._look()
        main, copy = self._bytes(self.path), self._bytes(self.copy)
        before = essence(self._found.book) if self._was_read else Book()
        self._copied = None
        if isinstance(copy, bytes):
            with contextlib.suppress(ValueError):
                self._copied = load_copy(copy)
        if main is None and copy is None and before.peers:  # removed while we run: we still know
            self._found = judge(None, b"", before)
        else:
            self._found = judge(main, copy, self._copied)
        self._stamp, self._was_read = stamp, True

    def _bytes(self, path: Path) -> bytes | str | None:
        try:
            data = read_private(path, MAX_BYTES, self._notice)
        except FileNotFoundError:
            return "it is a link to a file that is not there" if path.is_symlink() else None
        except OSError as error:
            return error.strerror or str(error)
        return data if len(data) <= MAX_BYTES else "it is far too large"

    def _notice(self, sentence: str) -> None:
        if sentence not in self.notices:
            self.notices.append(sentence)
            _log.warning("%s", sentence)

    def _sentence(self) -> str | None:
        if not self._found.words:
            return None
        blocked, known = len(self._found.book.peers), len(self._found.recovered.peers)
        return (
            f"The list of known peers in {self.path} cannot be used ({self._found.words}): nobody is trusted, and "
            f"nobody may call, until you have looked. Blocked peers that stay blocked: {blocked}. Known "
            f"peers that can be restored: {known}. "
            "Look at the list, then confirm it (grapevine trust confirm)."
        )

    def _refused(self, error: OSError) -> LocalError:
        return LocalError(
            f"the list of known peers in {self.path} cannot be used: {error.strerror or error}", name="ERR_TRUST"
        )

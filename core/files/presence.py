"""Whether another process of the same profile runs: each holds a lock on a small file of its own."""

import os
from pathlib import Path
from typing import Final

from core.files.lock import try_lock

PLACES: Final = 16  # processes of one profile that are told apart; more than anybody runs


class Presence:
    """The lock file that this process holds, of those beside `path`; the system gives it back when the process dies."""

    def __init__(self, path: Path) -> None:
        """Take the first that is free. Where it cannot be made, or no place is free, we count as alone."""
        self._own: int | None = None
        self._number = -1
        self._path = path
        for place in range(PLACES):
            file = _open(self._place(place))
            if file is None:
                return
            if _lock(file):
                self._own = file
                self._number = place
                return
            os.close(file)

    def _place(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")

    def alone(self) -> bool:
        """Return whether no other process has a place."""
        if self._own is None:
            return True
        for number in range(PLACES):
            path = self._place(number)
            if number == self._number or not path.exists():
                continue
            file = _open(path)
            if file is None:
                continue
            free = _lock(file)
            os.close(file)  # which gives the lock back
            if not free:
                return False
        return True

    def leave(self) -> None:
        """Give the place back. Idempotent."""
        if self._own is not None:
            os.close(self._own)
            self._own = None


def _open(path: Path) -> int | None:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError:
        return None


def _lock(file: int) -> bool:
    try:
        return try_lock(file)
    except OSError:  # a file system without locks: nobody can tell who else is there
        return False

"""One lock between programs: its holder may write the file that it stands beside."""

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from core.errors import LocalError
from core.files.private import close_to_others

WAIT: Final = 5.0  # seconds; its holder writes one file, which takes 0.1 s at most
_PAUSE: Final = 0.01  # seconds between two tries


@contextlib.contextmanager
def locked(path: Path, wait: float | None = None) -> Iterator[None]:
    """Hold the lock `path`, a file that is made and stays. It blocks: call it off the loop.

    Raises LocalError when another program holds it for longer than `wait` seconds (WAIT), OSError when it cannot be
    made.
    """
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        with contextlib.suppress(OSError):  # another user who can open it can hold it, and so hold us up
            close_to_others(path)
        patience = WAIT if wait is None else wait
        until = time.monotonic() + patience
        while not try_lock(file):
            if time.monotonic() > until:
                raise LocalError(f"another program holds {path} for longer than {patience:g} s: end it, and try again")
            time.sleep(_PAUSE)
        yield
    finally:
        os.close(file)  # which gives the lock back, as the end of the program does


if sys.platform == "win32":
    import msvcrt

    def try_lock(file: int) -> bool:
        """Take the lock of an open file; False: another program has it. Closing the file gives it back."""
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def try_lock(file: int) -> bool:
        """Take the lock of an open file; False: another program has it. Closing the file gives it back."""
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

"""Where detail goes, of the window and of commands alike: a bounded log file per profile, and stderr when asked for."""

import contextlib
import logging
import os
import stat
import sys
from io import TextIOWrapper
from pathlib import Path
from typing import Final

import platformdirs

from core.errors import LocalError
from core.files.lock import locked
from core.files.private import close_to_others, make_private_directory
from core.files.shown import plain

LOG_BYTES: Final = 1 << 20  # bytes per file; two kept: a day of a busy peer at INFO
LOG_FILES: Final = 2
OURS: Final = "grapevine"  # our handlers' name; several share it
FORMAT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def log_path(profile: str) -> Path:
    """Return the log file of a profile."""
    return Path(platformdirs.user_log_dir("grapevine", appauthor=False)) / f"{profile}.log"


def lock_path(log: Path) -> Path:
    """Return what is locked while a new log is begun: the old one itself, where a file that is open can be moved."""
    return log.with_name(f"{log.name}.lock") if sys.platform == "win32" else log


def set_up_logging(profile: str, *, verbose: bool = False) -> None:
    """Send the log to the profile's file, and to stderr when `verbose`. A disk that refuses costs only the file."""
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if handler.name == OURS]:  # set up again: not twice
        root.removeHandler(handler)
        handler.close()
    handlers: list[logging.Handler] = []
    if verbose:
        handlers.append(logging.StreamHandler(sys.stderr))
    try:
        path = log_path(profile)
        make_private_directory(path.parent)
        handlers.append(_PrivateFile(path, LOG_BYTES, LOG_FILES))
    except OSError:
        handlers.append(logging.NullHandler())
    for handler in handlers:
        handler.name = OURS
        handler.setFormatter(_OneLine(FORMAT))
        root.addHandler(handler)
    root.setLevel(logging.DEBUG if verbose else logging.INFO)
    logging.captureWarnings(True)
    logging.raiseExceptions = False  # a full disk must not print tracebacks into somebody's pipe


class _OneLine(logging.Formatter):
    """A record is a line, whatever its text is; the lines of a traceback, which may quote others, are indented."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as text."""
        copy = logging.makeLogRecord(record.__dict__)
        try:
            copy.msg, copy.args = plain(record.getMessage()), ()
        except Exception as error:  # arguments that do not fit their message: a defect of ours, and still a story
            copy.msg, copy.args = plain(f"{record.msg!r} {record.args!r}: {error!r}"), ()
        first, *rest = super().format(copy).split("\n")
        return "\n    ".join([first, *map(plain, rest)])


class _PrivateFile(logging.FileHandler):
    """A log that only its owner can read: it has addresses, and what strangers say.

    The window and commands of one profile write into one file. One of them begins a new one, and the others follow.
    (`logging.handlers` has a file that is followed by new ones, and loads half a megabyte of pickle and sockets.)
    """

    def __init__(self, path: Path, longest: int, older: int) -> None:
        """`longest`: bytes of a file. `older`: how many are kept beside the one that is written."""
        super().__init__(path, delay=True, encoding="utf-8")
        self._longest, self._older = longest, older

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record where the others do. Raises nothing, as it is with all handlers."""
        try:
            if self.stream is not None and not self._is_current():
                self._let_go()
            if self.stream is None:
                self.stream = self._open()
            if self._is_full(self.stream, record):
                self._begin_new()
            super().emit(record)
        except Exception:
            self.handleError(record)

    def _is_full(self, stream: TextIOWrapper, record: logging.LogRecord) -> bool:
        now = os.fstat(stream.fileno())
        more = len(self.format(record).encode(errors="backslashreplace")) + 1
        return stat.S_ISREG(now.st_mode) and now.st_size > 0 and now.st_size + more >= self._longest

    def _begin_new(self) -> None:
        """Begin a new file, unless another program does so at this moment: then ours is a record longer."""
        name = self.baseFilename
        with contextlib.suppress(OSError, LocalError), locked(lock_path(Path(name)), 0.0):
            if not self._is_current():
                return
            self._let_go()  # before it is moved: Windows moves none that is open
            for number in range(self._older, 0, -1):
                newer = f"{name}.{number - 1}" if number > 1 else name
                with contextlib.suppress(FileNotFoundError):
                    os.replace(newer, f"{name}.{number}")

    def _let_go(self) -> None:
        """Close the file. The next record opens what has the name then."""
        if self.stream is not None:
            self.stream.close()
            self.stream = None

    def _is_current(self) -> bool:
        """Return whether our open file is the one that has the name, and was not moved by another program."""
        try:
            return self.stream is not None and os.path.samestat(
                os.fstat(self.stream.fileno()), os.stat(self.baseFilename)
            )
        except OSError:
            return False

    def _open(self) -> TextIOWrapper:
        opened = os.open(self.baseFilename, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            close_to_others(Path(self.baseFilename))
            return open(opened, "a", encoding=self.encoding, errors="backslashreplace")
        except BaseException:
            os.close(opened)
            raise

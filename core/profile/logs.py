"""Where detail goes, of the window and of commands alike: a bounded log file per profile, and stderr when asked for."""

import contextlib
import logging
import logging.handlers
import os
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
        handlers.append(_PrivateFile(path, maxBytes=LOG_BYTES, backupCount=LOG_FILES, delay=True, encoding="utf-8"))
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


class _PrivateFile(logging.handlers.RotatingFileHandler):
    """A log that only its owner can read: it has addresses, and what strangers say.

    The window and commands of one profile write into one file. One of them begins a new one, and the others follow.
    """

    def shouldRollover(self, record: logging.LogRecord) -> int:
        """Return whether a new file is due, once we write where the others do."""
        if self.stream is not None and not self._is_current():
            self.stream.close()
            self.stream = self._open()
        return int(super().shouldRollover(record))

    def doRollover(self) -> None:
        """Begin a new file, unless another program does so at this moment: then ours is a record longer."""
        with contextlib.suppress(OSError, LocalError), locked(lock_path(Path(self.baseFilename)), 0.0):
            if self._is_current():
                super().doRollover()

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

"""Where detail goes, of the window and of commands alike: a bounded log file per profile, and stderr when asked for."""

import logging
import logging.handlers
import os
import sys
from io import TextIOWrapper
from pathlib import Path
from typing import Final

import platformdirs

from core.files.private import close_to_others, make_private_directory
from core.files.shown import plain

LOG_BYTES: Final = 1 << 20  # bytes per file; two kept: a day of a busy peer at INFO
LOG_FILES: Final = 2
OURS: Final = "grapevine"  # our handlers' name; several share it
FORMAT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def log_path(profile: str) -> Path:
    """Return the log file of a profile."""
    return Path(platformdirs.user_log_dir("grapevine", appauthor=False)) / f"{profile}.log"


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
    """A log that only its owner can read: it has addresses, and what strangers say."""

    def _open(self) -> TextIOWrapper:
        opened = os.open(self.baseFilename, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            close_to_others(Path(self.baseFilename))
            return open(opened, "a", encoding=self.encoding, errors="backslashreplace")
        except BaseException:
            os.close(opened)
            raise

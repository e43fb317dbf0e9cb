"""Where errors go: a sentence to the window, the detail to a log file of bounded size, nothing to the terminal."""

import asyncio
import logging
import logging.handlers
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import platformdirs
from PySide6.QtCore import QMessageLogContext, QtMsgType, qInstallMessageHandler

from core.errors import PeerError
from desktop.display import HEADLESS_HINT

LOG_BYTES = 1 << 20  # per file; with one old file beside it, weeks of a peer that works
REPEAT_SECONDS = 10.0  # the same sentence is not shown again within this time: a defect in a timer repeats for ever

_QT_LEVELS = {
    QtMsgType.QtDebugMsg: logging.DEBUG,
    QtMsgType.QtInfoMsg: logging.INFO,
    QtMsgType.QtWarningMsg: logging.WARNING,
    QtMsgType.QtCriticalMsg: logging.ERROR,
    QtMsgType.QtFatalMsg: logging.CRITICAL,
}

log = logging.getLogger(__name__)


def log_path(profile: str) -> Path:
    """Return the log file of a profile."""
    return Path(platformdirs.user_log_dir("grapevine", appauthor=False), f"{profile}.log")


def start_log(profile: str) -> None:
    """Send all log records, warnings and Qt's own messages to the profile's log file; none to the terminal."""
    logging.getLogger().addHandler(_file_handler(log_path(profile)))
    logging.getLogger().setLevel(logging.INFO)
    logging.captureWarnings(True)
    qInstallMessageHandler(_on_qt_message)


def _file_handler(path: Path) -> logging.Handler:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handler: logging.Handler = logging.handlers.RotatingFileHandler(path, maxBytes=LOG_BYTES, backupCount=1)
    except OSError:
        return logging.NullHandler()  # a full or read-only disk must not keep the window shut
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    return handler


def _on_qt_message(kind: QtMsgType, context: QMessageLogContext, message: str) -> None:
    logging.getLogger("qt").log(_QT_LEVELS.get(kind, logging.WARNING), "%s", message)
    if kind == QtMsgType.QtFatalMsg:  # Qt aborts after this: no display, or one of its libraries is missing
        sys.stderr.write(f"Grapevine cannot open its window: {message.strip()}\n{HEADLESS_HINT}\n")
        sys.stderr.flush()
        logging.shutdown()
        os._exit(2)


class Faults:
    """Takes errors that nobody caught. `show` is where their sentence goes; until it is set they are only logged."""

    def __init__(self, profile: str) -> None:
        self._where = log_path(profile)
        self.show: Callable[[str], None] | None = None
        self._last = ""
        self._last_at = 0.0

    def install(self) -> None:
        """Take over the interpreter's hooks, which would print a traceback."""
        sys.excepthook = self._on_exception
        sys.unraisablehook = lambda unraisable: log.error(
            "unraisable in %r", unraisable.object, exc_info=unraisable.exc_value
        )
        threading.excepthook = lambda failed: log.error("thread %s failed", failed.thread, exc_info=failed.exc_value)

    def watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Take over the exceptions of tasks and callbacks."""
        loop.set_exception_handler(self._on_loop)

    def say(self, error: BaseException) -> None:
        """Show an error as a sentence."""
        if isinstance(error, PeerError):
            self._show(str(error))
        else:
            self._show(f"Something went wrong in Grapevine ({type(error).__name__}). Details are in {self._where}")

    def _on_exception(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        log.error("uncaught", exc_info=(kind, error, trace))
        self.say(error)

    def _on_loop(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        log.error("%s", context.get("message"), exc_info=error)
        if isinstance(error, BaseException):
            self.say(error)

    def _show(self, sentence: str) -> None:
        now = time.monotonic()
        if self.show is None or (sentence == self._last and now - self._last_at < REPEAT_SECONDS):
            return
        self._last, self._last_at = sentence, now
        self.show(sentence)

"""Where errors go: a sentence to the window, the detail to a log file of bounded size, nothing to the terminal."""

import asyncio
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

from PySide6.QtCore import QMessageLogContext, QtMsgType, qInstallMessageHandler

from core.errors import PeerError
from core.profile.logs import log_path, set_up_logging
from desktop.display import HEADLESS_HINT

REPEAT_SECONDS = 10.0  # the same sentence is not shown again within this time: a defect in a timer repeats for ever

_QT_LEVELS = {
    QtMsgType.QtDebugMsg: logging.DEBUG,
    QtMsgType.QtInfoMsg: logging.INFO,
    QtMsgType.QtWarningMsg: logging.WARNING,
    QtMsgType.QtCriticalMsg: logging.ERROR,
    QtMsgType.QtFatalMsg: logging.CRITICAL,
}

log = logging.getLogger(__name__)


def start_log(profile: str) -> None:
    """Send all log records, warnings and Qt's own messages to the profile's log file; none to the terminal."""
    set_up_logging(profile)
    qInstallMessageHandler(_on_qt_message)


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

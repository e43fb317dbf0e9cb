"""Every way to end the program leads here: window, tray, Ctrl+C, SIGTERM, the session's end.

`QApplication.quit()` is never called: it would stop the loop under the running tasks. The loop ends when main returns.
"""

import asyncio
import logging
import os
import signal
import sys
import threading
from types import FrameType

QUIT_SECONDS = 2.8  # from being asked to the process's end at the latest; the promise is 3 (issue 2, desktop)
TICK_SECONDS = 0.5  # Windows: how often Python gets to run so that it sees Ctrl+C
SIGNALS = (signal.SIGINT, signal.SIGTERM)

log = logging.getLogger(__name__)


class Quitter:
    """Knows whether quitting was asked for. `ask` may be called at any time, before there is a loop too. No Qt here."""

    def __init__(self) -> None:
        self.asked = False
        self._event: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._backstop: threading.Timer | None = None

    def ask(self) -> None:
        """Ask the program to end. On the main thread; repeated asking changes nothing."""
        if self.asked:
            return
        self.asked = True
        self._backstop = threading.Timer(QUIT_SECONDS, _end_now)
        self._backstop.daemon = True
        self._backstop.start()
        if self._event is not None:
            self._event.set()

    def catch_signals(self) -> None:
        """Note SIGINT and SIGTERM from now on, even while modules are still being imported."""
        for each in SIGNALS:
            signal.signal(each, self._on_signal)

    def enter_loop(self) -> None:
        """Let the running loop hear the signals: inside Qt no Python runs that could."""
        loop = self._loop = asyncio.get_running_loop()
        self._event = asyncio.Event()
        if self.asked:
            self._event.set()
        if sys.platform == "win32":
            self._tick()
            return
        for each in SIGNALS:
            loop.add_signal_handler(each, self.ask)

    async def wait(self) -> None:
        """Wait until quitting is asked for."""
        if self._event is None:
            raise RuntimeError("enter_loop comes first")
        await self._event.wait()

    def done(self) -> None:
        """The program has ended by itself: no backstop, and a second Ctrl+C prints nothing."""
        for each in SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        if self._backstop is not None:
            self._backstop.cancel()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.ask()

    def _tick(self) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_later(TICK_SECONDS, self._tick)


def _end_now() -> None:
    """Keep the promise to end, whatever hangs. Settings were written before; exit code 1 tells that this was needed."""
    log.critical("quitting took longer than %.1f s: ended without cleaning up", QUIT_SECONDS)
    logging.shutdown()
    os._exit(1)

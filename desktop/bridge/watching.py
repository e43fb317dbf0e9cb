"""Values of other peers on their way to the window, in batches: a sensor may send a thousand a second."""

from collections import deque
from collections.abc import Callable

from PySide6.QtCore import QObject, QTimer

from desktop.models.values import MOST, ValueRow

EVERY_MS = 200  # milliseconds between two batches; a curve that moves five times a second looks alive


class Batches:
    """Calls `tell(ticket, values)`, the oldest value first."""

    def __init__(self, owner: QObject, tell: Callable[[int, tuple[ValueRow, ...]], None]) -> None:
        self._tell = tell
        self._waiting: dict[int, deque[ValueRow]] = {}
        self._timer = QTimer(owner)
        self._timer.setInterval(EVERY_MS)
        self._timer.timeout.connect(self._flush)

    def put(self, ticket: int, value: ValueRow) -> None:
        """Take a value."""
        self._waiting.setdefault(ticket, deque(maxlen=MOST)).append(value)
        if not self._timer.isActive():
            self._timer.start()

    def end(self, ticket: int) -> None:
        """Tell what waits, the last there is."""
        waiting = self._waiting.pop(ticket, None)
        if waiting:
            self._tell(ticket, tuple(waiting))

    def forget(self, ticket: int) -> None:
        """Tell nothing more."""
        self._waiting.pop(ticket, None)

    def _flush(self) -> None:
        if not any(self._waiting.values()):
            self._waiting.clear()
            self._timer.stop()
        for ticket, waiting in list(self._waiting.items()):
            if waiting:
                told = tuple(waiting)
                waiting.clear()
                self._tell(ticket, told)

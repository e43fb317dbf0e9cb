"""Run something slow off the UI thread and hand its result back on it."""

from collections.abc import Callable
from typing import Generic, TypeVar

from PySide6.QtCore import QObject, Qt, QThreadPool, Signal

ResultT = TypeVar("ResultT")


class _Relay(QObject):
    """Carries a result across threads: it lives on the UI thread, so its slot runs there."""

    done = Signal(object)


class Background(QObject, Generic[ResultT]):
    """One job at a time; the result of a job that was replaced by a newer one is thrown away.

    `function` must touch no widget and must not raise.
    """

    def __init__(self, then: Callable[[ResultT], None], parent: QObject) -> None:
        super().__init__(parent)
        self._then = then
        self._newest = 0
        self._relay = _Relay(self)
        self._relay.done.connect(self._arrived, Qt.ConnectionType.QueuedConnection)

    def run(self, function: Callable[[], ResultT]) -> None:
        """Start a job in Qt's thread pool."""
        self._newest += 1
        number, relay = self._newest, self._relay

        def work() -> None:
            result = function()
            try:
                relay.done.emit((number, result))
            except RuntimeError:  # the window was closed meanwhile and took the relay along
                return

        QThreadPool.globalInstance().start(work)

    def forget(self) -> None:
        """Throw away the result of the job under way."""
        self._newest += 1

    def _arrived(self, numbered: tuple[int, ResultT]) -> None:
        number, result = numbered
        if number == self._newest:
            self._then(result)

"""What one turn of Qt's loop has cost so far: what can wait for the next one does, so that a key need not wait for all.

Qt draws, reads keys, runs every timer that is due and our callbacks in one turn. Each takes a millisecond or few, and
together they held the window for 10 to 20. A turn that has cost enough leaves the rest to the next one.
"""

import sys
import time
from collections.abc import Callable
from typing import Final

from PySide6.QtCore import QAbstractEventDispatcher, QObject, Qt

ENOUGH: Final = 0.002  # seconds of a turn after which what can wait does: a frame of 16 ms has room for much more
# Time that this thread had the processor: other programs' is none of ours. That of Windows moves on in steps of 16 ms.
CLOCK: Final[Callable[[], float]] = time.perf_counter if sys.platform == "win32" else time.thread_time


class Turn(QObject):
    """The turn of Qt's loop that runs now. `awaited`: somebody left it to this turn to do more than a callback does."""

    def __init__(self, clock: Callable[[], float] = CLOCK) -> None:
        super().__init__()
        self.awaited = False
        self._clock = clock
        self._began = clock()
        dispatcher = QAbstractEventDispatcher.instance()
        if dispatcher is not None:  # one kind tells only before it waits, the other only after: both begin a turn
            dispatcher.aboutToBlock.connect(self.begin, Qt.ConnectionType.DirectConnection)
            dispatcher.awake.connect(self.begin, Qt.ConnectionType.DirectConnection)

    def begin(self) -> None:
        """Begin a turn."""
        self._began = self._clock()

    def is_full(self) -> bool:
        """Return whether this turn has cost enough."""
        return self._clock() - self._began > ENOUGH


_newest: list[Turn] = []


def new_turn() -> Turn:
    """Return one that `turn` returns from now on: a program has one loop. Qt has to have begun."""
    _newest[:] = [Turn()]
    return _newest[0]


def turn() -> Turn:
    """Return the turn of this program's loop."""
    return _newest[0] if _newest else new_turn()

"""The last line of the window: what crosses the socket now, calmly; what did so far is its tooltip."""

import time
from collections.abc import Callable

from PySide6.QtCore import QTimer
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QWidget

from desktop.models.safe import tip
from desktop.models.traffic import Rates, refused_words, totals
from desktop.views.contract import BridgeLike
from desktop.views.fields import Lines

LOOK_MS = 500  # milliseconds between two looks; who reads a figure needs as long
# the widest usual text of each column, so that none moves when another changes
SAMPLES = ("99 connections", "99,999 requests/s", "999 MB/s in", "999 MB/s out", "999,999 punches/s", "99,999 refused")
SPACE = 20  # pixels between two columns


class TrafficView(QWidget):
    """Looks only while it can be seen, and touches only what changed."""

    def __init__(
        self, bridge: BridgeLike, parent: QWidget | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self._clock = clock
        self._rates = Rates()
        self._words: tuple[str, ...] = ()
        self._cells = tuple(Lines(1) for _ in SAMPLES)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(SPACE)
        for cell, sample in zip(self._cells, SAMPLES, strict=True):
            cell.setObjectName("muted")
            cell.setMaximumWidth(cell.fontMetrics().horizontalAdvance(sample))
            row.addWidget(cell, 1)
        row.addStretch(0)
        self._timer = QTimer(self)
        self._timer.setInterval(LOOK_MS)
        self._timer.timeout.connect(self.look)

    def look(self) -> None:
        """Show what crosses now."""
        traffic = self._bridge.traffic()
        hint = tip(totals(traffic))
        if hint != self.toolTip():
            self.setToolTip(hint)
        words = self._rates.note(self._clock(), traffic)
        refused = refused_words(traffic)
        if refused:
            words = (*words, *[""] * (len(SAMPLES) - 1 - len(words)), refused)
        if words != self._words:
            self._words = words
            self.setAccessibleName(f"Traffic: {', '.join(word for word in words if word)}")
            for number, cell in enumerate(self._cells):
                cell.setText(words[number] if number < len(words) else "")

    def words(self) -> tuple[str, ...]:
        """Return what is said, in full."""
        return self._words

    def showEvent(self, event: QShowEvent) -> None:
        """Look on."""
        super().showEvent(event)
        self._timer.start()
        self.look()

    def hideEvent(self, event: QHideEvent) -> None:
        """Stop looking."""
        super().hideEvent(event)
        self._timer.stop()

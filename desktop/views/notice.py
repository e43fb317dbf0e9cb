"""The place under the status line, of one height: what waits for an answer, a message, or how this peer stands."""

from PySide6.QtCore import QEvent, QObject, QSize, Qt, QTimer
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QLayout, QSizePolicy, QWidget

PADDING = 14  # pixels above and below the lines: those of the frames that a message stands in
GUARD_MS = 500  # milliseconds in which what has just come up takes no click: it was meant for what was there before


class NoticePlace(QWidget):
    """Shows one of its parts: the last one that is not hidden. Nothing below it moves when that changes."""

    def __init__(self, *parts: QWidget, lines: int = 2) -> None:
        """`parts` from the least urgent, which is always there, to the most urgent; each hides itself."""
        super().__init__()
        self._parts = parts
        self._lines = lines
        self._top: QWidget | None = None
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        for part in parts:
            part.setParent(self)
            part.installEventFilter(self)
        self.restyle()
        self._guard = QTimer(self)
        self._guard.setSingleShot(True)
        self._guard.setInterval(GUARD_MS)
        self._guard.timeout.connect(lambda: self._take_clicks(True))

    def restyle(self) -> None:
        """Let the style sheet have its say: what is hidden is measured without it otherwise, and is larger later."""
        for part in self._parts:
            for widget in (part, *part.findChildren(QWidget)):
                widget.ensurePolished()
                widget.updateGeometry()
            for layout in part.findChildren(QLayout):
                layout.invalidate()
        self.updateGeometry()

    def set_lines(self, lines: int) -> None:
        """Take the room of so many lines of text."""
        if lines != self._lines:
            self._lines = lines
            self.updateGeometry()

    def sizeHint(self) -> QSize:
        """Return the room for the largest part, shown or not."""
        text = self._lines * self.fontMetrics().lineSpacing() + PADDING
        return QSize(200, max(text, *(self._need(part) for part in self._parts)))

    def _need(self, part: QWidget) -> int:
        layout, least = part.layout(), part.minimumSizeHint().height()
        if layout is not None and layout.hasHeightForWidth() and self.width():
            return max(least, layout.totalMinimumHeightForWidth(self.width()))  # while hidden, Qt may say less
        return least

    def minimumSizeHint(self) -> QSize:
        """Return the same height."""
        return QSize(0, self.sizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Give each part all the room; a narrow one may need more lines."""
        super().resizeEvent(event)
        self._place()
        if event.oldSize().width() != event.size().width():
            self.updateGeometry()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """See which parts are there."""
        if event.type() in (QEvent.Type.ShowToParent, QEvent.Type.HideToParent):
            self._choose()
        elif event.type() == QEvent.Type.LayoutRequest and watched in self._parts:
            self.updateGeometry()  # a part has other things in it, as in a window that has become wide
        return False

    def _shown(self) -> QWidget:
        there = [part for part in self._parts[1:] if not part.isHidden()]
        return there[-1] if there else self._parts[0]

    def _choose(self) -> None:
        top = self._shown()
        self._parts[0].setVisible(top is self._parts[0])
        if top is not self._top:
            self._top = top
            top.raise_()
            for part in self._parts:
                part.setEnabled(part is top)  # what is covered is out of reach of the keyboard too
            self._place()
            if self.isVisible():
                self._take_clicks(False)
                self._guard.start()

    def _take_clicks(self, on: bool) -> None:
        for part in self._parts:
            part.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents, not on)
            for inner in part.findChildren(QWidget):
                inner.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents, not on)

    def _place(self) -> None:
        for part in self._parts:
            part.setGeometry(self.rect())

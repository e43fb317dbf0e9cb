"""Parts side by side where there is room, one below the other where there is not."""

from PySide6.QtCore import QByteArray, QSize, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QSplitter, QStackedWidget, QWidget


def share_out(splitter: QSplitter, *parts: tuple[QWidget, int]) -> None:
    """Put parts into a splitter, each with its share of the room."""
    for number, (part, share) in enumerate(parts):
        splitter.addWidget(part)
        splitter.setStretchFactor(number, share)


class Columns(QSplitter):
    """A splitter of columns that becomes one column below a width. It asks for the width of its widest part only."""

    def __init__(self, narrow: int, parent: QWidget | None = None) -> None:
        """`narrow` is the width, in pixels, below which there is one column."""
        super().__init__(Qt.Orientation.Horizontal, parent)
        self._narrow = narrow
        self._beside: list[int] = []  # widths of the columns while there was room for them
        self.setChildrenCollapsible(False)

    def one_column(self) -> bool:
        """Return whether the parts stand one below the other now."""
        return self.orientation() is Qt.Orientation.Vertical

    def fit(self) -> None:
        """Choose the direction for the width there is."""
        wanted = Qt.Orientation.Vertical if self.width() < self._narrow else Qt.Orientation.Horizontal
        if wanted is not self.orientation():
            self.setOrientation(wanted)
            others = [self._least(part) for part in self._parts()[1:]]
            if self.one_column():
                self.setSizes([1] * self.count())  # each its least height, and an equal share of what is left
            elif sum(self._beside) >= self._narrow:
                self.setSizes(self._beside)
            else:
                self.setSizes([max(1, self.width() - sum(others)), *others])  # the first column takes what is left

    def _least(self, part: QWidget) -> int:
        return max(part.minimumSizeHint().width(), part.minimumWidth())

    def restoreState(self, state: QByteArray | bytes | bytearray | memoryview) -> bool:
        """Take a state that was saved, perhaps in a window of another width."""
        restored = super().restoreState(state)
        self.fit()
        return restored

    def _parts(self) -> list[QWidget]:
        return [part for at in range(self.count()) if (part := self.widget(at)) is not None]

    def minimumSizeHint(self) -> QSize:
        """Return the least size: narrow enough for one column, and as high as the direction needs."""
        least = super().minimumSizeHint()
        widths = [self._least(part) for part in self._parts()]
        return QSize(max(widths, default=0), least.height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Choose the direction again."""
        if not self.one_column() and event.oldSize().width() >= self._narrow > event.size().width():
            self._beside = self.sizes()  # Qt has not made them smaller yet
        super().resizeEvent(event)
        self.fit()


class Pair(QWidget):
    """Two widgets of the same width; one below the other where that would be less than each needs."""

    def __init__(self, first: QWidget, second: QWidget, narrow: int, parent: QWidget | None = None) -> None:
        """`narrow` is the width, in pixels, below which they stand one below the other."""
        super().__init__(parent)
        self._narrow = narrow
        self._row = QBoxLayout(QBoxLayout.Direction.LeftToRight, self)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(10)
        for widget in (first, second):
            self._row.addWidget(widget, 1)

    def minimumSizeHint(self) -> QSize:
        """Return the least size: as narrow as the wider of both."""
        least = super().minimumSizeHint()
        items = [item for at in range(self._row.count()) if (item := self._row.itemAt(at)) is not None]
        return QSize(max(item.minimumSize().width() for item in items), least.height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Choose the direction."""
        super().resizeEvent(event)
        direction = QBoxLayout.Direction
        wanted = direction.TopToBottom if self.width() < self._narrow else direction.LeftToRight
        if wanted is not self._row.direction():
            self._row.setDirection(wanted)
            self.updateGeometry()


class CurrentOnly(QStackedWidget):
    """A stack as large as the page that is shown: the others may be higher, and scroll when it is their turn."""

    def sizeHint(self) -> QSize:
        """Return the page's."""
        page = self.currentWidget()
        return page.sizeHint() if page is not None else QSize()

    def minimumSizeHint(self) -> QSize:
        """Return the page's, for the width that it has."""
        page = self.currentWidget()
        if page is None:
            return QSize()
        least = page.minimumSizeHint().expandedTo(page.minimumSize())
        layout = page.layout()
        if layout is not None and layout.hasHeightForWidth() and self.width():
            high = layout.totalMinimumHeightForWidth(max(self.width(), least.width()))
            least.setHeight(max(high, page.minimumHeight()))
        return least

    def hasHeightForWidth(self) -> bool:
        """Return no: Qt would ask for what every page likes best, where what this one needs is asked for."""
        return False

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Ask for another height where the width is another."""
        super().resizeEvent(event)
        if event.oldSize().width() != event.size().width():
            self.updateGeometry()

"""A row that becomes several when it has no room: what keeps tool bars whole in a narrow window."""

from PySide6.QtCore import QPoint, QRect, QSize, Qt
from PySide6.QtWidgets import QLayout, QLayoutItem, QSizePolicy, QSpacerItem, QWidget

GAP = 6  # pixels between two items, and between two lines
WIDTHS = 16  # whose heights are kept: while a window is pulled wider, each is another one


class FlowRow(QLayout):
    """Items beside one another, in the order they were added; what does not fit begins another line.

    A stretch takes the room that its line leaves, so that what follows it stands at the other side. An item that is
    wider than a whole line is made as narrow as the line.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._items: list[QLayoutItem] = []
        self._indent = 0
        self._heights: dict[int, int] = {}  # by width, until something changes: a layout asks several times
        self._hint: QSize | None = None
        self.setContentsMargins(0, 0, 0, 0)
        self.setSpacing(GAP)

    def addStretch(self) -> None:
        """Put what is added from now on at the other side of its line."""
        spacer = QSpacerItem(0, 0, QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
        self.addItem(spacer)

    def set_indent(self, pixels: int) -> None:
        """Let every line but the first begin so far in."""
        self._indent = pixels
        self.invalidate()

    def invalidate(self) -> None:
        """Forget what was measured."""
        self._heights.clear()
        self._hint = None
        super().invalidate()

    def addItem(self, item: QLayoutItem) -> None:
        """Take an item."""
        self._items.append(item)
        self.invalidate()

    def count(self) -> int:
        """Return the number of items."""
        return len(self._items)

    def itemAt(self, index: int) -> QLayoutItem | None:
        """Return an item, or None behind the last one."""
        return self._items[index] if 0 <= index < len(self._items) else None

    def takeAt(self, index: int) -> QLayoutItem | None:
        """Remove an item and return it."""
        return self._items.pop(index) if 0 <= index < len(self._items) else None

    def expandingDirections(self) -> Qt.Orientation:
        """Return that all the width is used."""
        return Qt.Orientation.Horizontal

    def hasHeightForWidth(self) -> bool:
        """Return that a narrow row is a high one."""
        return True

    def heightForWidth(self, width: int) -> int:
        """Return the height that all lines take."""
        height = self._heights.get(width)
        if height is None:
            if len(self._heights) >= WIDTHS:
                self._heights.clear()
            height = self._heights[width] = self._place(QRect(0, 0, width, 0), move=False)
        return height

    def sizeHint(self) -> QSize:
        """Return the room for everything in one line."""
        if self._hint is None:
            shown = self._shown()
            hints = [_wanted(item) for item in shown]
            height = max((hint.height() for hint in hints), default=0)
            self._hint = QSize(sum(hint.width() for hint in hints) + self.spacing() * max(0, len(shown) - 1), height)
        return QSize(self._hint)

    def minimumSize(self) -> QSize:
        """Return the room for the widest item alone."""
        least = [item.minimumSize() for item in self._shown()]
        width = max((size.width() for size in least), default=0)
        return QSize(width, max((size.height() for size in least), default=0))

    def setGeometry(self, rect: QRect) -> None:
        """Put the items into their lines."""
        super().setGeometry(rect)
        self._place(rect, move=True)

    def _shown(self) -> list[QLayoutItem]:
        return [item for item in self._items if item.spacerItem() is None and not item.isEmpty()]

    def _lines(self, width: int) -> list[list[QLayoutItem]]:
        """Return what stands in each line; stretches at the ends of lines are kept, they cost nothing."""
        lines: list[list[QLayoutItem]] = [[]]
        used = 0
        for item in self._items:
            if item.spacerItem() is not None:
                lines[-1].append(item)
                continue
            if item.isEmpty():
                continue
            need = min(_wanted(item).width(), width)
            if used and used + self.spacing() + need > width:
                lines.append([])
                used = 0
            lines[-1].append(item)
            used += need + (self.spacing() if used else 0)
        return [line for line in lines if any(item.spacerItem() is None for item in line)]

    def _place(self, rect: QRect, *, move: bool) -> int:
        y = rect.y()
        for number, line in enumerate(self._lines(rect.width())):
            y += self.spacing() if number else 0
            y += self._place_line(line, rect, y, move=move)
        return y - rect.y()

    def _place_line(self, line: list[QLayoutItem], rect: QRect, y: int, *, move: bool) -> int:
        indent = self._indent if y > rect.y() else 0
        widgets = [item for item in line if item.spacerItem() is None]
        most = QSize(rect.width() - indent, 1 << 20)
        sizes = {id(item): _wanted(item).boundedTo(most) for item in widgets}
        height = max(
            (item.heightForWidth(sizes[id(item)].width()) if item.hasHeightForWidth() else sizes[id(item)].height())
            for item in widgets
        )
        if not move:
            return height
        left = rect.width() - sum(size.width() for size in sizes.values()) - self.spacing() * (len(widgets) - 1)
        stretches = sum(item.spacerItem() is not None for item in line)
        parent = self.parentWidget()
        rightward = parent is None or parent.isLeftToRight()
        x = indent
        for item in line:
            if item.spacerItem() is not None:
                x += max(0, left) // max(1, stretches)
                continue
            width = sizes[id(item)].width()
            start = rect.x() + x if rightward else rect.right() + 1 - x - width
            item.setGeometry(QRect(QPoint(start, y), QSize(width, height)))
            x += width + self.spacing()
        return height


def _wanted(item: QLayoutItem) -> QSize:
    """Return the size that an item would like, within its bounds."""
    return item.sizeHint().expandedTo(item.minimumSize()).boundedTo(item.maximumSize())

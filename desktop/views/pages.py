"""The pages of the window: a row of tabs, and the page that is chosen. A page is a widget with a key and a title."""

from dataclasses import dataclass

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QTabBar, QVBoxLayout, QWidget

from desktop.views.columns import CurrentOnly


@dataclass(frozen=True, slots=True)
class Page:
    """`key` is what settings remember and programs say; `title` may mark a letter with &."""

    key: str
    title: str
    widget: QWidget


class Pages(QWidget):
    """Tabs over a stack.

    Signals:
        chosen(str): the key of the page that is shown now.
    """

    chosen = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._pages: list[Page] = []
        self.bar = QTabBar()
        self.bar.setObjectName("pages")
        self.bar.setAccessibleName(self.tr("Pages"))
        self.bar.setExpanding(False)
        self.bar.setDrawBase(False)
        self.bar.setElideMode(Qt.TextElideMode.ElideNone)
        self.bar.setUsesScrollButtons(True)  # where there is no room for all of them
        self._stack = CurrentOnly()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        column.addWidget(self.bar)
        column.addWidget(self._stack, 1)
        self.bar.currentChanged.connect(self._changed)

    def add(self, key: str, title: str, widget: QWidget) -> None:
        """Add a page behind the others."""
        self._pages.append(Page(key, title, widget))
        self._stack.addWidget(widget)
        self.bar.addTab(title)

    def pages(self) -> tuple[Page, ...]:
        """Return the pages in order."""
        return tuple(self._pages)

    def current(self) -> str:
        """Return the key of the page that is shown."""
        return self._pages[self.bar.currentIndex()].key if self._pages else ""

    def choose(self, key: str) -> None:
        """Show a page; a key that there is none for changes nothing."""
        for number, page in enumerate(self._pages):
            if page.key == key:
                self.bar.setCurrentIndex(number)

    def set_badge(self, key: str, number: int) -> None:
        """Write a number behind a page's title, 0: none."""
        for at, page in enumerate(self._pages):
            if page.key == key:
                text = f"{page.title} ({number:,})" if number else page.title
                if self.bar.tabText(at) != text:
                    self.bar.setTabText(at, text)

    def _changed(self, number: int) -> None:
        if 0 <= number < len(self._pages):
            self._stack.setCurrentIndex(number)
            self._stack.updateGeometry()  # the page that is shown now may be higher
            self.chosen.emit(self._pages[number].key)

"""The pages of the window: a row of tabs, and the page that is chosen. A page says itself what the window needs of it.

A new page is one `Page` more in the window's list: no other place names it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QFont, QFontMetrics, QResizeEvent
from PySide6.QtWidgets import QStyle, QStyleOptionTab, QTabBar, QVBoxLayout, QWidget

from core.news.events import PeerSnapshot
from desktop.views.columns import CurrentOnly
from desktop.views.table import RowTable

ROOM = " (99)"  # behind the title of a page that counts
RENAMED = {"broker": "network"}  # keys that settings of earlier versions remember
NARROW = 560  # pixels of width; below that the tabs have hardly any room beside their words, and still fit in a row


class PageView(QWidget):
    """A page that shows snapshots and says what the window asks of it."""

    def show_snapshot(self, snapshot: PeerSnapshot) -> None:
        """Show the newest snapshot."""
        raise NotImplementedError

    def focus_start(self) -> None:
        """Put the keyboard on a control that does nothing dangerous: the first table."""
        for table in self.tables():
            table.setFocus(Qt.FocusReason.OtherFocusReason)
            return

    def focus_filter(self) -> None:
        """Put the keyboard into the page's filter or search; where there is none, to the start."""
        self.focus_start()

    def tables(self) -> tuple[RowTable, ...]:
        """Return the tables whose columns are remembered."""
        return ()


def no_badge(_snapshot: PeerSnapshot) -> int:
    """Count nothing."""
    return 0


@dataclass(frozen=True, slots=True)
class Page:
    """`key` is what settings remember and programs say; `title` may mark a letter with &.

    `make` returns the page's widget, a PageView or any other; `badge` the number behind its title, 0: none.
    """

    key: str
    title: str
    make: Callable[[], QWidget]
    badge: Callable[[PeerSnapshot], int] = no_badge


class TabBar(QTabBar):
    """Tabs that stay where they are: with room for a number behind each title, and for bold letters."""

    def tabSizeHint(self, index: int) -> QSize:
        """Return the size with that room: as for the chosen tab, in whose title is a number where the page counts."""
        title = self.tabData(index)
        option = QStyleOptionTab()
        self.initStyleOption(option, index)
        option.state &= ~QStyle.StateFlag.State_Selected  # the style sheet would add the room for bold letters again
        option.text = f"{title}{ROOM}" if isinstance(title, str) else self.tabText(index)
        style, metric = self.style(), QStyle.PixelMetric
        font = QFont(self.font())
        font.setWeight(QFont.Weight.DemiBold)  # of the chosen one: desktop/stylesheet.py
        words = QFontMetrics(font).size(Qt.TextFlag.TextShowMnemonic, option.text)
        space = style.pixelMetric(metric.PM_TabBarTabHSpace, option, self)
        high = style.pixelMetric(metric.PM_TabBarTabVSpace, option, self)
        inner = QSize(words.width() + space, words.height() + high)
        size = style.sizeFromContents(QStyle.ContentsType.CT_TabBarTab, option, inner, self)
        return QSize(size.width(), super().tabSizeHint(index).height())


class Pages(QWidget):
    """Tabs over a stack.

    Signals:
        chosen(str): the key of the page that is shown now.
    """

    chosen = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._pages: list[Page] = []
        self.bar = TabBar()
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

    def register(self, pages: Iterable[Page]) -> None:
        """Make these pages and put them behind the others."""
        for page in pages:
            self._pages.append(page)
            self._stack.addWidget(page.make())
            at = self.bar.addTab(page.title)
            if page.badge is not no_badge:
                self.bar.setTabData(at, page.title)
            self.bar.setAccessibleTabName(at, page.title.replace("&", ""))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Draw the tabs closer together where there is little room."""
        super().resizeEvent(event)
        narrow = self.width() < NARROW
        if self.bar.property("narrow") != narrow:
            self.bar.setProperty("narrow", narrow)
            self.bar.style().unpolish(self.bar)
            self.bar.style().polish(self.bar)
            self.bar.updateGeometry()

    def pages(self) -> tuple[Page, ...]:
        """Return the pages in order."""
        return tuple(self._pages)

    def widget(self, key: str) -> QWidget:
        """Return a page's widget. Raises KeyError for a key that there is none for."""
        for number, page in enumerate(self._pages):
            if page.key == key:
                found = self._stack.widget(number)
                if found is not None:
                    return found
        raise KeyError(key)

    def current(self) -> str:
        """Return the key of the page that is shown."""
        return self._pages[self.bar.currentIndex()].key if self._pages else ""

    def choose(self, key: str) -> None:
        """Show a page; a key that there is none for changes nothing."""
        if all(page.key != key for page in self._pages):
            key = RENAMED.get(key, key)
        for number, page in enumerate(self._pages):
            if page.key == key:
                self.bar.setCurrentIndex(number)

    def show_snapshot(self, snapshot: PeerSnapshot) -> None:
        """Show the newest snapshot on every page, and the numbers behind their titles."""
        for number, page in enumerate(self._pages):
            widget = self._stack.widget(number)
            if isinstance(widget, PageView):
                widget.show_snapshot(snapshot)
            self._set_badge(number, page.badge(snapshot))

    def focus_filter(self) -> bool:
        """Put the keyboard into the filter of the page that is shown; False when it has none."""
        page = self._stack.currentWidget()
        if isinstance(page, PageView):
            page.focus_filter()
            return True
        return False

    def tables(self) -> tuple[RowTable, ...]:
        """Return the tables of all pages, in their order."""
        found = (self._stack.widget(number) for number in range(self._stack.count()))
        return tuple(table for page in found if isinstance(page, PageView) for table in page.tables())

    def _set_badge(self, number: int, count: int) -> None:
        """Write a number behind a page's title. The tab keeps its room: the number never moves the tabs beside it."""
        title = self._pages[number].title
        text = f"{title} ({count:,})" if count else title
        if self.bar.tabText(number) != text:
            self.bar.setTabText(number, text)
            self.bar.setAccessibleTabName(number, text.replace("&", ""))

    def _changed(self, number: int) -> None:
        if 0 <= number < len(self._pages):
            focus = self.window().focusWidget()
            had_focus = focus is not None and self._stack.isAncestorOf(focus)
            self._stack.setCurrentIndex(number)
            self._stack.updateGeometry()  # the page that is shown now may be higher
            page = self._stack.widget(number)
            if had_focus and isinstance(page, PageView):  # Qt would hand it to the first button, whatever that does
                page.focus_start()
            self.chosen.emit(self._pages[number].key)

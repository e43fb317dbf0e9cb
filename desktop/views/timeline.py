"""The punch and request timeline: filter above, lines below; it follows the newest line only while it is at the end."""

from PySide6.QtCore import QSignalBlocker, Qt, QTimer
from PySide6.QtGui import QAction, QGuiApplication, QIcon, QResizeEvent
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QPlainTextEdit,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from core.news.events import PeerEvent, PeerSnapshot
from desktop.icons import icon
from desktop.models.peers import Ourselves
from desktop.models.table import ROW_ROLE
from desktop.models.timeline import TimelineColumn, TimelineModel
from desktop.models.timeline_rows import Direction, Kind, TimelineRow
from desktop.theme import Theme, ThemeSource, fixed_font
from desktop.views.fields import filter_line
from desktop.views.flow import FlowRow
from desktop.views.parts import PlainLabel, heading
from desktop.views.table import ICON_ROOM, CellDelegate, Index, RowTable

SAMPLES = ("23:59:59.999", f"{ICON_ROOM}Note", f"{ICON_ROOM}Problem", "203.0.113.200:65535")
SETTLE_MS = 150  # milliseconds after the last key before the filter runs
EMPTY = "Nothing has happened yet. Punches, requests and replies appear here as they come and go."
NO_MATCH = "No line matches the filter."
IMPORTANT = "important"  # the filter that leaves out what comes and goes all the time
DETAILS_SIZE = (520, 360)  # pixels


class TimelineTable(RowTable):
    """Copies its lines with all columns, whatever their order on screen."""

    def row_text(self, row: int) -> str:
        """Return a line's text."""
        model = self.model()
        line = model.index(row, 0).data(ROW_ROLE)
        return line.as_text() if isinstance(line, TimelineRow) else ""

    def at_end(self) -> bool:
        """Return whether the newest line is in sight."""
        bar = self.verticalScrollBar()
        return bar.value() >= bar.maximum() - self.verticalHeader().defaultSectionSize() // 2

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep the newest line in sight when it was."""
        follow = self.at_end()
        super().resizeEvent(event)
        if follow:
            self.scrollToBottom()


class TimelineView(QWidget):
    """Title, filter, actions and table."""

    def __init__(self, theme: ThemeSource, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.model = TimelineModel(self)
        title = heading(self.tr("&Timeline"))
        name = self.tr("Filter the timeline by text")
        self.filter = filter_line(self.tr("Filter"), name, narrowest=110, widest=240)
        self.filter.setToolTip(self.tr("Show only lines with these words (Ctrl+F)"))
        self.kinds = QComboBox()
        self.kinds.setAccessibleName(self.tr("Filter the timeline by kind"))
        self.kinds.addItem(self.tr("Important"), IMPORTANT)
        self.kinds.addItem(self.tr("Everything"), None)
        for kind in Kind:
            self.kinds.addItem(self.tr(kind.value), kind)
        self.newest = _tool(self.tr("Go to the newest line (Ctrl+End)"))
        self.newest.clicked.connect(self.go_to_newest)
        self.copy_all_button = _tool(self.tr("Copy all lines shown"))
        self.copy_all_button.clicked.connect(self.copy_all)
        self.table = TimelineTable(self.tr("Punch and request timeline"))
        title.setBuddy(self.table)
        self._set_up_table()
        self._lay_out(title)
        self._settle = QTimer(self)
        self._settle.setSingleShot(True)
        self._settle.setInterval(SETTLE_MS)
        self._settle.timeout.connect(self.apply_filter)
        self.filter.textChanged.connect(lambda _text: self._settle.start())
        self.kinds.currentIndexChanged.connect(lambda _index: self.apply_filter())
        theme.changed.connect(self._retheme)
        self._retheme(theme.theme)
        self.apply_filter()

    def _set_up_table(self) -> None:
        self.table.set_placeholder(self.tr(EMPTY))
        self.table.setModel(self.model)
        self.table.setItemDelegateForColumn(TimelineColumn.DIRECTION, CellDelegate(self._dress_direction, self.table))
        self.table.setItemDelegateForColumn(TimelineColumn.WHAT, CellDelegate(self._dress_what, self.table))
        self.table.set_samples(SAMPLES, fit_all=False)
        self.table.verticalScrollBar().valueChanged.connect(lambda _value: self._update_buttons())
        self.details_action = QAction(self.tr("&Details..."), self)
        self.details_action.triggered.connect(lambda _checked=False: self.show_details())
        copy = QAction(self.tr("&Copy selected lines"), self)
        copy.triggered.connect(lambda _checked=False: self.table.copy())
        copy_all = QAction(self.tr("Copy &all lines shown"), self)
        copy_all.triggered.connect(lambda _checked=False: self.copy_all())
        self.table.set_menu((self.details_action, None, copy, copy_all))
        self.table.activated.connect(lambda _index: self.show_details())

    def _lay_out(self, title: PlainLabel) -> None:
        top = FlowRow()
        top.addWidget(title)
        top.addStretch()
        for widget in (self.filter, self.kinds, self.newest, self.copy_all_button):
            top.addWidget(widget)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(5)
        column.addLayout(top)
        column.addWidget(self.table, 1)

    def show_snapshot(self, snapshot: PeerSnapshot) -> None:
        """Take which addresses are this very peer's: it meets itself when it shares and consumes at once."""
        self.model.is_ours = Ourselves(snapshot).at

    def show_details(self) -> None:
        """Show all of the selected line, and when the newest punches of its peer came and went."""
        rows = self.table.selected_rows()
        if len(rows) == 1:
            details = Details(self.model.details(rows[0]), self)
            details.open()

    def add(self, events: tuple[PeerEvent, ...]) -> None:
        """Append a batch, and follow it when the end was in sight."""
        follow = self.at_end()
        bar = self.table.verticalScrollBar()
        place, height = bar.value(), self.table.verticalHeader().defaultSectionSize()
        removed = self.model.add(events)
        if follow:
            self.table.scrollToBottom()
        elif removed:  # the ring turned: the lines in sight stay in sight
            bar.setValue(place - removed * height)
        self._update_buttons()

    def at_end(self) -> bool:
        """Return whether the newest line is in sight."""
        return self.table.at_end()

    def go_to_newest(self) -> None:
        """Scroll to the newest line and follow from now on."""
        self.table.scrollToBottom()
        self._update_buttons()

    def copy_all(self) -> None:
        """Put all lines shown on the clipboard."""
        QGuiApplication.clipboard().setText("\n".join(row.as_text() for row in self.model.rows()))

    def focus_filter(self) -> None:
        """Put the keyboard into the filter."""
        self.filter.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.filter.selectAll()

    def set_filter(self, text: str, kind: Kind | None = None) -> None:
        """Show only what matches; "" and None show everything, the unimportant too."""
        with QSignalBlocker(self.filter), QSignalBlocker(self.kinds):
            self.filter.setText(text)
            self.kinds.setCurrentIndex(max(0, self.kinds.findData(kind)))
        self.apply_filter()

    def apply_filter(self) -> None:
        """Show what matches the filter as it is now."""
        self._settle.stop()
        chosen = self.kinds.currentData()
        kind = chosen if isinstance(chosen, Kind) else None
        filtered = bool(self.filter.text().strip()) or kind is not None
        self.table.set_placeholder(self.tr(NO_MATCH) if filtered else self.tr(EMPTY))
        self.model.set_filter(self.filter.text(), kind, important=chosen == IMPORTANT)
        self.table.scrollToBottom()
        self._update_buttons()

    def _update_buttons(self) -> None:
        self.newest.setEnabled(not self.at_end())
        self.copy_all_button.setEnabled(self.model.rowCount() > 0)

    def _dress_direction(self, index: Index) -> tuple[QIcon | None, str]:
        row = index.data(ROW_ROLE)
        return self._dresses[row.direction] if isinstance(row, TimelineRow) else (None, "")

    def _dress_what(self, index: Index) -> tuple[QIcon | None, str]:
        row = index.data(ROW_ROLE)
        return self._problem if isinstance(row, TimelineRow) and row.kind is Kind.PROBLEM else (None, "")

    def _retheme(self, theme: Theme) -> None:
        looks = {
            Direction.OUT: ("arrow-out", theme.accent),
            Direction.IN: ("arrow-in", theme.info),
            Direction.NOTE: ("dot", theme.muted),
        }
        # drawn here, not by the first line's paint, which comes when there is most to do
        self._dresses = {way: (icon(name, colour), colour) for way, (name, colour) in looks.items()}
        self._problem = icon("problem", theme.bad), theme.bad
        self.newest.setIcon(icon("newest", theme.text, theme.edge))
        self.copy_all_button.setIcon(icon("copy", theme.text, theme.edge))
        self.table.viewport().update()


class Details(QDialog):
    """Shows a few lines of text that can be selected and copied."""

    def __init__(self, text: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("details")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(self.tr("Details"))
        self.text = QPlainTextEdit(text)
        self.text.setReadOnly(True)
        self.text.setTabChangesFocus(True)
        self.text.setFont(fixed_font())
        self.text.setAccessibleName(self.tr("Details of the line"))
        close = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        close.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.addWidget(self.text, 1)
        column.addWidget(close)
        self.resize(*DETAILS_SIZE)


def _tool(words: str) -> QToolButton:
    button = QToolButton()
    button.setToolTip(words)
    button.setAccessibleName(words.split(" (")[0])
    return button

"""The page of calls: who asked for what and what became of it, with search, export and a way to forget."""

from collections.abc import Sequence

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QIcon, QShowEvent
from PySide6.QtWidgets import (
    QComboBox,
    QFileDialog,
    QLabel,
    QLineEdit,
    QMessageBox,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from core.ledger.record import OK, CallRecord
from core.news.events import PeerEvent, PeerSnapshot, RequestServed
from desktop.icons import icon
from desktop.models.calls import OK_ROLE, OUTCOME, PAGE, CallsModel
from desktop.theme import Theme, ThemeSource
from desktop.views.contract import BridgeLike
from desktop.views.fields import limit
from desktop.views.flow import FlowRow
from desktop.views.table import ICON_ROOM, CellDelegate, Index, RowTable

SAMPLES = (
    *("2026-11-27 23:59:59", "Anna's greenhouse", "203.0.113.200:65535", "fibonacci"),
    *("9.9 MB", "9.9 MB", "999 ms", f"{ICON_ROOM}ERR_NOT_TRUSTED"),
)
SEARCH_MS = 200  # milliseconds after the last key until the search begins
REFRESH_MS = 1000  # milliseconds between two looks for new calls while the page is shown
KEPT = "Kept on this computer only: 100,000 calls and 30 days at most, never what was said."
NOBODY = "Nobody has called yet."
NO_MATCH = "No call fits the search."
OUTCOMES = (("All outcomes", ""), ("Answered", OK), ("Not trusted", "ERR_NOT_TRUSTED"),
            ("Not encrypted", "ERR_ENCRYPTION_REQUIRED"), ("Blocked", "ERR_BLOCKED"),
            ("Too often", "ERR_RATE_LIMITED"), ("Wrong payload", "ERR_PAYLOAD"))  # fmt: skip


class CallsView(QWidget):
    """Asks the bridge for calls while it is shown."""

    def __init__(self, bridge: BridgeLike, theme: ThemeSource, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self._names: dict[str, str] = {}
        self.model = CallsModel(self, name_of=lambda text: self._names.get(text) or text[:7])
        self.table = RowTable(self.tr("Calls"))
        self.table.setModel(self.model)
        self.table.set_samples(SAMPLES, fit_all=True)
        self.table.set_placeholder(NOBODY)
        self.table.setItemDelegateForColumn(OUTCOME, CellDelegate(self._dress, self.table))
        self.search = QLineEdit()
        self.outcome = QComboBox()
        hint = self.tr("Write what is found to a CSV file")
        self.export_button = self._button(self.tr("&Export..."), hint, self.export)
        self.clear_button = self._button(self.tr("&Clear..."), self.tr("Forget every call"), self.clear)
        self._said = _muted(KEPT)
        self._lay_out()
        self._fresh: int | None = None  # tickets of what was asked, None: nothing is under way
        self._older: int | None = None
        self._replace = True  # what comes next is another list
        self._search_timer = self._timer(SEARCH_MS, self._ask_anew)
        self._refresh_timer = self._timer(REFRESH_MS, self._ask)
        self.model.more_wanted.connect(self._ask_older)
        bridge.calls_found.connect(self._found)
        bridge.calls_said.connect(self._said.setText)
        bridge.calls_cleared.connect(self._ask_anew)
        bridge.events_arrived.connect(self._on_events)
        theme.changed.connect(self._retheme)
        self._retheme(theme.theme)

    def _lay_out(self) -> None:
        title = QLabel(self.tr("Who ca&lled"))
        title.setObjectName("heading")
        title.setBuddy(self.table)
        self.search.setPlaceholderText(self.tr("Peer, address or service"))
        self.search.setAccessibleName(self.tr("Search calls"))
        self.search.setClearButtonEnabled(True)
        limit(self.search, 200)  # characters
        self.search.setMinimumWidth(220)
        self.search.setMaximumWidth(300)
        self.search.textChanged.connect(lambda _text: self._search_timer.start())
        self.outcome.setAccessibleName(self.tr("Which outcomes"))
        for words, _name in OUTCOMES:
            self.outcome.addItem(self.tr(words))
        self.outcome.currentIndexChanged.connect(lambda _number: self._ask_anew())
        row = FlowRow()
        row.addWidget(title)
        row.addStretch()
        for widget in (self.search, self.outcome, self.export_button, self.clear_button):
            row.addWidget(widget)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        column.addLayout(row)
        column.addWidget(self.table, 1)
        column.addWidget(self._said)

    # -- what is shown ---------------------------------------------------------------------------------------------

    def show_snapshot(self, snapshot: PeerSnapshot) -> None:
        """Take the names of known peers."""
        names = {str(peer.peer_id): peer.name for peer in snapshot.known_peers if peer.name}
        if names != self._names:
            self._names = names
            self.table.viewport().update()

    def showEvent(self, event: QShowEvent) -> None:
        """Look at once."""
        super().showEvent(event)
        self._ask()

    def words(self) -> str:
        """Return the line below the table."""
        return self._said.text()

    def _on_events(self, events: Sequence[PeerEvent]) -> None:
        served = any(isinstance(event, RequestServed) for event in events)
        if served and self.isVisible() and not self._refresh_timer.isActive():
            self._refresh_timer.start()

    # -- asking ----------------------------------------------------------------------------------------------------

    def _ask_anew(self) -> None:
        self._replace = True
        self._ask()

    def _ask(self) -> None:
        if not self.isVisible():
            self._replace = True
            return
        text, outcome = self._filter()
        self._fresh = self._bridge.ask_calls(text, outcome, None, PAGE)

    def _ask_older(self) -> None:
        text, outcome = self._filter()
        self._older = self._bridge.ask_calls(text, outcome, self.model.oldest(), PAGE)

    def _filter(self) -> tuple[str, str]:
        return self.search.text().strip(), OUTCOMES[self.outcome.currentIndex()][1]

    def _found(self, ticket: int, calls: tuple[CallRecord, ...]) -> None:
        if ticket == self._fresh:
            self._fresh = None
            if self._replace:
                self._replace = False
                self._older = None
                self.model.replace(calls)
            else:
                self.model.refresh(calls)
            self.table.set_placeholder(NO_MATCH if any(self._filter()) else NOBODY)
        elif ticket == self._older:
            self._older = None
            self.model.append(calls)

    # -- what the user does ----------------------------------------------------------------------------------------

    def export(self) -> None:
        """Ask for a file, and write what is found to it."""
        dialog = QFileDialog(self, self.tr("Export the calls"), "grapevine-calls.csv", "CSV (*.csv);;All files (*)")
        dialog.setObjectName("export")
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(lambda path: self._bridge.export_calls(path, *self._filter()))
        dialog.open()

    def clear(self) -> None:
        """Ask, and forget every call."""
        box = QMessageBox(
            QMessageBox.Icon.NoIcon, self.tr("Clear the record"),
            self.tr("Forget every call? What is not exported is gone; peers and settings stay."),
            QMessageBox.StandardButton.Cancel, self,
        )  # fmt: skip
        box.setObjectName("clear")
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        yes = box.addButton(self.tr("Forget every call"), QMessageBox.ButtonRole.AcceptRole)
        yes.clicked.connect(self._bridge.clear_calls)
        box.open()

    # -- parts -----------------------------------------------------------------------------------------------------

    def _timer(self, milliseconds: int, act: object) -> QTimer:
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.setInterval(milliseconds)
        timer.timeout.connect(act)
        return timer

    def _button(self, words: str, hint: str, act: object) -> QPushButton:
        button = QPushButton(words)
        button.setToolTip(hint)
        button.setAccessibleName(words.replace("&", "").replace("...", ""))
        button.clicked.connect(act)
        return button

    def _dress(self, index: Index) -> tuple[QIcon | None, str]:
        return self._dresses[bool(index.data(OK_ROLE))]

    def _retheme(self, theme: Theme) -> None:
        good, bad = icon("check", theme.good), icon("person-blocked", theme.bad)
        self._dresses = {True: (good, theme.good), False: (bad, theme.bad)}
        self.table.viewport().update()


def _muted(words: str) -> QLabel:
    label = QLabel(words)
    label.setObjectName("muted")
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    return label

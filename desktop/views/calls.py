"""The page of calls: which peer asked for what and how it ended, with search, export and a way to forget."""

from collections.abc import Callable, Sequence

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QAction, QGuiApplication, QIcon, QShowEvent
from PySide6.QtWidgets import QComboBox, QFileDialog, QVBoxLayout, QWidget

from core.ledger.record import CallRecord
from core.news.events import PeerEvent, PeerSnapshot, RequestServed
from core.peer_id import PeerId
from desktop.icons import icon
from desktop.models.calls import OUTCOME_WORDS, PAGE, CallColumn, CallsModel
from desktop.models.people import names
from desktop.models.safe import lines
from desktop.models.table import ROW_ROLE, STATE_ROLE
from desktop.theme import Theme, ThemeSource
from desktop.views.columns import Pair
from desktop.views.contract import BridgeLike
from desktop.views.fields import filter_line
from desktop.views.flow import FlowRow
from desktop.views.pages import PageView
from desktop.views.parts import IdLine, PlainLabel, button, heading
from desktop.views.sheets import Question
from desktop.views.table import ICON_ROOM, CellDelegate, Index, RowTable

SAMPLES = (
    *("2026-11-27 23:59:59", "Anna's greenhouse", "203.0.113.200:65535", "fibonacci"),
    *("9.9 MB", "9.9 MB", "999 ms", f"{ICON_ROOM}ERR_NOT_TRUSTED"),
)
SEARCH_MS = 200  # milliseconds after the last key until the search begins
REFRESH_MS = 1000  # milliseconds between two looks for new calls while the page is shown
SIDE_BY_SIDE = 1000  # pixels of width; below that the whole ID has a line of its own
KEPT = "Kept on this computer only: 100,000 calls and 30 days at most, never what was said."
NOBODY = "Nobody has called yet."
NO_MATCH = "No call fits the search."
OUTCOMES = (("All outcomes", ""), *((words, name) for name, words in OUTCOME_WORDS.items()))


class CallsView(PageView):
    """Asks the bridge for calls while it is shown.

    Signals:
        call_wanted(str): send a request to this peer; the target as a person writes it, PEER-ID/service or host:port.
        known_wanted(PeerId): name this peer, and say what it may call.
    """

    call_wanted = Signal(str)
    known_wanted = Signal(object)

    def __init__(self, bridge: BridgeLike, theme: ThemeSource, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self._names: dict[str, str] = {}
        self._service = "fibonacci"  # the one to call back
        self.model = CallsModel(self, name_of=lambda text: self._names.get(text) or text[:7])
        self.table = RowTable(self.tr("Calls"))
        self.table.setModel(self.model)
        self.table.set_samples(SAMPLES, fit_all=True)
        self.table.set_placeholder(self.tr(NOBODY))
        self.table.setItemDelegateForColumn(CallColumn.OUTCOME, CellDelegate(self._dress, self.table))
        words = self.tr("Name, ID, address or service")
        self.search = filter_line(words, self.tr("Search calls"), narrowest=220, widest=300)
        self.outcome = QComboBox()
        hint = self.tr("Write what is found to a CSV file")
        self.export_button = button(self.tr("&Export..."), hint, self.export)
        self.clear_button = button(self.tr("&Clear..."), self.tr("Forget every call"), self.clear)
        self._said = PlainLabel(self.tr(KEPT), name="muted", wrap=True)
        self.caller_id = IdLine(self.tr("Peer ID of the selected call"))
        self.caller_id.setPlaceholderText(self.tr("Peer ID of the selected call"))
        self._lay_out()
        self._make_menu()
        self._fresh: int | None = None  # tickets of what was asked, None: nothing is under way
        self._older: int | None = None
        self._replace = True  # what comes next is another list
        self._search_timer = self._timer(SEARCH_MS, self._ask_again)
        self._refresh_timer = self._timer(REFRESH_MS, self._ask)
        self.model.more_wanted.connect(self._ask_older)
        bridge.calls_found.connect(self._found)
        bridge.calls_said.connect(lambda text: self._said.setText(lines(text)))
        bridge.calls_cleared.connect(self._ask_again)
        bridge.events_arrived.connect(self._on_events)
        theme.changed.connect(self._retheme)
        self._retheme(theme.theme)

    def _lay_out(self) -> None:
        title = heading(self.tr("Ca&lls"), self.table)
        self.search.textChanged.connect(lambda _text: self._search_timer.start())
        self.outcome.setAccessibleName(self.tr("Which outcomes"))
        for words, _name in OUTCOMES:
            self.outcome.addItem(self.tr(words))
        self.outcome.currentIndexChanged.connect(lambda _number: self._ask_again())
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
        column.addWidget(Pair(self._said, self.caller_id, SIDE_BY_SIDE))

    def _make_menu(self) -> None:
        act = self._action
        self._copy_id = act(self.tr("&Copy ID"), lambda: _copy(self._caller()))
        self._copy_name = act(self.tr("Copy &name"), lambda: _copy(self._names.get(self._caller(), "")))
        copy_address = act(self.tr("Copy &address"), lambda: _copy(call.address if (call := self.selected()) else ""))
        self._call_back = act(self.tr("Ca&ll..."), self._call)
        self._known = act(self.tr("&Name, trust..."), self._make_known)
        self._block = act(self.tr("&Block"), self._block_caller)
        self.table.set_menu(
            (self._copy_id, self._copy_name, copy_address, None, self._call_back, self._known, None, self._block)
        )
        self.table.selectionModel().selectionChanged.connect(lambda *_: self._choose())
        self.model.modelReset.connect(self._choose)
        self._choose()

    def _action(self, words: str, act: Callable[[], object]) -> QAction:
        action = QAction(words, self)
        action.triggered.connect(lambda _checked=False: act())
        return action

    # -- what is shown ---------------------------------------------------------------------------------------------

    def show_snapshot(self, snapshot: PeerSnapshot) -> None:
        """Take the names of known peers."""
        self._service = snapshot.services[0].name if snapshot.services else self._service
        named = {str(peer_id): name for peer_id, name in names(snapshot.known_peers).items()}
        if named != self._names:
            self._names = named
            self.model.tick()

    def focus_filter(self) -> None:
        """Put the keyboard into the search."""
        self.search.setFocus(Qt.FocusReason.ShortcutFocusReason)

    def tables(self) -> tuple[RowTable, ...]:
        """Return the table of calls."""
        return (self.table,)

    def selected(self) -> CallRecord | None:
        """Return the call that is selected, if it is one."""
        rows = self.table.selected_rows()
        found = self.model.index(rows[0], 0).data(ROW_ROLE) if len(rows) == 1 else None
        return found if isinstance(found, CallRecord) else None

    def _caller(self) -> str:
        """Return the Peer ID's text of the selected call; nothing for a plain peer."""
        call = self.selected()
        return (call.peer_id or "") if call is not None else ""

    def _choose(self) -> None:
        caller = self._caller()
        self.caller_id.show_id(caller)
        for action in (self._copy_id, self._known, self._block):
            action.setEnabled(bool(caller))
        self._copy_name.setEnabled(caller in self._names)
        self._call_back.setEnabled(self.selected() is not None)

    def _call(self) -> None:
        call = self.selected()
        if call is not None:
            self.call_wanted.emit(f"{call.peer_id}/{self._service}" if call.peer_id else call.address)

    def _make_known(self) -> None:
        if self._caller():
            self.known_wanted.emit(PeerId.parse(self._caller()))

    def _block_caller(self) -> None:
        if self._caller():
            self._bridge.block(PeerId.parse(self._caller()))

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

    def _ask_again(self) -> None:
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
            self.table.set_placeholder(self.tr(NO_MATCH) if any(self._filter()) else self.tr(NOBODY))
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
        words = self.tr("Forget every call")
        more = self.tr("Calls that are not exported are lost. Peers and settings stay.")
        title, question = self.tr("Clear the record"), self.tr("Forget every call?")
        asked = Question(self, title, question, more, words, self._bridge.clear_calls)
        asked.setObjectName("clear")
        asked.open()

    # -- parts -----------------------------------------------------------------------------------------------------

    def _timer(self, milliseconds: int, act: Callable[[], object]) -> QTimer:
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.setInterval(milliseconds)
        timer.timeout.connect(act)
        return timer

    def _dress(self, index: Index) -> tuple[QIcon | None, str]:
        return self._dresses[bool(index.data(STATE_ROLE))]

    def _retheme(self, theme: Theme) -> None:
        good, bad = icon("check", theme.good), icon("person-blocked", theme.bad)
        self._dresses = {True: (good, theme.good), False: (bad, theme.bad)}
        self.table.viewport().update()


def _copy(text: str) -> None:
    """Put a text on the clipboard; nothing leaves what is there."""
    if text:
        QGuiApplication.clipboard().setText(text)

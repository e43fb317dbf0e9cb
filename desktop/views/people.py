"""The page of people: who waits for an answer, whom the owner knows, and what each may call."""

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QGuiApplication, QIcon
from PySide6.QtWidgets import QLabel, QLineEdit, QMessageBox, QPushButton, QVBoxLayout, QWidget

from core.news.events import PeerSnapshot
from core.peer_id import PeerId
from core.trust.entries import KnownPeer, Pending
from desktop.icons import icon
from desktop.models.people import (
    BLOCKED,
    KNOWN,
    NAME,
    ROW_ROLE,
    STATE,
    STATE_ROLE,
    TRUSTED,
    KnownModel,
    PendingModel,
    PeopleFilter,
    called,
)
from desktop.models.words import count
from desktop.theme import Theme, ThemeSource
from desktop.views.answers import Answers
from desktop.views.contract import BridgeLike
from desktop.views.fields import limit
from desktop.views.flow import FlowRow
from desktop.views.person_dialog import PersonDialog
from desktop.views.table import ICON_ROOM, CellDelegate, Index, RowTable

PENDING_SAMPLES = ("Anna's greenhouse", "temperature", "203.0.113.200:65535", "59 min ago", "9,999")
KNOWN_SAMPLES = ("Anna's greenhouse", "ABCDEFG", f"{ICON_ROOM}Trusted", "fibonacci, camera", "59 min ago", "2026-11-27")
PENDING_LINES = 5  # of the table of those who wait; more scroll
TICK_MS = 5000  # milliseconds; "3 min ago" moves on
NOBODY = "You know nobody yet. Add a peer by its ID; or share a service, and who asks for it appears here."
NO_MATCH = "Nobody fits the filter."


class PeopleView(QWidget):
    """Pending requests above, known peers below."""

    def __init__(self, bridge: BridgeLike, theme: ThemeSource, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self._services: list[str] = []
        self._known: tuple[KnownPeer, ...] = ()
        self.pending = PendingModel(self)
        self.waiting = RowTable(self.tr("Requests that wait for your answer"))
        self.waiting.setModel(self.pending)
        self.waiting.set_samples(PENDING_SAMPLES, fit_all=True)
        self.answers = Answers(bridge)
        self.answers.accepted.connect(self.name_it)
        self.model = KnownModel(self)
        self.proxy = PeopleFilter(self.model, self)
        self.table = RowTable(self.tr("Known peers"))
        self.filter = QLineEdit()
        self._make_buttons()
        self._lay_out()
        self._set_up_tables()
        self._tick = QTimer(self)
        self._tick.setInterval(TICK_MS)
        self._tick.timeout.connect(self._move_on)
        self._tick.start()
        theme.changed.connect(self._retheme)
        self._retheme(theme.theme)
        self._show_pending(())
        self._choose_buttons()

    # -- what it is made of ----------------------------------------------------------------------------------------

    def _make_buttons(self) -> None:
        self.add_button = _button(self.tr("A&dd..."), self.tr("Add a peer by its ID"), self.add)
        self.edit_button = _button(self.tr("&Edit..."), self.tr("Name this peer, and say what it may call"), self.edit)
        self.copy_button = _button(self.tr("&Copy ID"), self.tr("Copy the whole Peer ID"), self.copy_id)
        hint = self.tr("Let this peer call nothing, and ask no more")
        self.block_button = _button(self.tr("&Block"), hint, self.block)
        self.remove_button = _button(self.tr("&Remove..."), self.tr("Know this peer no more"), self.remove)

    def _lay_out(self) -> None:
        self._waiting_part = QWidget()
        upper = QVBoxLayout(self._waiting_part)
        upper.setContentsMargins(0, 0, 0, 0)
        upper.setSpacing(5)
        title = _heading(self.tr("Waiting for &your answer"))
        title.setBuddy(self.waiting)
        top = FlowRow()
        top.addWidget(title)
        top.addStretch()
        top.addWidget(self.answers)
        upper.addLayout(top)
        upper.addWidget(self.waiting)
        known = _heading(self.tr("&Known peers"))
        known.setBuddy(self.table)
        self._counts = QLabel()
        self._counts.setObjectName("muted")
        self.filter.setPlaceholderText(self.tr("Filter"))
        self.filter.setAccessibleName(self.tr("Filter known peers"))
        self.filter.setClearButtonEnabled(True)
        limit(self.filter, 200)  # characters
        self.filter.setMaximumWidth(240)
        self.filter.textChanged.connect(self._filter)
        row = FlowRow()
        row.addWidget(known)
        row.addWidget(self._counts)
        row.addStretch()
        row.addWidget(self.filter)
        for button in (self.add_button, self.edit_button, self.copy_button, self.block_button, self.remove_button):
            row.addWidget(button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(10)
        column.addWidget(self._waiting_part)
        column.addLayout(row)
        column.addWidget(self.table, 1)

    def _set_up_tables(self) -> None:
        self.waiting.selectionModel().selectionChanged.connect(lambda *_: self._choose_answers())
        self.table.setModel(self.proxy)
        self.table.setSortingEnabled(True)
        self.table.sortByColumn(NAME, Qt.SortOrder.AscendingOrder)
        self.table.setItemDelegateForColumn(STATE, CellDelegate(self._dress, self.table))
        self.table.set_samples(KNOWN_SAMPLES, fit_all=True)
        self.table.set_placeholder(NOBODY)
        self.table.doubleClicked.connect(lambda _index: self.edit())
        self.table.selectionModel().selectionChanged.connect(lambda *_: self._choose_buttons())
        self.model.modelReset.connect(self._choose_buttons)

    # -- what is shown ---------------------------------------------------------------------------------------------

    def show_snapshot(self, snapshot: PeerSnapshot) -> None:
        """Show who waits and who is known; a selection stays where it was."""
        self._services = [service.name for service in snapshot.services]
        self._known = snapshot.known_peers
        self.pending.known = snapshot.known_peers
        self._show_pending(tuple(reversed(snapshot.pending)))  # the newest on top
        if list(snapshot.known_peers) != self.model.rows():
            chosen = self.selected()
            self.model.replace(snapshot.known_peers)
            if chosen is not None:
                self._select(chosen.peer_id)
            self._choose_buttons()
        words = count(len(snapshot.known_peers), "peer") if snapshot.known_peers else ""
        self._counts.setText(words)

    def reveal_pending(self) -> None:
        """Put the keyboard on those who wait."""
        if self.pending.rowCount() and not self.waiting.selected_rows():
            self.waiting.selectRow(0)
        (self.waiting if self.pending.rowCount() else self.table).setFocus(Qt.FocusReason.OtherFocusReason)

    def selected(self) -> KnownPeer | None:
        """Return the known peer that is selected, if it is one."""
        rows = self.table.selected_rows()
        found = self.proxy.index(rows[0], NAME).data(ROW_ROLE) if len(rows) == 1 else None
        return found if isinstance(found, KnownPeer) else None

    def _show_pending(self, pending: tuple[Pending, ...]) -> None:
        at = self._asked()
        if list(pending) != self.pending.rows():
            self.pending.replace(pending)
            for number, row in enumerate(pending):
                if at is not None and row.key == at.key:
                    self.waiting.selectRow(number)
            lines = min(max(len(pending), 1), PENDING_LINES)
            row_height = self.waiting.verticalHeader().defaultSectionSize()
            header = max(self.waiting.horizontalHeader().sizeHint().height(), row_height)
            self.waiting.setFixedHeight(header + lines * row_height + 10)
        if pending and not self.waiting.selected_rows():
            self.waiting.selectRow(0)
        self._waiting_part.setVisible(bool(pending))
        self._choose_answers()

    def _asked(self) -> Pending | None:
        rows = self.waiting.selected_rows()
        return self.pending.row_at(rows[0]) if rows and rows[0] < self.pending.rowCount() else None

    def _choose_answers(self) -> None:
        self.answers.show_request(self._asked())

    def _choose_buttons(self) -> None:
        chosen = self.selected()
        for button in (self.edit_button, self.copy_button, self.block_button, self.remove_button):
            button.setEnabled(chosen is not None)
        blocked = chosen is not None and chosen.blocked
        self.block_button.setText(self.tr("Un&block") if blocked else self.tr("&Block"))
        self.block_button.setAccessibleName("Unblock" if blocked else "Block")

    def _select(self, peer_id: PeerId) -> None:
        for number, row in enumerate(self.model.rows()):
            if row.peer_id == peer_id:
                self.table.selectRow(self.proxy.mapFromSource(self.model.index(number, NAME)).row())

    def _filter(self, text: str) -> None:
        self.proxy.set_text(text)
        self.table.set_placeholder(NO_MATCH if text.strip() else NOBODY)
        self._choose_buttons()

    def _move_on(self) -> None:
        if self.isVisible():
            self.model.tick()
            self.pending.tick()

    # -- what the user does ----------------------------------------------------------------------------------------

    def add(self) -> None:
        """Ask for a peer's ID, its name and its services."""
        self._open(PersonDialog(self._services, parent=self))

    def edit(self) -> None:
        """Edit the selected peer."""
        chosen = self.selected()
        if chosen is not None:
            self._open(PersonDialog(self._services, chosen, parent=self))

    def name_it(self, peer_id: PeerId) -> None:
        """Offer to name a peer that was accepted, unless it has a name."""
        if called(peer_id, self._known) == peer_id.short:
            services = frozenset(row.service for row in self.pending.rows() if row.peer_id == peer_id)
            services |= next((peer.services for peer in self._known if peer.peer_id == peer_id), frozenset())
            self._open(PersonDialog(self._services, KnownPeer(peer_id, "", 0.0, None, services), parent=self))

    def copy_id(self) -> None:
        """Put the selected peer's ID on the clipboard."""
        chosen = self.selected()
        if chosen is not None:
            QGuiApplication.clipboard().setText(str(chosen.peer_id))

    def block(self) -> None:
        """Block the selected peer; or, blocked, let it ask again, with nothing it may call."""
        chosen = self.selected()
        if chosen is None:
            return
        if chosen.blocked:
            self._bridge.trust(chosen.peer_id, chosen.name, frozenset())
        else:
            self._bridge.block(chosen.peer_id)

    def remove(self) -> None:
        """Ask, and know the selected peer no more."""
        chosen = self.selected()
        if chosen is None:
            return
        name = called(chosen.peer_id, self._known)
        box = QMessageBox(
            QMessageBox.Icon.NoIcon,
            self.tr("Remove a peer"),
            self.tr("Know {name} no more? What it calls now is cancelled; it may ask again.").format(name=name),
            QMessageBox.StandardButton.Cancel,
            self,
        )
        box.setObjectName("remove")
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        yes = box.addButton(self.tr("Remove"), QMessageBox.ButtonRole.AcceptRole)
        yes.clicked.connect(lambda: self._bridge.untrust(chosen.peer_id))
        box.open()

    def _open(self, dialog: PersonDialog) -> None:
        dialog.chosen.connect(self._bridge.trust)
        dialog.open()

    # -- looks -----------------------------------------------------------------------------------------------------

    def _dress(self, index: Index) -> tuple[QIcon | None, str]:
        return self._dresses.get(index.data(STATE_ROLE), (None, ""))

    def _retheme(self, theme: Theme) -> None:
        colours = {TRUSTED: theme.good, KNOWN: theme.muted, BLOCKED: theme.bad}
        self._dresses = {state: (icon(f"person-{state.lower()}", colour), colour) for state, colour in colours.items()}
        self.table.viewport().update()


def _heading(words: str) -> QLabel:
    label = QLabel(words)
    label.setObjectName("heading")
    return label


def _button(words: str, hint: str, act: object) -> QPushButton:
    button = QPushButton(words)
    button.setToolTip(hint)
    button.setAccessibleName(words.replace("&", "").replace("...", ""))
    button.clicked.connect(act)
    return button

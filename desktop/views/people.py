"""The page of people: the requests that wait for an answer, the known peers, and what each may call."""

from collections.abc import Callable

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QAction, QGuiApplication, QIcon
from PySide6.QtWidgets import QVBoxLayout, QWidget

from core.news.events import PeerSnapshot
from core.peer_id import PeerId
from core.trust.entries import KnownPeer, Pending
from desktop.icons import icon
from desktop.models.lookalike import warning
from desktop.models.people import (
    BLOCKED,
    KNOWN,
    TRUSTED,
    KnownColumn,
    KnownModel,
    PendingModel,
    PeopleFilter,
    called,
    names,
)
from desktop.models.table import ROW_ROLE, STATE_ROLE
from desktop.models.words import count
from desktop.theme import Theme, ThemeSource
from desktop.views.answers import Answers
from desktop.views.contract import BridgeLike
from desktop.views.fields import Lines, filter_line
from desktop.views.flow import FlowRow
from desktop.views.inviting import Inviting
from desktop.views.pages import PageView
from desktop.views.parts import IdLine, PlainLabel, button, heading
from desktop.views.person_dialog import PersonDialog
from desktop.views.sheets import Question
from desktop.views.table import ICON_ROOM, CellDelegate, Index, RowTable

PENDING_SAMPLES = ("Anna's greenhouse", "temperature", "203.0.113.200:65535", "59 min ago", "9,999")
KNOWN_SAMPLES = (
    "Anna's greenhouse", "ABCDEFG", f"{ICON_ROOM}Trusted", "fibonacci, camera", "59 min ago", "2026-11-27", "family",
)  # fmt: skip
PENDING_LINES = 2  # of the table of those who wait, whatever waits: what is below never moves. More scroll
TICK_MS = 5000  # milliseconds; "3 min ago" moves on
REST_MS = 500  # milliseconds that the answers rest when another request is selected by itself
NOBODY = "You know nobody yet. Add a peer by its ID; or share a service: peers that ask for it appear here."
NOBODY_WAITS = "Nobody waits for your answer."
NO_MATCH = "Nobody fits the filter."


class PeopleView(PageView):
    """Pending requests above, known peers below.

    Signals:
        call_wanted(str): send a request to this peer; the target as a person writes it, PEER-ID/service.
    """

    call_wanted = Signal(str)

    def __init__(self, bridge: BridgeLike, theme: ThemeSource, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._bridge, self._theme = bridge, theme
        self._services: list[str] = []
        self._known: tuple[KnownPeer, ...] = ()
        self._groups: list[str] = []
        self._names: dict[PeerId, str] = {}
        self.pending = PendingModel(self, name_of=lambda peer_id: self._names.get(peer_id) or peer_id.short)
        self.waiting = RowTable(self.tr("Requests that wait for your answer"))
        self.waiting.setModel(self.pending)
        self.waiting.set_samples(PENDING_SAMPLES, fit_all=True)
        self.waiting.set_placeholder(self.tr(NOBODY_WAITS))
        self.waiting_id = IdLine(self.tr("Peer ID of the request"))
        self.careful = Lines(1)
        self.careful.setProperty("problem", True)
        self.waiting_id.setPlaceholderText(self.tr("Peer ID of the selected request"))
        self.answers = Answers(bridge)
        self.answers.always_wanted.connect(self.accept_always)
        self.model = KnownModel(self)
        self.proxy = PeopleFilter(self.model, self)
        self.table = RowTable(self.tr("Known peers"))
        self.chosen_id = IdLine(self.tr("Peer ID of the selected peer"))
        self.chosen_id.setPlaceholderText(self.tr("Peer ID of the selected peer"))
        self.filter = filter_line(self.tr("Filter"), self.tr("Filter known peers"), narrowest=110, widest=240)
        self._make_buttons()
        self._lay_out()
        self._set_up_tables()
        self._make_menus()
        self._tick = QTimer(self)
        self._tick.setInterval(TICK_MS)
        self._tick.timeout.connect(self._move_on)
        self._tick.start()
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(REST_MS)
        self._rest.timeout.connect(lambda: self.answers.setEnabled(True))
        theme.changed.connect(self._retheme)
        theme.laid.connect(self.waiting.measure)
        self._retheme(theme.theme)
        self._show_pending(())
        self._choose_buttons()

    # -- what it is made of ----------------------------------------------------------------------------------------

    def _make_buttons(self) -> None:
        self.inviting = Inviting(self, self._bridge, self._theme, lambda: self._services)
        self.add_button = button(self.tr("A&dd..."), self.tr("Add a peer by its ID"), self.add)
        self.edit_button = button(self.tr("&Edit..."), self.tr("Name this peer, and say what it may call"), self.edit)
        self.copy_button = button(self.tr("&Copy ID"), self.tr("Copy the whole Peer ID"), self.copy_id)
        self.call_button = button(self.tr("Ca&ll..."), self.tr("Send a request to this peer"), self.call)
        hint = self.tr("Block this peer: it may call nothing and cannot ask")
        self.block_button = button(self.tr("&Block"), hint, self.block)
        hint = self.tr("Remove this peer from the list; it may ask again")
        self.remove_button = button(self.tr("&Remove..."), hint, self.remove)

    def _lay_out(self) -> None:
        top = FlowRow()
        top.addWidget(heading(self.tr("Waiting for &your answer"), self.waiting))
        top.addStretch()
        top.addWidget(self.answers)
        self._counts = PlainLabel(name="muted")
        self.filter.textChanged.connect(self._filter)
        row = FlowRow()
        row.addWidget(heading(self.tr("&Known peers"), self.table))
        row.addWidget(self._counts)
        row.addStretch()
        for each in (self.filter, *self.inviting.buttons(), self.add_button):
            row.addWidget(each)
        together = QWidget()
        acts = FlowRow(together)
        for each in (self.edit_button, self.call_button, self.copy_button, self.block_button, self.remove_button):
            acts.addWidget(each)
        chosen = FlowRow()  # what is done with a peer stands beside its ID, or all of it below
        chosen.addWidget(self.chosen_id)
        chosen.addStretch()
        chosen.addWidget(together)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(5)
        column.addLayout(top)
        column.addWidget(self.waiting)
        column.addWidget(self.waiting_id)
        column.addWidget(self.careful)
        column.addLayout(row)
        column.addWidget(self.table, 1)
        column.addLayout(chosen)

    def _set_up_tables(self) -> None:
        self.waiting.selectionModel().selectionChanged.connect(lambda *_: self._choose_answers())
        self.table.setModel(self.proxy)
        self.table.setSortingEnabled(True)
        self.table.sortByColumn(KnownColumn.NAME, Qt.SortOrder.AscendingOrder)
        self.table.setItemDelegateForColumn(KnownColumn.STATE, CellDelegate(self._dress, self.table))
        self.table.set_samples(KNOWN_SAMPLES, fit_all=True)
        self.table.set_placeholder(self.tr(NOBODY))
        self.waiting.keep_lines(PENDING_LINES)
        self.table.doubleClicked.connect(lambda _index: self.edit())
        self.table.selectionModel().selectionChanged.connect(lambda *_: self._choose_buttons())
        self.model.modelReset.connect(self._choose_buttons)

    def _make_menus(self) -> None:
        """Offer the same acts by the context menu; accepting is done beside the whole ID only."""
        act = self._action
        self._known_acts = [
            act(self.tr("&Edit..."), self.edit),
            act(self.tr("Ca&ll..."), self.call),
            act(self.tr("&Copy ID"), self.copy_id),
            act(self.tr("Copy &name"), self.copy_name),
            act(self.tr("&Block"), self.block),
            act(self.tr("&Remove..."), self.remove),
        ]
        edit, call, copy, copy_name, block, remove = self._known_acts
        self._block_action, self._copy_name_action = block, copy_name
        self.table.set_menu((edit, call, None, copy, copy_name, None, block, remove))
        copy_asked = act(self.tr("&Copy ID"), lambda: _copy(str(asked.peer_id) if (asked := self._asked()) else ""))
        copy_asker = act(self.tr("Copy &name"), lambda: _copy(self._name_of_asked()))
        call_back = act(self.tr("Ca&ll..."), lambda: self._call(asked.peer_id) if (asked := self._asked()) else None)
        refuse = act(self.tr("Re&fuse"), self.answers.refuse.click)
        block_asked = act(self.tr("&Block"), self.answers.block.click)
        self.waiting.set_menu((copy_asked, copy_asker, call_back, None, refuse, block_asked))

    def _action(self, words: str, act: Callable[[], object]) -> QAction:
        action = QAction(words, self)
        action.triggered.connect(lambda _checked=False: act())
        return action

    # -- what is shown ---------------------------------------------------------------------------------------------

    def show_snapshot(self, snapshot: PeerSnapshot) -> None:
        """Show the requests that wait and the known peers; a selection stays where it was."""
        self._services = [service.name for service in snapshot.services] + [share.name for share in snapshot.shares]
        self._groups = [group.name for group in snapshot.groups]
        if snapshot.known_peers != self._known:
            self._known = snapshot.known_peers
            self._names = names(snapshot.known_peers)
            self.pending.tick()
        self.inviting.show_snapshot(snapshot)
        self._show_pending(tuple(reversed(snapshot.pending)))  # the newest on top
        if list(snapshot.known_peers) != self.model.rows():
            chosen = self.selected()
            self.model.replace(snapshot.known_peers)
            if chosen is not None:
                self._select(chosen.peer_id)
            self._choose_buttons()
        words = count(len(snapshot.known_peers), "peer") if snapshot.known_peers else ""
        self._counts.setText(words)

    def focus_start(self) -> None:
        """Put the keyboard on a table: nothing there is done by Space or Enter."""
        table = self.waiting if self.pending.rowCount() else self.table
        table.setFocus(Qt.FocusReason.OtherFocusReason)

    def focus_filter(self) -> None:
        """Put the keyboard into the filter."""
        self.filter.setFocus(Qt.FocusReason.ShortcutFocusReason)

    def tables(self) -> tuple[RowTable, ...]:
        """Return the table of known peers."""
        return (self.table,)

    def reveal_pending(self) -> None:
        """Put the keyboard on the requests that wait."""
        if self.pending.rowCount() and not self.waiting.selected_rows():
            self.waiting.selectRow(0)
        self.focus_start()

    def selected(self) -> KnownPeer | None:
        """Return the known peer that is selected, if it is one."""
        rows = self.table.selected_rows()
        found = self.proxy.index(rows[0], KnownColumn.NAME).data(ROW_ROLE) if len(rows) == 1 else None
        return found if isinstance(found, KnownPeer) else None

    def _show_pending(self, pending: tuple[Pending, ...]) -> None:
        at = self._asked()
        if list(pending) != self.pending.rows():
            self.pending.replace(pending)
            for number, row in enumerate(pending):
                if at is not None and row.key == at.key:
                    self.waiting.selectRow(number)
        if pending and not self.waiting.selected_rows():
            self.waiting.selectRow(0)
        now = self._asked()
        if at is not None and now is not None and now.key != at.key:
            self._let_rest()
        self._choose_answers()

    def _let_rest(self) -> None:
        """Keep a click that was meant for a request that has gone from answering the next one."""
        focus = self.window().focusWidget()
        if focus is not None and self.answers.isAncestorOf(focus):
            self.focus_start()
        self.answers.setEnabled(False)
        self._rest.start()

    def _asked(self) -> Pending | None:
        rows = self.waiting.selected_rows()
        return self.pending.row_at(rows[0]) if rows and rows[0] < self.pending.rowCount() else None

    def _name_of_asked(self) -> str:
        asked = self._asked()
        return self._names.get(asked.peer_id, "") if asked is not None else ""

    def _choose_answers(self) -> None:
        asked = self._asked()
        self.answers.show_request(asked)
        self.waiting_id.show_id(str(asked.peer_id) if asked is not None else "")
        careful = warning(asked.peer_id, self._known) if asked is not None else ""
        self.careful.setText(careful)

    def _choose_buttons(self) -> None:
        chosen = self.selected()
        for each in (self.edit_button, self.call_button, self.copy_button, self.block_button, self.remove_button):
            each.setEnabled(chosen is not None)
        for action in self._known_acts:
            action.setEnabled(chosen is not None)
        blocked = chosen is not None and chosen.blocked
        words = self.tr("Un&block") if blocked else self.tr("&Block")
        self.block_button.setText(words)
        self.block_button.setAccessibleName(words.replace("&", ""))
        self._block_action.setText(words)
        self._copy_name_action.setEnabled(chosen is not None and bool(chosen.name))
        self.chosen_id.show_id(str(chosen.peer_id) if chosen is not None else "")

    def _select(self, peer_id: PeerId) -> None:
        for number, row in enumerate(self.model.rows()):
            if row.peer_id == peer_id:
                self.table.selectRow(self.proxy.mapFromSource(self.model.index(number, KnownColumn.NAME)).row())

    def _filter(self, text: str) -> None:
        self.proxy.set_text(text)
        self.table.set_placeholder(self.tr(NO_MATCH) if text.strip() else self.tr(NOBODY))
        self._choose_buttons()

    def _move_on(self) -> None:
        if self.isVisible():
            self.model.tick()
            self.pending.tick()

    # -- what the user does ----------------------------------------------------------------------------------------

    def add(self) -> None:
        """Ask for a peer's ID, its name and its services."""
        self._open(self._dialog())

    def edit(self) -> None:
        """Edit the selected peer."""
        chosen = self.selected()
        if chosen is not None:
            self._open(self._dialog(chosen))

    def make_known(self, peer_id: PeerId) -> None:
        """Name a peer, and say what it may call."""
        known = next((peer for peer in self._known if peer.peer_id == peer_id), None)
        self._open(self._dialog(known, peer_id))

    def accept_always(self, asked: Pending) -> None:
        """Let a peer call a service from now on; one without a name is named first, and cancelling that cancels all."""
        known = next((peer for peer in self._known if peer.peer_id == asked.peer_id), None)
        if known is not None and known.name and not known.blocked:
            self._bridge.accept(asked.peer_id, asked.service, once=False)
            return
        services = frozenset({asked.service}) | (known.services if known is not None else frozenset())
        groups = known.groups if known is not None else frozenset()
        dialog = self._dialog(KnownPeer(asked.peer_id, "", 0.0, None, services, groups=groups), accepts=asked.service)
        dialog.chosen.connect(lambda _who, _name, _services: self._accept(asked))
        self._open(dialog)

    def _accept(self, asked: Pending) -> None:
        self._bridge.accept(asked.peer_id, asked.service, once=False)

    def copy_id(self) -> None:
        """Put the selected peer's ID on the clipboard."""
        chosen = self.selected()
        _copy(str(chosen.peer_id) if chosen is not None else "")

    def copy_name(self) -> None:
        """Put the selected peer's name on the clipboard."""
        chosen = self.selected()
        _copy(chosen.name if chosen is not None else "")

    def call(self) -> None:
        """Offer a request to the selected peer."""
        chosen = self.selected()
        if chosen is not None:
            self._call(chosen.peer_id)

    def _call(self, peer_id: PeerId) -> None:
        self.call_wanted.emit(f"{peer_id}/{self._services[0] if self._services else 'fibonacci'}")

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
        """Ask, and remove the selected peer from the list."""
        chosen = self.selected()
        if chosen is None:
            return
        question = self.tr("Remove {name}?").format(name=called(chosen.peer_id, self._known))
        more = self.tr("What it calls now is cancelled, and its name is forgotten. It may ask again.\n{id}")
        asked = Question(
            self, self.tr("Remove a peer"), question, more.format(id=chosen.peer_id), self.tr("Remove"),
            lambda: self._bridge.untrust(chosen.peer_id),
        )  # fmt: skip
        asked.setObjectName("remove")
        asked.open()

    def _dialog(self, known: KnownPeer | None = None, peer_id: PeerId | None = None, accepts: str = "") -> PersonDialog:
        return PersonDialog(
            self._services, known, peer_id=peer_id, known_peers=self._known, groups=self._groups, accepts=accepts,
            parent=self,
        )  # fmt: skip

    def _open(self, dialog: PersonDialog) -> None:
        dialog.chosen.connect(self._bridge.trust)
        dialog.grouped.connect(self._bridge.put_in_groups)
        dialog.open()

    # -- looks -----------------------------------------------------------------------------------------------------

    def _dress(self, index: Index) -> tuple[QIcon | None, str]:
        return self._dresses.get(index.data(STATE_ROLE), (None, ""))

    def _retheme(self, theme: Theme) -> None:
        colours = {TRUSTED: theme.good, KNOWN: theme.muted, BLOCKED: theme.bad}
        self._dresses = {state: (icon(f"person-{state.lower()}", colour), colour) for state, colour in colours.items()}
        self.table.viewport().update()


def _copy(text: str) -> None:
    """Put a text on the clipboard; nothing leaves what is there."""
    if text:
        QGuiApplication.clipboard().setText(text)

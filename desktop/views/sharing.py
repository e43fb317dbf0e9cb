"""The page *Sharing*: what this peer shares, for which audience, its users now; and what begins and ends it."""

from collections.abc import Callable

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAction, QGuiApplication, QIcon
from PySide6.QtWidgets import QVBoxLayout, QWidget

from core.news.events import PeerSnapshot, ShareRow
from core.peer_id import PeerId
from core.trust.entries import Group
from desktop.icons import icon
from desktop.models.people import names
from desktop.models.safe import shown
from desktop.models.shares import NOT_ON, OFF, ON, ShareColumn, ShareModel, other_side, share_words, users_words
from desktop.models.table import STATE_ROLE
from desktop.models.words import count
from desktop.theme import Theme, ThemeSource
from desktop.views.checked_table import CheckedTable
from desktop.views.columns import CurrentOnly
from desktop.views.contract import BridgeLike
from desktop.views.edit_share import EditShareSheet
from desktop.views.fields import Lines
from desktop.views.flow import FlowRow
from desktop.views.pages import PageView
from desktop.views.parts import IdLine, PlainLabel, button, heading
from desktop.views.share_sheet import ShareSheet
from desktop.views.sheets import Question, primary
from desktop.views.table import ICON_ROOM, CellDelegate, Index, RowTable

SAMPLES = (
    f"{ICON_ROOM}MMNot on", "holiday pictures", "Program that answers", "Anyone with a Peer ID",
    "Anna's greenhouse", "999 MB / 999 MB", "9,999, 99 failed",
)  # fmt: skip
STARTING = "Grapevine is starting. What you share appears here in a moment."
NOTHING = "Nothing is shared. Share a web page, a folder, a port or a sensor: only peers that you trust can use it."


class SharingView(PageView):
    """The list of shares.

    Signals:
        demo_wanted(): the user wants the fibonacci demo, which has a switch of its own.
        invite_wanted(str): the user wants to invite a friend to this share, or to none.
    """

    demo_wanted = Signal()
    invite_wanted = Signal(str)

    def __init__(self, bridge: BridgeLike, theme: ThemeSource, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._sharing = bridge.sharing
        self._names: dict[PeerId, str] = {}
        self._ours: PeerId | None = None
        self._groups: tuple[Group, ...] = ()
        self._reserved: tuple[str, ...] = ()  # names of the program's own services
        self._new = ""  # what was shared last, until it is in the list
        self.model = ShareModel(self, name_of=self._called)
        self.model.switched.connect(lambda share, on: self._sharing.switch(share.name, on))
        bridge.failed.connect(lambda _words: self.model.settle())
        self.table = CheckedTable(self.tr("Shares"))
        self.table.setModel(self.model)
        self.table.set_samples(SAMPLES, fit_all=True)
        self.table.setItemDelegateForColumn(ShareColumn.STATE, CellDelegate(self._dress, self.table))
        self.table.selectionModel().selectionChanged.connect(lambda *_: self._choose_buttons())
        self.table.doubleClicked.connect(lambda index: self.edit() if index.column() else None)
        self.words = Lines(2)
        self.words.setObjectName("muted")
        self.line = IdLine(self.tr("What the other side types"))
        self.line.setPlaceholderText(self.tr("What the other side types to use the selected share"))
        self._make_buttons()
        self._make_menu()
        self._stack = CurrentOnly()
        self._stack.addWidget(self._empty())
        self._stack.addWidget(self._full())
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._stack)
        theme.changed.connect(self._retheme)
        self._retheme(theme.theme)
        self._choose_buttons()

    # -- what it is made of --------------------------------------------------------------------------------------------

    def _make_buttons(self) -> None:
        hint = self.tr("Share a web page, a folder, a port, a program or a sensor")
        self.first_button = button(self.tr("Share something..."), hint, self.share)
        primary(self.first_button)
        self.add_button = button(self.tr("Share something..."), hint, self.share)
        hint = self.tr("Make a link that lets a friend use the selected share")
        self.invite_button = button(self.tr("Invite a friend..."), hint, self.invite)
        self.pause_button = button(self.tr("Pause"), self.tr("Let nobody use it until it is on again"), self.switch)
        self.edit_button = button(
            self.tr("Edit..."), self.tr("Change its name, who may use it, and whether it is kept"), self.edit
        )
        hint = self.tr("Copy the line that the other side types")
        self.copy_button = button(self.tr("Copy the line"), hint, self.copy)
        self.stop_button = button(self.tr("Stop..."), self.tr("End it, and take it off the list"), self.stop)
        # the width of both words: nothing beside it moves
        widest = max(self.fontMetrics().horizontalAdvance(self.tr(each)) for each in ("Pause", "Resume"))
        self.pause_button.setMinimumWidth(widest + 34)

    def _empty(self) -> QWidget:
        page = QWidget()
        column = QVBoxLayout(page)
        self.empty_words = PlainLabel(self.tr(STARTING), name="muted", wrap=True)
        self.empty_words.setAlignment(Qt.AlignmentFlag.AlignCenter)
        column.addStretch(2)
        column.addWidget(self.empty_words)
        column.addSpacing(8)
        column.addWidget(self.first_button, 0, Qt.AlignmentFlag.AlignHCenter)
        column.addStretch(3)
        return page

    def _full(self) -> QWidget:
        page = QWidget()
        row = FlowRow()
        self._counts = PlainLabel(name="muted")
        row.addWidget(heading(self.tr("Shares")))
        row.addWidget(self._counts)
        row.addStretch()
        for each in (
            self.add_button,
            self.invite_button,
            self.pause_button,
            self.edit_button,
            self.copy_button,
            self.stop_button,
        ):
            row.addWidget(each)
        column = QVBoxLayout(page)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(5)
        column.addLayout(row)
        column.addWidget(self.table, 1)
        column.addWidget(self.words)
        column.addWidget(self.line)
        return page

    def _make_menu(self) -> None:
        self._pause_action = self._action(self.tr("Pause"), self.switch)
        self._actions = (
            self._pause_action,
            self._action(self.tr("Edit..."), self.edit),
            self._action(self.tr("Copy what the other side types"), self.copy),
            self._action(self.tr("Stop..."), self.stop),
        )
        pause, edit, copy, stop = self._actions
        self.table.set_menu((pause, edit, None, copy, None, stop))

    def _action(self, words: str, act: Callable[[], object]) -> QAction:
        action = QAction(words, self)
        action.triggered.connect(lambda _checked=False: act())
        return action

    # -- what is shown -------------------------------------------------------------------------------------------------

    def show_snapshot(self, snapshot: PeerSnapshot) -> None:
        """Show the shares; a selection stays where it was."""
        self._ours = snapshot.identity.peer_id
        named = names(snapshot.known_peers)
        if named != self._names:
            self._names = named
            self.model.tick()
        self._groups = snapshot.groups
        self._reserved = tuple(service.name for service in snapshot.services)
        chosen = self.selected()
        if list(snapshot.shares) != self.model.rows():
            self.model.replace(snapshot.shares)
            if self._select(self._new):
                self._new = ""
            elif chosen is not None and self.selected() is None:
                self._select(chosen.name)
        self._counts.setText(count(len(snapshot.shares), self.tr("share"), self.tr("shares")))
        # without an address no peer is open yet: what was shared may come back
        self.empty_words.setText(self.tr(NOTHING if snapshot.address is not None else STARTING))
        self._show_page(1 if snapshot.shares else 0)
        self._choose_buttons()

    def _show_page(self, number: int) -> None:
        """Show the list, or the words in its place; the keyboard goes along."""
        if self._stack.currentIndex() != number:
            focus = self.window().focusWidget()
            had_focus = focus is not None and self._stack.isAncestorOf(focus)
            self._stack.setCurrentIndex(number)
            self._stack.updateGeometry()
            if had_focus:
                self.focus_start()

    def focus_start(self) -> None:
        """Put the keyboard on the list, or on the one button there is."""
        target: QWidget = self.table if self._stack.currentIndex() else self.first_button
        target.setFocus(Qt.FocusReason.OtherFocusReason)

    def tables(self) -> tuple[RowTable, ...]:
        """Return the table of shares."""
        return (self.table,)

    def selected(self) -> ShareRow | None:
        """Return the share that is selected."""
        rows = self.table.selected_rows()
        return self.model.row_at(rows[0]) if rows and rows[0] < self.model.rowCount() else None

    def _select(self, name: str) -> bool:
        for number, share in enumerate(self.model.rows()):
            if share.name == name:
                self.table.selectRow(number)
                return True
        return False

    def _select_new(self, name: str) -> None:
        """Select what was just shared, as soon as it is in the list: its line and its buttons are what comes next."""
        self._new = "" if self._select(name) else name
        self.focus_start()

    def _called(self, peer_id: PeerId) -> str:
        return shown(self._names.get(peer_id, "")) or peer_id.short

    def _choose_buttons(self) -> None:
        chosen = self.selected()
        for each in (self.pause_button, self.edit_button, self.copy_button, self.stop_button):
            each.setEnabled(chosen is not None)
        for action in self._actions:
            action.setEnabled(chosen is not None)
        words = self.tr("Resume") if chosen is not None and not chosen.on else self.tr("Pause")
        self.pause_button.setText(words)
        self.pause_button.setAccessibleName(words)
        self._pause_action.setText(words)
        self.line.show_id(other_side(chosen, self._ours) if chosen is not None else "")
        self.copy_button.setEnabled(bool(self.line.text()))
        told = chosen or next((share for share in self.model.rows() if share.problem), None)
        self.words.setText(share_words(told, users_words(told, self._called)) if told is not None else "")

    def invite(self) -> None:
        """Invite a friend to the selected share; with one share there is nothing to select."""
        rows, chosen = self.model.rows(), self.selected()
        only = rows[0] if len(rows) == 1 else None
        found = chosen or only
        self.invite_wanted.emit(found.name if found is not None else "")

    # -- what the user does --------------------------------------------------------------------------------------------

    def share(self) -> None:
        """Ask what to share."""
        taken = {*self._reserved, *(share.name for share in self.model.rows())}
        sheet = ShareSheet(self._sharing, taken, self, groups=[group.name for group in self._groups])
        sheet.demo_wanted.connect(self.demo_wanted)
        sheet.accepted.connect(lambda: self._select_new(sheet.entered().share().name))
        sheet.open()

    def switch(self) -> None:
        """Pause the selected share, or let it go on."""
        chosen = self.selected()
        if chosen is not None:
            self._sharing.switch(chosen.name, not chosen.on)

    def edit(self) -> None:
        """Ask what the selected share is to be called, who may use it, and whether it is kept."""
        chosen = self.selected()
        if chosen is not None:
            taken = {*self._reserved, *(share.name for share in self.model.rows())} - {chosen.name}
            line = other_side(chosen, self._ours)
            sheet = EditShareSheet(self._sharing, chosen, line, self, taken=taken, groups=self._groups)
            sheet.chosen.connect(self._sharing.edit)
            sheet.grouped.connect(self._sharing.open_for)
            sheet.open()

    def copy(self) -> None:
        """Put what the other side types on the clipboard."""
        if self.line.text():
            QGuiApplication.clipboard().setText(self.line.text())

    def stop(self) -> None:
        """Ask, and take the selected share off the list."""
        chosen = self.selected()
        if chosen is None:
            return
        question = self.tr("Stop sharing {name}?").format(name=shown(chosen.name))
        more = self.tr(
            "Who uses it now is cut off, and it is taken off the list. What it shares stays on this computer."
        )
        asked = Question(
            self, self.tr("Stop sharing"), question, more, self.tr("Stop sharing"),
            lambda: self._sharing.remove(chosen.name),
        )  # fmt: skip
        asked.setObjectName("stop-share")
        asked.open()

    # -- looks ---------------------------------------------------------------------------------------------------------

    def _dress(self, index: Index) -> tuple[QIcon | None, str]:
        return self._dresses.get(index.data(STATE_ROLE), (None, ""))

    def _retheme(self, theme: Theme) -> None:
        self._dresses = {
            ON: (icon("check", theme.good), theme.good),
            OFF: (icon("dot", theme.muted), theme.muted),
            NOT_ON: (icon("problem", theme.bad), theme.bad),
        }
        self.table.viewport().update()

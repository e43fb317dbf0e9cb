"""The page *Using*: what a friend offers, and what of it is open here."""

from collections.abc import Callable, Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAction, QGuiApplication, QIcon
from PySide6.QtWidgets import QAbstractItemView, QProgressBar, QVBoxLayout, QWidget

from core.news.events import PeerSnapshot, UseRow
from core.peer_id import PeerId
from core.trust.entries import KnownPeer
from core.using.offers import OfferRow
from desktop.icons import icon
from desktop.models.people import called
from desktop.models.safe import shown
from desktop.models.shares import OPEN, PAGES, PORTS, TROUBLE, OfferModel, UseColumn, UseModel, kind_words
from desktop.models.table import STATE_ROLE
from desktop.models.words import count
from desktop.theme import Theme, ThemeSource
from desktop.views.browse import browse
from desktop.views.checked_table import CheckedTable
from desktop.views.contract import BridgeLike
from desktop.views.fields import Lines
from desktop.views.flow import FlowRow
from desktop.views.friend_box import FriendBox
from desktop.views.pages import PageView
from desktop.views.parts import button, heading
from desktop.views.table import ICON_ROOM, CellDelegate, Index, RowTable
from desktop.views.watch_sheet import WatchSheet

OFFER_SAMPLES = ("holiday pictures", "Program that answers", "values that go on, and more")
USE_SAMPLES = ("MM", "holiday pictures", "Anna's greenhouse", "127.0.0.1:65535", f"{ICON_ROOM}cannot be reached")
LEAST_LINES = 4  # of each table, with its header; more scroll
NOBODY_ASKED = "Pick a friend, and see what they share with you."
NOTHING_OPEN = "Nothing is open here. What you open gets an address on this computer."


class UsingView(PageView):
    """Offers of one friend above, what is open here below.

    Signals:
        call_wanted(str): send a request to this service; the target as a person writes it, PEER-ID/service.
    """

    call_wanted = Signal(str)

    def __init__(self, bridge: BridgeLike, theme: ThemeSource, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._using = bridge.using
        self._known: tuple[KnownPeer, ...] = ()
        self._asking: int | None = None  # tickets of what is under way
        self._opening: int | None = None
        self._asked: PeerId | None = None  # whose offers are shown
        self._opened = ""  # where the newest use is, until its row is there
        self.friend = FriendBox()
        self.friend.entered.connect(self.ask)
        self.offers = OfferModel(self)
        self.offered = RowTable(self.tr("What this friend shares with you"))
        self.offered.setModel(self.offers)
        self.offered.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.offered.set_samples(OFFER_SAMPLES, fit_all=True)
        self.offered.set_placeholder(self.tr(NOBODY_ASKED))
        self.offered.activated.connect(lambda _index: self.open())  # by Enter or a double click
        self.model = UseModel(self._using.is_kept, self, name_of=self._called)
        self.model.switched.connect(self._keep)
        self.table = CheckedTable(self.tr("Open here"))
        self.table.setModel(self.model)
        self.table.set_samples(USE_SAMPLES, fit_all=True)
        self.table.set_placeholder(self.tr(NOTHING_OPEN))
        self.table.setItemDelegateForColumn(UseColumn.STATE, CellDelegate(self._dress, self.table))
        self.table.doubleClicked.connect(lambda index: self.show_page() if index.column() else None)
        self.words = Lines(2)
        self.busy = QProgressBar()
        self._make_buttons()
        self._make_menus()
        self._lay_out()
        for table in (self.offered, self.table):
            table.selectionModel().selectionChanged.connect(lambda *_: self._choose_buttons())
        self._using.offered.connect(self._show_offers)
        self._using.opened.connect(self._show_opened)
        theme.changed.connect(self._retheme)
        self._retheme(theme.theme)
        self._choose_buttons()

    # -- what it is made of --------------------------------------------------------------------------------------------

    def _make_buttons(self) -> None:
        self.ask_button = button(self.tr("See what they share"), self.tr("Ask this friend now"), self.ask)
        hint = self.tr("A page opens in your browser; a port gets an address here; values are drawn as they come")
        self.open_button = button(self.tr("Open"), hint, self.open)
        self.show_button = button(self.tr("Show page"), self.tr("Show it in your browser"), self.show_page)
        hint = self.tr("Copy where programs of this computer find it")
        self.copy_button = button(self.tr("Copy address"), hint, self.copy_address)
        hint = self.tr("Copy the line for a terminal, for a port that is SSH")
        self.ssh_button = button(self.tr("Copy ssh line"), hint, self.copy_ssh)
        hint = self.tr("Show the folder in your browser, which saves files from there")
        self.save_button = button(self.tr("Save file..."), hint, self.show_page)
        self.close_button = button(
            self.tr("Close"), self.tr("Close it here; your friend still shares it"), self.close_it
        )
        self.busy.setObjectName("waiting")
        self.busy.setRange(0, 0)
        self.busy.setTextVisible(False)
        self.busy.setAccessibleName(self.tr("Waiting for the friend's answer"))
        policy = self.busy.sizePolicy()
        policy.setRetainSizeWhenHidden(True)  # nothing moves when it comes and goes
        self.busy.setSizePolicy(policy)
        self.busy.hide()

    def _lay_out(self) -> None:
        top = FlowRow()
        top.addWidget(heading(self.tr("Friend")))
        top.addWidget(self.friend)
        top.addWidget(self.ask_button)
        top.addStretch()
        top.addWidget(self.open_button)
        below = FlowRow()
        below.addWidget(heading(self.tr("Open here")))
        below.addStretch()
        for each in (self.show_button, self.copy_button, self.ssh_button, self.save_button, self.close_button):
            below.addWidget(each)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(5)
        column.addLayout(top)
        column.addWidget(self.busy)
        column.addWidget(self.offered, 1)
        column.addWidget(self.words)
        column.addLayout(below)
        column.addWidget(self.table, 1)
        for table in (self.offered, self.table):
            table.setMinimumHeight(LEAST_LINES * table.verticalHeader().defaultSectionSize())

    def _make_menus(self) -> None:
        self._offer_actions = (self._action(self.tr("Open"), self.open),)
        self.offered.set_menu(self._offer_actions)
        self._show_action = self._action(self.tr("Show page"), self.show_page)
        self._copy_action = self._action(self.tr("Copy address"), self.copy_address)
        self._ssh_action = self._action(self.tr("Copy ssh line"), self.copy_ssh)
        self._close_action = self._action(self.tr("Close"), self.close_it)
        self.table.set_menu((self._show_action, self._copy_action, self._ssh_action, None, self._close_action))

    def _action(self, words: str, act: Callable[[], object]) -> QAction:
        action = QAction(words, self)
        action.triggered.connect(lambda _checked=False: act())
        return action

    # -- what is shown -------------------------------------------------------------------------------------------------

    def show_snapshot(self, snapshot: PeerSnapshot) -> None:
        """Show what is open here; a selection stays where it was."""
        if snapshot.known_peers != self._known:
            self._known = snapshot.known_peers
            self.friend.show_people(snapshot.known_peers)
            self.model.tick()
        chosen = self._use()
        if list(snapshot.uses) != self.model.rows():
            self.model.replace(snapshot.uses)
            if self._select(self._opened):
                self._opened = ""
            elif chosen is not None:
                self._select(chosen.where)
        self._choose_buttons()

    def focus_start(self) -> None:
        """Put the keyboard on the field for the friend."""
        self.friend.setFocus(Qt.FocusReason.OtherFocusReason)

    def tables(self) -> tuple[RowTable, ...]:
        """Return both tables."""
        return self.offered, self.table

    def _offer(self) -> OfferRow | None:
        rows = self.offered.selected_rows()
        return self.offers.row_at(rows[0]) if rows and rows[0] < self.offers.rowCount() else None

    def _use(self) -> UseRow | None:
        rows = self.table.selected_rows()
        return self.model.row_at(rows[0]) if rows and rows[0] < self.model.rowCount() else None

    def _called(self, peer_id: PeerId) -> str:
        return called(peer_id, self._known)

    def _choose_buttons(self) -> None:
        use, offer = self._use(), self._offer()
        page = use is not None and use.kind in PAGES
        self.open_button.setEnabled(offer is not None and self._opening is None)
        for action in self._offer_actions:
            action.setEnabled(offer is not None and self._opening is None)
        for each, on in (
            (self.show_button, page),
            (self._show_action, page),
            (self.copy_button, use is not None),
            (self._copy_action, use is not None),
            (self.ssh_button, use is not None and use.kind == "tcp"),
            (self._ssh_action, use is not None and use.kind == "tcp"),
            (self.save_button, use is not None and use.kind == "folder"),
            (self.close_button, use is not None),
            (self._close_action, use is not None),
        ):
            each.setEnabled(on)

    def _say(self, words: str, *, problem: bool = False) -> None:
        self.words.setText(words)
        if self.words.property("problem") != problem:
            self.words.setProperty("problem", problem)
            self.words.style().unpolish(self.words)
            self.words.style().polish(self.words)

    # -- what the user does --------------------------------------------------------------------------------------------

    def ask_friend(self, peer_id: PeerId) -> None:
        """Ask this friend, who may be new, what they share with us."""
        self.friend.choose(peer_id)
        self.ask_button.setFocus(Qt.FocusReason.OtherFocusReason)
        self.ask()

    def ask(self) -> None:
        """Ask the friend what they share with us."""
        peer_id = self.friend.friend()
        if peer_id is None:
            self._say(self.friend.problem(), problem=True)
            return
        if self._asking is not None:
            self._using.cancel(self._asking)
        self._asked = peer_id
        self.offers.replace(())
        self.offered.set_placeholder("")
        self._say(self.tr("Looking for {peer}, and asking what they share.").format(peer=self._called(peer_id)))
        self.busy.show()
        self._asking = self._using.ask(peer_id)

    def _show_offers(self, ticket: int, offers: Sequence[OfferRow], words: str) -> None:
        if ticket != self._asking or self._asked is None:
            return
        self._asking = None
        self.busy.hide()
        who = self._called(self._asked)
        if words:
            self.offered.set_placeholder(self.tr("{peer} did not answer.").format(peer=who))
            self._say(words, problem=True)
            return
        self.offers.replace(offers)
        nothing = self.tr("{peer} shares nothing with you now. They may have to add you to those that they trust.")
        self.offered.set_placeholder(nothing.format(peer=who))
        services = count(len(offers), self.tr("service"), self.tr("services"))
        told = self.tr("{peer} shares {services} with you.").format(peer=who, services=services)
        self._say(told if offers else "")
        if offers:
            self.offered.selectRow(0)
            if self.ask_button.hasFocus() or self.friend.hasFocus():  # the user has done nothing else meanwhile
                self.offered.setFocus(Qt.FocusReason.OtherFocusReason)

    def open(self) -> None:
        """Open the selected offer in the way of its kind."""
        offer, peer_id = self._offer(), self._asked
        if offer is None or peer_id is None or self._opening is not None:
            return
        if offer.kind in PAGES | PORTS:
            self._say(self.tr("Opening {service}.").format(service=shown(offer.name)))
            self._opening = self._using.open(peer_id, offer.name, offer.kind)
            self._choose_buttons()
        elif offer.kind == "values":
            WatchSheet(self._using, peer_id, self._called(peer_id), offer.name, self).show()
        elif offer.kind in ("json", "python", "fibonacci"):
            self.call_wanted.emit(f"{peer_id}/{offer.name}")
        else:
            words = self.tr("This version of Grapevine does not know how to use \u201c{kind}\u201d.")
            self._say(words.format(kind=kind_words(offer.kind)), problem=True)

    def _show_opened(self, ticket: int, where: str, words: str) -> None:
        if ticket != self._opening:
            return
        self._opening = None
        self._opened = "" if self._select(where) else where  # its buttons are what comes next
        self._choose_buttons()
        if words:
            self._say(words, problem=True)
        elif not where.startswith("http"):
            self._say(self.tr("It is open at {where}. Programs of this computer find it there.").format(where=where))
        else:
            self._browse(where)

    def _select(self, where: str) -> bool:
        for number, use in enumerate(self.model.rows()):
            if use.where == where:
                self.table.selectRow(number)
                return True
        return False

    def show_page(self) -> None:
        """Show the page that is selected in the browser."""
        use = self._use()
        if use is not None and use.kind in PAGES:
            self._browse(use.where)

    def _browse(self, where: str) -> None:
        if browse(where):
            self._say(self.tr("It is open in your browser, at {where}.").format(where=where))
        else:
            self._say(self.tr("No browser could be started. It is open at {where}.").format(where=where), problem=True)

    def copy_address(self) -> None:
        """Put where it is on the clipboard."""
        use = self._use()
        if use is not None:
            QGuiApplication.clipboard().setText(use.where)

    def copy_ssh(self) -> None:
        """Put the line for a terminal on the clipboard. It has nothing in it that a peer has named."""
        use = self._use()
        if use is not None and use.kind == "tcp":
            host, _, port = use.where.rpartition(":")
            QGuiApplication.clipboard().setText(f"ssh -p {port} {host}")

    def _keep(self, use: UseRow, on: bool) -> None:
        self._using.keep(use, on)
        self.model.settle()  # it is so at once

    def close_it(self) -> None:
        """Close what is selected here."""
        use = self._use()
        if use is not None:
            self._using.close(use.where)

    # -- looks ---------------------------------------------------------------------------------------------------------

    def _dress(self, index: Index) -> tuple[QIcon | None, str]:
        return self._dresses.get(index.data(STATE_ROLE), (None, ""))

    def _retheme(self, theme: Theme) -> None:
        self._dresses = {
            OPEN: (icon("check", theme.good), theme.good),
            TROUBLE: (icon("problem", theme.bad), theme.bad),
        }
        self.table.viewport().update()

"""The discovered consumers and workers: a sortable table that keeps selection and scroll while it lives."""

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QAction, QGuiApplication, QIcon, QKeySequence
from PySide6.QtWidgets import QAbstractItemView, QHBoxLayout, QToolTip, QVBoxLayout, QWidget

from core.news.events import GrapeState, PeerRow, PeerSnapshot, Role
from core.peer_id import PeerId
from core.values import Address
from desktop.icons import icon
from desktop.models.peers import Ourselves, PeerColumn, PeersModel, sorted_peers
from desktop.models.peers import Path as PeerPath
from desktop.models.people import names
from desktop.models.table import ROW_ROLE, STATE_ROLE
from desktop.models.words import count
from desktop.theme import Theme, ThemeSource
from desktop.views.parts import PlainLabel, heading
from desktop.views.table import ICON_ROOM, CellDelegate, Index, RowTable

# the widest usual text of each column
SAMPLES = (
    *("203.0.113.200:65535", "AAAAAAAA", "Consumer", f"{ICON_ROOM}port opened", "59 min ago"),
    *("888 ms", "9 h 59 min", "9,999", "9,999"),
)
REFRESH_MS = 350  # milliseconds between two changes that only count on: a paint of the table takes 5 of the window's
TICK_MS = 1000  # milliseconds; "3 s ago" moves on once a second


def placeholder(snapshot: PeerSnapshot | None) -> str:
    """Return what to say, and what to do, while no peer is known."""
    if snapshot is None or snapshot.grape.state is GrapeState.STARTING:
        return "No peers yet: the grape is still starting."
    if snapshot.grape.state is GrapeState.NO_NETWORK:
        return "No peers yet: this computer has no network. They appear by themselves when it has one."
    if snapshot.grape.state is GrapeState.UNREACHABLE:
        return "No peers yet: the grape is unreachable. They appear by themselves when it is back."
    shares = any(service.sharing for service in snapshot.services)
    consumes = any(service.consuming for service in snapshot.services)
    if shares and consumes:
        return "No peers yet. You share and consume: anybody who does the other appears here within seconds."
    if shares:
        return "No consumers yet. Turn on Consume in a Grapevine on another computer, or here to try it."
    if consumes:
        return "No workers yet. Turn on Share in a Grapevine on another computer, or here to try it."
    return "No peers yet. Share a service to be found by consumers, or consume one to find its workers."


class PeersView(QWidget):
    """Title, counts and table.

    Signals:
        request_wanted(Address): send a request to this peer.
        path_wanted(Address): show how we are connected to this peer.
    """

    request_wanted = Signal(object)
    path_wanted = Signal(object)

    def __init__(self, theme: ThemeSource, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._names: dict[PeerId, str] = {}  # of those the owner has named
        self.model = PeersModel(self, name_of=lambda peer_id: self._names.get(peer_id) or peer_id.short)
        self.proxy = sorted_peers(self.model, self)
        title = heading(self.tr("Consu&mers and workers"))
        self._counts = PlainLabel(name="muted")
        self.table = RowTable(self.tr("Discovered consumers and workers"))
        title.setBuddy(self.table)
        self._set_up_table()
        top = QHBoxLayout()
        top.addWidget(title)
        top.addStretch()
        top.addWidget(self._counts)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(5)
        column.addLayout(top)
        column.addWidget(self.table, 1)
        self._make_actions()
        self._newest: PeerSnapshot | None = None  # shown when `_refresh` fires
        self._refresh = QTimer(self)
        self._refresh.setSingleShot(True)
        self._refresh.setInterval(REFRESH_MS)
        self._refresh.timeout.connect(self._show_newest)
        self._tick = QTimer(self)
        self._tick.setInterval(TICK_MS)
        self._tick.timeout.connect(self.model.tick)
        self._tick.start()
        theme.changed.connect(self._retheme)
        self._retheme(theme.theme)
        self._show(None)

    def _set_up_table(self) -> None:
        table = self.table
        table.setModel(self.proxy)
        table.setSortingEnabled(True)
        table.sortByColumn(PeerColumn.LAST_SEEN, Qt.SortOrder.AscendingOrder)
        table.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        table.setItemDelegateForColumn(PeerColumn.PATH, CellDelegate(self._dress, table))
        table.set_samples(SAMPLES, fit_all=True)
        table.clicked.connect(self._clicked)
        table.doubleClicked.connect(lambda _index: self._request())

    def _make_actions(self) -> None:
        self.copy_action = QAction(self.tr("Copy &address"), self)
        self.copy_action.triggered.connect(self.copy_address)
        self.request_action = QAction(self.tr("Send a &request to this peer"), self)
        self.request_action.setShortcuts([QKeySequence(Qt.Key.Key_Return), QKeySequence(Qt.Key.Key_Enter)])
        self.request_action.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
        self.request_action.triggered.connect(self._request)
        self.path_action = QAction(self.tr("&How we are connected"), self)
        self.path_action.triggered.connect(self._show_path)
        self.copy_rows_action = QAction(self.tr("&Copy selected rows"), self)
        self.copy_rows_action.triggered.connect(self.table.copy)
        self.copy_id_action = QAction(self.tr("Copy Peer &ID"), self)
        self.copy_id_action.triggered.connect(self.copy_id)
        self.table.addAction(self.request_action)
        copies = (self.copy_id_action, self.copy_action, self.copy_rows_action)
        self.table.set_menu((self.request_action, self.path_action, None, *copies))
        self.table.selectionModel().selectionChanged.connect(self._update_actions)
        self._update_actions()

    def show_snapshot(self, snapshot: PeerSnapshot | None) -> None:
        """Show the peers of a snapshot: who is there at once, what is counted of them a few times a second."""
        self._newest = snapshot
        if not self._refresh.isActive() or self._others(snapshot):
            self._show_newest()

    def _others(self, snapshot: PeerSnapshot | None) -> bool:
        """Tell whether a snapshot has other peers than those shown, or none for another reason."""
        rows = snapshot.peers if snapshot is not None else ()
        return not rows or {(row.address, row.service) for row in rows} != self._keys

    def _show_newest(self) -> None:
        """Show what was told last; again in REFRESH_MS at the earliest. Nothing new: nothing is done."""
        snapshot, self._newest = self._newest, None
        if snapshot is not None:
            self._show(snapshot)
            self._refresh.start()

    def _show(self, snapshot: PeerSnapshot | None) -> None:
        rows = snapshot.peers if snapshot is not None else ()
        self._names = names(snapshot.known_peers) if snapshot is not None else {}
        ourselves = Ourselves(snapshot)
        self.model.set_ourselves(ourselves)
        self.model.set_paths(snapshot.connections.paths if snapshot is not None else ())
        self._keys = {(row.address, row.service) for row in rows}
        self.model.replace(rows)
        self.table.set_placeholder(placeholder(snapshot))
        others = [row for row in rows if not ourselves.is_row(row)]
        consumers = sum(row.role is Role.CONSUMER for row in others)
        words = f"{count(consumers, 'consumer')}, {count(len(others) - consumers, 'worker')}" if rows else ""
        self._counts.setText(words)

    def reveal(self, address: Address) -> bool:
        """Select this peer's row and scroll to it; return whether there is one."""
        row = self.model.row_of(address)
        if row is None:
            return False
        index = self.proxy.mapFromSource(self.model.index(row, PeerColumn.ADDRESS))
        self.table.selectRow(index.row())
        self.table.scrollTo(index)
        self.table.setFocus(Qt.FocusReason.OtherFocusReason)
        return True

    def counts(self) -> str:
        """Return how many others there are, in words."""
        return self._counts.text()

    def selected(self) -> list[PeerRow]:
        """Return the selected peers from top to bottom."""
        found = (self.proxy.index(row, PeerColumn.ADDRESS).data(ROW_ROLE) for row in self.table.selected_rows())
        return [row for row in found if isinstance(row, PeerRow)]

    def copy_address(self) -> None:
        """Put the addresses of the selected peers on the clipboard, one a line."""
        addresses = dict.fromkeys(str(row.address) for row in self.selected())
        if addresses:
            QGuiApplication.clipboard().setText("\n".join(addresses))

    def copy_id(self) -> None:
        """Put the whole Peer IDs of the selected peers on the clipboard, one a line."""
        ids = dict.fromkeys(str(row.peer_id) for row in self.selected() if row.peer_id is not None)
        if ids:
            QGuiApplication.clipboard().setText("\n".join(ids))

    def _request(self) -> None:
        chosen = self.selected()
        if chosen:
            self.request_wanted.emit(chosen[0].address)

    def _show_path(self) -> None:
        chosen = self.selected()
        if chosen:
            self.path_wanted.emit(chosen[0].address)

    def _clicked(self, index: Index) -> None:
        """Say at once why a way is as it is, where its badge was clicked."""
        if index.column() == PeerColumn.PATH:
            place = self.table.viewport().mapToGlobal(self.table.visualRect(index).bottomLeft())
            QToolTip.showText(place, str(index.data(Qt.ItemDataRole.ToolTipRole) or ""), self.table)

    def _update_actions(self) -> None:
        chosen = len(self.table.selected_rows())
        self.copy_id_action.setEnabled(any(row.peer_id is not None for row in self.selected()))
        self.copy_action.setEnabled(chosen > 0)
        self.path_action.setEnabled(chosen == 1)
        self.copy_rows_action.setEnabled(chosen > 0)
        self.request_action.setEnabled(chosen == 1)

    def _dress(self, index: Index) -> tuple[QIcon | None, str]:
        path = index.data(STATE_ROLE)
        if not isinstance(path, PeerPath):
            return None, ""
        return self._dresses[path]

    def _retheme(self, theme: Theme) -> None:
        colours = {
            PeerPath.OPEN: theme.good,
            PeerPath.PUNCHING: theme.info,
            PeerPath.LISTED: theme.muted,
            PeerPath.GONE: theme.muted,
        }
        self._dresses = {path: (icon(f"path-{path.value.lower()}", colour), colour) for path, colour in colours.items()}
        self.table.viewport().update()

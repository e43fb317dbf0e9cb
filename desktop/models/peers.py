"""Discovered consumers and workers as a table model: rows are told apart by address and service, replaced whole.

A new snapshot becomes the fewest changes: rows that left are removed, rows that changed are announced, new ones are
appended; so a selection and a scroll position stay. Sorting is a proxy's (`sorted_peers`), by SORT_ROLE.
"""

import enum
import time
from collections.abc import Callable, Sequence
from typing import Any

from PySide6.QtCore import (
    QAbstractTableModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QSortFilterProxyModel,
    Qt,
)

from core.events import PeerRow, Role
from core.values import Address
from desktop.models.words import ago, count, span, trip

COLUMNS = ("Address", "Role", "Path", "Last seen", "Round trip", "Since", "Sent", "Received")
ADDRESS, ROLE, PATH, LAST_SEEN, TRIP, SINCE, SENT, RECEIVED = range(8)
HINTS = (
    "The peer's address as seen from here, after its router",
    "A consumer wants the service, a worker shares it",
    "Whether packets of this peer arrive here",
    "When the last packet or listing of this peer came",
    "The last request's round trip",
    "How long this peer has been known",
    "Punches sent to this peer",
    "Punches received from this peer",
)
SORT_ROLE = Qt.ItemDataRole.UserRole
ROW_ROLE = Qt.ItemDataRole.UserRole + 1  # the PeerRow itself
PATH_ROLE = Qt.ItemDataRole.UserRole + 2  # its Path at this moment
KEPT_OPEN = 15.0  # seconds; who was heard so lately is there, though unlisted: core.roster keeps it as long
NO_TRIP = float("inf")  # sorts behind every round trip
Index = QModelIndex | QPersistentModelIndex
Key = tuple[Address, str]


class Path(enum.Enum):
    """How the way to a peer stands. Listed is not reached: only packets that arrive make it open."""

    OPEN = "Open"
    PUNCHING = "Punching"
    LISTED = "Listed"
    GONE = "Gone"


PATH_HINTS = {
    Path.OPEN: "Packets of this peer arrive here",
    Path.PUNCHING: "Punches leave for this peer; none has come back yet",
    Path.LISTED: "The grape lists this peer; nothing was sent to it yet",
    Path.GONE: "No longer listed by the grape, and silent",
}


def path_of(row: PeerRow, now: float) -> Path:
    """Return how the way to a peer stands at `now`, Unix seconds."""
    heard = row.punches_received or row.replies or row.requests_served
    if not row.listed and not (heard and now - row.last_seen < KEPT_OPEN):
        return Path.GONE
    if heard:
        return Path.OPEN
    return Path.PUNCHING if row.punches_sent else Path.LISTED


class PeersModel(QAbstractTableModel):
    """Peers in the order they were found."""

    def __init__(self, parent: QObject | None = None, *, clock: Callable[[], float] = time.time) -> None:
        super().__init__(parent)
        self._clock = clock
        self._now = clock()
        self._rows: list[PeerRow] = []

    def rows(self) -> list[PeerRow]:
        """Return the peers shown."""
        return list(self._rows)

    def row_of(self, address: Address) -> int | None:
        """Return the row of the first peer at this address."""
        return next((at for at, row in enumerate(self._rows) if row.address == address), None)

    def replace(self, rows: Sequence[PeerRow]) -> None:
        """Show these peers instead, with the fewest changes."""
        wanted: dict[Key, PeerRow] = {(row.address, row.service): row for row in rows}
        self._remove_others(wanted)
        changed: list[int] = []
        for at, old in enumerate(self._rows):
            new = wanted.pop((old.address, old.service))
            if new != old:
                self._rows[at] = new
                changed.append(at)
        self._announce(changed)
        if wanted:
            first = len(self._rows)
            self.beginInsertRows(QModelIndex(), first, first + len(wanted) - 1)
            self._rows += wanted.values()
            self.endInsertRows()

    def _announce(self, changed: list[int]) -> None:
        """Say which rows changed, neighbours in one step: each step has a sorted view find their places again."""
        while changed:
            last = first = changed.pop()
            while changed and changed[-1] == first - 1:
                first = changed.pop()
            self.dataChanged.emit(self.index(first, 0), self.index(last, len(COLUMNS) - 1))

    def _remove_others(self, wanted: dict[Key, PeerRow]) -> None:
        gone = [at for at, row in enumerate(self._rows) if (row.address, row.service) not in wanted]
        while gone:  # from the end, neighbours in one step
            last = first = gone.pop()
            while gone and gone[-1] == first - 1:
                first = gone.pop()
            self.beginRemoveRows(QModelIndex(), first, last)
            del self._rows[first : last + 1]
            self.endRemoveRows()

    def tick(self) -> None:
        """Let "3 s ago" move on; call it once a second. Only these cells are repainted, nothing is sorted again."""
        self._now = self._clock()
        if self._rows:
            first, last = self.index(0, PATH), self.index(len(self._rows) - 1, SINCE)
            self.dataChanged.emit(first, last, [Qt.ItemDataRole.DisplayRole])

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - Qt's own default
        """Return the number of peers."""
        return 0 if parent.isValid() else len(self._rows)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        """Return the number of columns."""
        return 0 if parent.isValid() else len(COLUMNS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:  # noqa: ANN401
        """Return a column's name, or what it means."""
        if orientation is not Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return self.tr(COLUMNS[section])
        if role == Qt.ItemDataRole.ToolTipRole:
            return self.tr(HINTS[section])
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(section)
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:  # noqa: ANN401 - Qt's variant
        """Return a cell's text, sort key, sentence for screen readers, or the row."""
        if not index.isValid():
            return None
        row, column = self._rows[index.row()], index.column()
        if role == Qt.ItemDataRole.DisplayRole:
            return self._text(row, column)
        if role == SORT_ROLE:
            return self._sort_key(row, column)
        if role in (ROW_ROLE, PATH_ROLE):
            return row if role == ROW_ROLE else self.path(row)
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(column)
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return self.sentence(row) if column == ADDRESS else f"{COLUMNS[column]}: {self._text(row, column)}"
        if role == Qt.ItemDataRole.ToolTipRole:
            return PATH_HINTS[self.path(row)] if column == PATH else f"{row.address}, found as {row.service}"
        return None

    def _text(self, row: PeerRow, column: int) -> str:
        match column:
            case 0:
                return str(row.address)
            case 1:
                return role_word(row.role)
            case 2:
                return self.path(row).value
            case 3:
                return ago(self._now, row.last_seen)
            case 4:
                return trip(row.rtt)
            case 5:
                return span(self._now - row.since)
            case 6:
                return f"{row.punches_sent:,}"
            case _:
                return f"{row.punches_received:,}"

    def path(self, row: PeerRow) -> Path:
        """Return how the way to a peer stands now."""
        return path_of(row, self._now)

    def _sort_key(self, row: PeerRow, column: int) -> str | float:
        keys: tuple[str | float, ...] = (
            _address_key(row.address),
            row.role.value,
            str(list(Path).index(self.path(row))),
            -row.last_seen,  # shown as a length of time: the shortest first
            NO_TRIP if row.rtt is None else row.rtt,
            -row.since,
            float(row.punches_sent),
            float(row.punches_received),
        )
        return keys[column]

    def sentence(self, row: PeerRow) -> str:
        """Return a peer as a screen reader should say it."""
        text = (
            f"{role_word(row.role)} {row.address}, path {self.path(row).value.lower()}, "
            f"last seen {ago(self._now, row.last_seen)}, {count(row.punches_sent, 'punch', 'punches')} sent, "
            f"{row.punches_received:,} received"
        )
        return text if row.rtt is None else f"{text}, last round trip {trip(row.rtt)}"


def role_word(role: Role) -> str:
    """Return a role as a word for people."""
    return role.value.capitalize()


def sorted_peers(model: PeersModel, parent: QObject | None = None) -> QSortFilterProxyModel:
    """Return a sortable face of the model.

    Never make it the model's child: a model that dies would take it along and be asked for rows by it meanwhile,
    which ends the process (seen with PySide6 6.11.3 when Python's garbage collector ran).
    """
    proxy = QSortFilterProxyModel(parent)
    proxy.setSourceModel(model)
    proxy.setSortRole(SORT_ROLE)
    proxy.setDynamicSortFilter(True)
    return proxy


def _alignment(column: int) -> Qt.AlignmentFlag:
    side = Qt.AlignmentFlag.AlignLeft if column <= PATH else Qt.AlignmentFlag.AlignRight
    return side | Qt.AlignmentFlag.AlignVCenter


def _address_key(address: Address) -> str:
    """Return text that sorts 10.0.0.9 before 10.0.0.10."""
    numbers = ".".join(part.rjust(3, "0") for part in address.host.split("."))
    return f"{numbers}:{address.port:05d}"

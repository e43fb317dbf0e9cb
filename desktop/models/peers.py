"""Discovered consumers and workers as a table model: rows are told apart by address and service, replaced whole.

A new snapshot becomes the fewest changes: rows that left are removed, rows that changed are announced, new ones are
appended; so a selection and a scroll position stay. Many changes are made a few per turn of Qt's loop, because a sorted
view looks for the place of each. Sorting is a proxy's (`sorted_peers`), by SORT_ROLE.
"""

import enum
import functools
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from PySide6.QtCore import (
    QAbstractTableModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QSortFilterProxyModel,
    Qt,
    QTimer,
)

from core.news.events import PeerRow, Role
from core.peer_id import PeerId
from core.values import Address
from desktop.models.words import PLAIN, PLAIN_HINT, ago, count, span, trip

COLUMNS = ("Address", "Who", "Role", "Path", "Last seen", "Round trip", "Since", "Sent", "Received")
ADDRESS, WHO, ROLE, PATH, LAST_SEEN, TRIP, SINCE, SENT, RECEIVED = range(9)
HINTS = (
    "The peer's address as seen from here, after its router",
    "Who that is, as its last encrypted request or answer proved",
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
KEPT_OPEN = 15.0  # seconds; who was heard so lately is there, though unlisted: core.news.roster keeps it as long
ROWS_A_STEP = 32  # rows changed in one turn of Qt's loop; each costs a sorted view 20 to 50 us among 1,000 rows
NOBODY_YET = "\N{EN DASH}"
NO_TRIP = float("inf")  # sorts behind every round trip
_ROLES = frozenset(
    {
        *(Qt.ItemDataRole.DisplayRole, SORT_ROLE, ROW_ROLE, PATH_ROLE),
        *(Qt.ItemDataRole.TextAlignmentRole, Qt.ItemDataRole.AccessibleTextRole, Qt.ItemDataRole.ToolTipRole),
    }
)
_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter  # joined once: flags take 5 us to join
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
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
    """Peers in the order they were found; `name_of` gives what a person calls a peer."""

    def __init__(
        self,
        parent: QObject | None = None,
        *,
        name_of: Callable[[PeerId], str] = lambda peer_id: peer_id.short,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(parent)
        self._name_of = name_of
        self._clock = clock
        self._now = clock()
        self._rows: list[PeerRow] = []
        self._steps: Iterator[int] | None = None  # what is left to do for the rows shown last
        self._newer: Sequence[PeerRow] | None = None  # came meanwhile; only the newest is kept
        self._turn = QTimer(self)  # fires in every turn of Qt's loop while there is something left
        self._turn.timeout.connect(self._step)

    def rows(self) -> list[PeerRow]:
        """Return the peers shown."""
        return list(self._rows)

    def row_of(self, address: Address) -> int | None:
        """Return the row of the first peer at this address."""
        return next((at for at, row in enumerate(self._rows) if row.address == address), None)

    def replace(self, rows: Sequence[PeerRow]) -> None:
        """Show these peers instead, with the fewest changes: the first ROWS_A_STEP now, more in Qt's next turns.

        Rows that come before all is done wait for that: else those at the end would never have their turn.
        """
        if self._steps is not None:
            self._newer = rows
            return
        self._steps = self._changes(rows)
        self._step()

    def _step(self) -> None:
        done = 0
        while self._steps is not None and done < ROWS_A_STEP:
            rows = next(self._steps, None)
            if rows is not None:
                done += rows
                continue
            newer, self._newer = self._newer, None
            self._steps = self._changes(newer) if newer is not None else None
        if self._steps is None:
            self._turn.stop()
        elif not self._turn.isActive():
            self._turn.start(0)

    def _changes(self, rows: Sequence[PeerRow]) -> Iterator[int]:
        """Make the rows those. Yields how many rows a step changed, ROWS_A_STEP at most; the model is whole then."""
        wanted: dict[Key, PeerRow] = {(row.address, row.service): row for row in rows}
        gone = [at for at, row in enumerate(self._rows) if (row.address, row.service) not in wanted]
        for first, last in _neighbours(gone):
            self.beginRemoveRows(QModelIndex(), first, last)
            del self._rows[first : last + 1]
            self.endRemoveRows()
            yield last - first + 1
        fresh = [wanted.pop((old.address, old.service)) for old in self._rows]
        for first, last in _neighbours([at for at, old in enumerate(self._rows) if fresh[at] != old]):
            self._rows[first : last + 1] = fresh[first : last + 1]
            self.dataChanged.emit(self.index(first, 0), self.index(last, len(COLUMNS) - 1))
            yield last - first + 1
        new = list(wanted.values())
        for start in range(0, len(new), ROWS_A_STEP):
            some = new[start : start + ROWS_A_STEP]
            first = len(self._rows)
            self.beginInsertRows(QModelIndex(), first, first + len(some) - 1)
            self._rows += some
            self.endInsertRows()
            yield len(some)

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
        if role not in _ROLES or not index.isValid():
            return None  # most of what a paint asks: fonts, colours, icons, sizes
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
            return self._hint(row, column)
        return None

    def _text(self, row: PeerRow, column: int) -> str:
        match column:
            case 0:
                return _address_text(row.address)
            case 1:
                return self.who(row)
            case 2:
                return role_word(row.role)
            case 3:
                return self.path(row).value
            case 4:
                return ago(self._now, row.last_seen)
            case 5:
                return trip(row.rtt)
            case 6:
                return span(self._now - row.since)
            case 7:
                return f"{row.punches_sent:,}"
            case _:
                return f"{row.punches_received:,}"

    def _hint(self, row: PeerRow, column: int) -> str:
        if column == PATH:
            return PATH_HINTS[self.path(row)]
        if column == WHO and (row.peer_id is not None or self.who(row) == PLAIN):
            return str(row.peer_id) if row.peer_id else PLAIN_HINT
        return f"{row.address}, found as {row.service}"

    def who(self, row: PeerRow) -> str:
        """Return what a person calls this peer: its name, the short form of its ID, or that it is nobody known."""
        if row.peer_id is not None:
            return self._name_of(row.peer_id)
        return PLAIN if row.replies or row.requests_served else NOBODY_YET

    def path(self, row: PeerRow) -> Path:
        """Return how the way to a peer stands now."""
        return path_of(row, self._now)

    def _sort_key(self, row: PeerRow, column: int) -> str | float:
        match column:
            case 0:
                return _address_key(row.address)
            case 1:
                return self.who(row).casefold()
            case 2:
                return row.role.value
            case 3:
                return str(list(Path).index(self.path(row)))
            case 4:
                return -row.last_seen  # shown as a length of time: the shortest first
            case 5:
                return NO_TRIP if row.rtt is None else row.rtt
            case 6:
                return -row.since
            case 7:
                return float(row.punches_sent)
            case _:
                return float(row.punches_received)

    def sentence(self, row: PeerRow) -> str:
        """Return a peer as a screen reader should say it."""
        text = (
            f"{role_word(row.role)} {row.address}, {_said(self.who(row))}path {self.path(row).value.lower()}, "
            f"last seen {ago(self._now, row.last_seen)}, {count(row.punches_sent, 'punch', 'punches')} sent, "
            f"{row.punches_received:,} received"
        )
        return text if row.rtt is None else f"{text}, last round trip {trip(row.rtt)}"


def _said(who: str) -> str:
    return "" if who == NOBODY_YET else f"{who}, "


def _neighbours(rows: list[int]) -> Iterator[tuple[int, int]]:
    """Take rising row numbers from the end; yield the first and the last of each run, of ROWS_A_STEP rows at most.

    In runs, because with each a sorted view begins anew; from the end, because what is removed moves what follows.
    """
    while rows:
        last = first = rows.pop()
        while rows and rows[-1] == first - 1 and last - first + 1 < ROWS_A_STEP:
            first = rows.pop()
        yield first, last


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
    return _LEFT if column <= PATH else _RIGHT


@functools.lru_cache(maxsize=1024)  # as many as are shown: a paint asks for each row's
def _address_text(address: Address) -> str:
    return str(address)


@functools.lru_cache(maxsize=1024)  # a sort asks for each row's, again and again
def _address_key(address: Address) -> str:
    """Return text that sorts 10.0.0.9 before 10.0.0.10."""
    numbers = ".".join(part.rjust(3, "0") for part in address.host.split("."))
    return f"{numbers}:{address.port:05d}"

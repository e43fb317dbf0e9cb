"""Known peers and pending requests as table models: rows are replaced whole, told apart by Peer ID and service."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, Generic, TypeVar

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, QSortFilterProxyModel, Qt

from core.peer_id import PeerId
from core.trust.entries import EVERY, KnownPeer, Pending
from desktop.models.words import ago, count, day

Index = QModelIndex | QPersistentModelIndex
SORT_ROLE: Final = Qt.ItemDataRole.UserRole
ROW_ROLE: Final = Qt.ItemDataRole.UserRole + 1  # the KnownPeer or Pending itself
STATE_ROLE: Final = Qt.ItemDataRole.UserRole + 2  # a known peer's state, one of STATES
TRUSTED, KNOWN, BLOCKED = STATES = ("Trusted", "Known", "Blocked")
NAME, ID, STATE, SERVICES, SEEN, SINCE = range(6)
KNOWN_COLUMNS = ("Name", "Peer ID", "State", "May call", "Last seen", "Known since")
WHO, ASKS_FOR, FROM, WHEN, TIMES = range(5)
PENDING_COLUMNS = ("Who", "Asks for", "From", "Last asked", "Times")
_UNNAMED: Final = "(no name)"
_NEVER: Final = "never"

Row = TypeVar("Row", KnownPeer, Pending)


def state_of(peer: KnownPeer) -> str:
    """Return a known peer's state as one of STATES."""
    if peer.blocked:
        return BLOCKED
    return TRUSTED if peer.services else KNOWN


def services_words(peer: KnownPeer) -> str:
    """Return which services a peer may call."""
    if peer.blocked or not peer.services:
        return "nothing"
    return "every service" if peer.services == EVERY else ", ".join(sorted(peer.services))


def called(peer_id: PeerId, known: Sequence[KnownPeer]) -> str:
    """Return what a person calls a peer: its name, or its short ID."""
    name = next((peer.name for peer in known if peer.peer_id == peer_id), "")
    return name or peer_id.short


class _RowsModel(QAbstractTableModel, Generic[Row]):
    """Rows of one kind. Those that stayed in place are changed, any other difference is a reset."""

    columns: tuple[str, ...] = ()

    def __init__(self, parent: QObject | None = None, *, clock: Callable[[], float] = time.time) -> None:
        super().__init__(parent)
        self._clock = clock
        self._now = clock()
        self._rows: list[Row] = []

    def rows(self) -> list[Row]:
        """Return what is shown."""
        return list(self._rows)

    def row_at(self, number: int) -> Row:
        """Return one row."""
        return self._rows[number]

    def replace(self, rows: Sequence[Row]) -> None:
        """Show these rows instead."""
        self._now = self._clock()
        if [self._key(row) for row in rows] != [self._key(row) for row in self._rows]:
            self.beginResetModel()
            self._rows = list(rows)
            self.endResetModel()
        elif rows:
            self._rows = list(rows)
            self.dataChanged.emit(self.index(0, 0), self.index(len(rows) - 1, len(self.columns) - 1))

    def tick(self) -> None:
        """Let "3 s ago" move on; call it now and then."""
        self._now = self._clock()
        if self._rows:
            last = self.index(len(self._rows) - 1, len(self.columns) - 1)
            self.dataChanged.emit(self.index(0, 0), last, [Qt.ItemDataRole.DisplayRole])

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - Qt's own default
        """Return the number of rows."""
        return 0 if parent.isValid() else len(self._rows)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        """Return the number of columns."""
        return 0 if parent.isValid() else len(self.columns)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:  # noqa: ANN401
        """Return a column's name."""
        if orientation is Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return self.tr(self.columns[section])
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:  # noqa: ANN401 - Qt's variant
        """Return a cell's text, sort key, sentence for screen readers, or the row."""
        if not index.isValid():
            return None
        row, column = self._rows[index.row()], index.column()
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return self._text(row, column)
            case Qt.ItemDataRole.ToolTipRole:
                return self._hint(row)
            case Qt.ItemDataRole.AccessibleTextRole:
                return self.sentence(row) if column == 0 else f"{self.columns[column]}: {self._text(row, column)}"
        if role == SORT_ROLE:
            return self._sort_key(row, column)
        return row if role == ROW_ROLE else self._extra(row, role)

    def sentence(self, row: Row) -> str:
        """Return a row as a screen reader should say it."""
        return ", ".join(f"{title} {self._text(row, at)}" for at, title in enumerate(self.columns))

    def _key(self, row: Row) -> object:
        raise NotImplementedError

    def _text(self, row: Row, column: int) -> str:
        raise NotImplementedError

    def _hint(self, row: Row) -> str:
        return str(row.peer_id)

    def _sort_key(self, row: Row, column: int) -> str | float:
        return self._text(row, column).casefold()

    def _extra(self, row: Row, role: int) -> object:
        return None


class KnownModel(_RowsModel[KnownPeer]):
    """Whom the owner knows."""

    columns = KNOWN_COLUMNS

    def _key(self, row: KnownPeer) -> object:
        return row.peer_id

    def _text(self, row: KnownPeer, column: int) -> str:
        match column:
            case 0:
                return row.name or _UNNAMED
            case 1:
                return row.peer_id.short
            case 2:
                return state_of(row)
            case 3:
                return services_words(row)
            case 4:
                return _NEVER if row.last_seen is None else ago(self._now, row.last_seen)
            case _:
                return day(row.since)

    def _sort_key(self, row: KnownPeer, column: int) -> str | float:
        if column == SEEN:
            return -(row.last_seen or 0.0)
        return -row.since if column == SINCE else super()._sort_key(row, column)

    def _extra(self, row: KnownPeer, role: int) -> object:
        return state_of(row) if role == STATE_ROLE else None


class PendingModel(_RowsModel[Pending]):
    """Who waits for the owner's answer."""

    columns = PENDING_COLUMNS

    def __init__(self, parent: QObject | None = None, *, clock: Callable[[], float] = time.time) -> None:
        super().__init__(parent, clock=clock)
        self.known: Sequence[KnownPeer] = ()

    def _key(self, row: Pending) -> object:
        return row.key

    def _text(self, row: Pending, column: int) -> str:
        match column:
            case 0:
                return called(row.peer_id, self.known)
            case 1:
                return row.service
            case 2:
                return str(row.address)
            case 3:
                return ago(self._now, row.last)
            case _:
                return f"{row.times:,}"

    def _sort_key(self, row: Pending, column: int) -> str | float:
        if column == WHEN:
            return -row.last
        return float(row.times) if column == TIMES else super()._sort_key(row, column)


class PeopleFilter(QSortFilterProxyModel):
    """Sorted known peers, of which those are shown that have all words of the filter in name, ID, state or services."""

    def __init__(self, model: KnownModel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._words: tuple[str, ...] = ()
        self._model = model
        self.setSourceModel(model)
        self.setSortRole(SORT_ROLE)

    def set_text(self, text: str) -> None:
        """Show only who fits."""
        self._words = tuple(text.casefold().split())
        self.invalidate()

    def filterAcceptsRow(self, source_row: int, source_parent: Index) -> bool:
        """Return whether a row fits."""
        if not self._words:
            return True
        row = self._model.row_at(source_row)
        text = " ".join(_searched(row)).casefold()
        return all(word in text for word in self._words)


def _searched(peer: KnownPeer) -> Iterator[str]:
    yield from (peer.name, str(peer.peer_id), state_of(peer), services_words(peer))


def waiting_words(pending: Sequence[Pending], known: Sequence[KnownPeer]) -> str:
    """Return in words who waits, for a line."""
    if not pending:
        return ""
    newest = pending[-1]
    said = f"{called(newest.peer_id, known)} asks for {newest.service}, from {newest.address}."
    others = len(pending) - 1
    return f"{said} {count(others, 'more request')} {'waits' if others == 1 else 'wait'}." if others else said

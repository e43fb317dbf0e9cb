"""Who is registered with us, the broker, as a table model. Rows come and go with every snapshot."""

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt

from core.news.events import BrokerEntry
from core.peer_id import PeerId
from desktop.models.words import PLAIN, PLAIN_HINT, ago, span

Index = QModelIndex | QPersistentModelIndex
COLUMNS = ("Who", "Role", "Service", "Seen address", "Registered", "Last heard")
WHO, ROLE, SERVICE, ADDRESS, SINCE, HEARD = range(6)
ROW_ROLE: Final = Qt.ItemDataRole.UserRole


class BrokerModel(QAbstractTableModel):
    """Entries, oldest first; `name_of` gives what a person calls a peer."""

    def __init__(
        self,
        parent: QObject | None = None,
        *,
        name_of: Callable[[PeerId], str] = lambda peer_id: peer_id.short,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(parent)
        self._rows: list[BrokerEntry] = []
        self._name_of = name_of
        self._clock = clock
        self._now = clock()

    def replace(self, entries: Sequence[BrokerEntry]) -> None:
        """Show these. Those that stay are changed in place, so that a selection and the scroll stay."""
        self._now = self._clock()
        rows = sorted(entries, key=lambda entry: (entry.since, entry.address, entry.service, entry.server))
        if list(map(_key, rows)) == list(map(_key, self._rows)):
            self._rows = rows
            if rows:
                self.dataChanged.emit(self.index(0, 0), self.index(len(rows) - 1, len(COLUMNS) - 1))
            return
        self.beginResetModel()
        self._rows = rows
        self.endResetModel()

    def tick(self) -> None:
        """Let "3 s ago" move on."""
        self._now = self._clock()
        if self._rows:
            self.dataChanged.emit(self.index(0, SINCE), self.index(len(self._rows) - 1, HEARD))

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - Qt's own default
        """Return the number of entries."""
        return 0 if parent.isValid() else len(self._rows)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        """Return the number of columns."""
        return 0 if parent.isValid() else len(COLUMNS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:  # noqa: ANN401
        """Return a column's name."""
        if orientation is Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return self.tr(COLUMNS[section])
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:  # noqa: ANN401 - Qt's variant
        """Return a cell's text, sentence for screen readers, or the entry."""
        if not index.isValid():
            return None
        entry, column = self._rows[index.row()], index.column()
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return self._text(entry, column)
            case Qt.ItemDataRole.ToolTipRole:
                return str(entry.peer_id) if entry.peer_id else PLAIN_HINT
            case Qt.ItemDataRole.AccessibleTextRole:
                if column != WHO:
                    return f"{COLUMNS[column]}: {self._text(entry, column)}"
                return ", ".join(f"{title} {self._text(entry, at)}" for at, title in enumerate(COLUMNS))
        return entry if role == ROW_ROLE else None

    def _text(self, entry: BrokerEntry, column: int) -> str:
        match column:
            case 0:
                return self._name_of(entry.peer_id) if entry.peer_id else PLAIN
            case 1:
                return "Worker" if entry.server else "Consumer"
            case 2:
                return entry.service
            case 3:
                return str(entry.address)
            case 4:
                return span(self._now - entry.since)
            case _:
                return ago(self._now, entry.renewed_at)


def _key(entry: BrokerEntry) -> tuple[object, ...]:
    return entry.service, entry.server, entry.address, entry.peer_id

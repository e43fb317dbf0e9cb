"""The record of who called as a table model: the newest on top, older ones fetched as the table is scrolled."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt, Signal

from core.ledger.record import OK, CallRecord
from desktop.models.words import PLAIN, PLAIN_HINT, moment, size, trip

Index = QModelIndex | QPersistentModelIndex
COLUMNS = ("When", "Who", "Address", "Service", "In", "Out", "Took", "Outcome")
WHEN, WHO, ADDRESS, SERVICE, SENT, RECEIVED, TOOK, OUTCOME = range(8)
ROW_ROLE: Final = Qt.ItemDataRole.UserRole
OK_ROLE: Final = Qt.ItemDataRole.UserRole + 1  # bool: answered with a result
PAGE: Final = 200  # calls asked for at once: three screens, and a millisecond of SQLite
MOST: Final = 5000  # calls held here; who looks for older ones filters, or exports
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


class CallsModel(QAbstractTableModel):
    """Calls, the newest first; `name_of` gives what a person calls a Peer ID's text.

    Signals:
        more_wanted(): the view came to the end of what is here.
    """

    more_wanted = Signal()

    def __init__(self, parent: QObject | None = None, *, name_of: Callable[[str], str] = lambda text: text[:7]) -> None:
        super().__init__(parent)
        self._rows: list[CallRecord] = []
        self._name_of = name_of
        self._whole = True  # there are no older ones

    def oldest(self) -> int | None:
        """Return the number of the oldest call here."""
        return self._rows[-1].number if self._rows else None

    def replace(self, rows: Sequence[CallRecord]) -> None:
        """Show these instead: another filter, or the record was cleared."""
        self.beginResetModel()
        self._rows = list(rows)
        self._whole = len(rows) < PAGE
        self.endResetModel()

    def refresh(self, newest: Sequence[CallRecord]) -> None:
        """Put those on top that are newer than all that is here. Rows below stay, and with them the scroll."""
        top = self._rows[0].number if self._rows else 0
        fresh = [call for call in newest if call.number > top]
        if not self._rows or len(fresh) >= PAGE:  # a gap would be between
            if fresh or not newest:
                self.replace(newest)
            return
        if fresh:
            self.beginInsertRows(QModelIndex(), 0, len(fresh) - 1)
            self._rows[:0] = fresh
            self.endInsertRows()
            self._cut()

    def append(self, older: Sequence[CallRecord]) -> None:
        """Add what `more_wanted` asked for."""
        self._whole = len(older) < PAGE
        if older:
            first = len(self._rows)
            self.beginInsertRows(QModelIndex(), first, first + len(older) - 1)
            self._rows += older
            self.endInsertRows()

    def _cut(self) -> None:
        if len(self._rows) > MOST:
            self.beginRemoveRows(QModelIndex(), MOST, len(self._rows) - 1)
            del self._rows[MOST:]
            self.endRemoveRows()
            self._whole = False

    def canFetchMore(self, parent: Index) -> bool:
        """Return whether older ones may be there."""
        return not parent.isValid() and not self._whole and len(self._rows) < MOST

    def fetchMore(self, parent: Index) -> None:
        """Ask for them; they come later."""
        if self.canFetchMore(parent):
            self._whole = True  # until they came
            self.more_wanted.emit()

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - Qt's own default
        """Return the number of calls here."""
        return 0 if parent.isValid() else len(self._rows)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        """Return the number of columns."""
        return 0 if parent.isValid() else len(COLUMNS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:  # noqa: ANN401
        """Return a column's name."""
        if orientation is Qt.Orientation.Horizontal:
            if role == Qt.ItemDataRole.DisplayRole:
                return self.tr(COLUMNS[section])
            if role == Qt.ItemDataRole.TextAlignmentRole and section in (SENT, RECEIVED, TOOK):
                return _RIGHT
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:  # noqa: ANN401 - Qt's variant
        """Return a cell's text, sentence for screen readers, or the call."""
        if not index.isValid():
            return None
        call, column = self._rows[index.row()], index.column()
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return self._text(call, column)
            case Qt.ItemDataRole.TextAlignmentRole:
                return _RIGHT if column in (SENT, RECEIVED, TOOK) else None
            case Qt.ItemDataRole.ToolTipRole:
                return call.peer_id or PLAIN_HINT
            case Qt.ItemDataRole.AccessibleTextRole:
                return self.sentence(call) if column == WHEN else f"{COLUMNS[column]}: {self._text(call, column)}"
        if role == ROW_ROLE:
            return call
        return call.outcome == OK if role == OK_ROLE else None

    def sentence(self, call: CallRecord) -> str:
        """Return a call as a screen reader should say it."""
        who = self._text(call, WHO)
        return f"{who} at {call.address} called {call.service}: {self._text(call, OUTCOME)}, {moment(call.when)}"

    def _text(self, call: CallRecord, column: int) -> str:
        match column:
            case 0:
                return moment(call.when)
            case 1:
                return self._name_of(call.peer_id) if call.peer_id else PLAIN
            case 2:
                return call.address
            case 3:
                return call.service
            case 4:
                return size(call.request_bytes)
            case 5:
                return size(call.reply_bytes)
            case 6:
                return trip(call.seconds)
            case _:
                return "Answered" if call.outcome == OK else call.outcome

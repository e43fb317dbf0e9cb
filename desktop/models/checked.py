"""Tables whose first column has a box to tick. A tick is shown at once, and taken back when the core says otherwise."""

import time
from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeVar

from PySide6.QtCore import QObject, Qt, Signal

from desktop.models.table import Index, RowsModel, short_name

Row = TypeVar("Row")
BOX = 0  # the column of the box


class CheckedRows(RowsModel[Row]):
    """A subclass says whether a row is `ticked`.

    Signals:
        switched(row, bool): the user ticked a row, or took the tick away.
    """

    switched = Signal(object, bool)

    def __init__(
        self,
        parent: QObject | None = None,
        *,
        name_of: Callable[[Any], str] = short_name,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(parent, name_of=name_of, clock=clock)
        self._wanted: dict[Hashable, bool] = {}  # what was asked for and has not come about, by key

    def ticked(self, row: Row) -> bool:
        """Return what the core says."""
        raise NotImplementedError

    def is_ticked(self, row: Row) -> bool:
        """Return what is shown: what was asked for, as long as that is under way."""
        return self._wanted.get(self.key(row), self.ticked(row))

    def replace(self, rows: Sequence[Row]) -> None:
        """Show these rows; what was asked for and is so now is not waited for any longer."""
        now = {self.key(row): self.ticked(row) for row in rows}
        for key in [key for key, on in self._wanted.items() if now.get(key, on) == on]:
            del self._wanted[key]
        super().replace(rows)

    def settle(self) -> None:
        """Show what is, not what was asked for."""
        if self._wanted:
            self._wanted.clear()
            last = self.index(self.rowCount() - 1, BOX)
            self.dataChanged.emit(self.index(0, BOX), last, [Qt.ItemDataRole.CheckStateRole])

    def toggle(self, number: int) -> None:
        """Turn a row's tick, as its user does."""
        index = self.index(number, BOX)
        state = Qt.CheckState.Unchecked if self.is_ticked(self.row_at(number)) else Qt.CheckState.Checked
        self.setData(index, state, Qt.ItemDataRole.CheckStateRole)

    def flags(self, index: Index) -> Qt.ItemFlag:
        """Let the box be ticked."""
        flags = super().flags(index)
        return flags | Qt.ItemFlag.ItemIsUserCheckable if index.isValid() and index.column() == BOX else flags

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:  # noqa: ANN401 - Qt's variant
        """Return the box's state too."""
        if role == Qt.ItemDataRole.CheckStateRole:
            if not index.isValid() or index.column() != BOX:
                return None
            on = self.is_ticked(self.row_at(index.row()))
            return Qt.CheckState.Checked if on else Qt.CheckState.Unchecked
        return super().data(index, role)

    def setData(self, index: Index, value: object, role: int = Qt.ItemDataRole.EditRole) -> bool:
        """Take a click on a box, and tell of it."""
        if role != Qt.ItemDataRole.CheckStateRole or not index.isValid() or index.column() != BOX:
            return False
        row, on = self.row_at(index.row()), value in (Qt.CheckState.Checked, Qt.CheckState.Checked.value)
        self._wanted[self.key(row)] = on
        self.dataChanged.emit(index, index, [role])
        self.switched.emit(row, on)
        return True

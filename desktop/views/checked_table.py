"""A table whose rows have a box to tick: Space ticks the row that has the keyboard, whichever column that is in."""

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QAbstractItemView

from desktop.models.checked import CheckedRows
from desktop.views.table import RowTable


class CheckedTable(RowTable):
    """One row is selected at a time: what the buttons beside it act on is never in doubt."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Tick with Space; the rest is as in any table."""
        model, rows = self.model(), self.selected_rows()
        if event.key() == Qt.Key.Key_Space and isinstance(model, CheckedRows) and rows:
            model.toggle(rows[0])
            event.accept()
            return
        super().keyPressEvent(event)

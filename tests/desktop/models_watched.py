"""Qt's checker, what a model announces, and a cell's text: for the tests of the tables' models."""

from PySide6.QtCore import QAbstractItemModel, QModelIndex, Qt
from pytestqt.modeltest import ModelTester


def check(tester: ModelTester, model: QAbstractItemModel) -> None:
    """Let Qt's own checker watch a model until the test ends."""
    tester.check(model, force_py=False)  # type: ignore[no-untyped-call]


class Changes:
    """Counts what a model announces."""

    def __init__(self, model: QAbstractItemModel) -> None:
        self.inserted: list[tuple[int, int]] = []
        self.removed: list[tuple[int, int]] = []
        self.changed: list[int] = []
        self.resets = 0
        model.rowsInserted.connect(lambda _parent, first, last: self.inserted.append((first, last)))
        model.rowsRemoved.connect(lambda _parent, first, last: self.removed.append((first, last)))
        self.roles: list[list[int]] = []
        model.dataChanged.connect(self._changed)
        model.modelReset.connect(self._reset)

    def _changed(self, first: QModelIndex, _last: QModelIndex, roles: list[int]) -> None:
        self.changed.append(first.row())
        self.roles.append(roles)

    def _reset(self) -> None:
        self.resets += 1


def cell(model: QAbstractItemModel, row: int, column: int, role: int = Qt.ItemDataRole.DisplayRole) -> str:
    return str(model.index(row, column).data(role))

"""What the window's tables have in common: columns as an enumeration, rows told apart by a key, text safe to show.

A model names its columns once:

    class CallColumn(Columns):
        WHEN = Column[CallRecord]("When", lambda call, scene: moment(call.when))

`CallColumn.WHEN` is the column's number for Qt, `CallColumn.WHEN.column` all that is known of it. Everything that a
model hands out as text went through `desktop.models.safe`: rows have names, keys and error texts of strangers in them.
"""

import enum
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeAlias, TypeVar

from PySide6.QtCore import QAbstractTableModel, QCoreApplication, QModelIndex, QObject, QPersistentModelIndex, Qt

from desktop.models.safe import shown, tip

Index: TypeAlias = QModelIndex | QPersistentModelIndex
Row = TypeVar("Row")
Sortable: TypeAlias = str | float
SORT_ROLE: Final = Qt.ItemDataRole.UserRole  # what a proxy sorts by
ROW_ROLE: Final = Qt.ItemDataRole.UserRole + 1  # the row itself
STATE_ROLE: Final = Qt.ItemDataRole.UserRole + 2  # what a row is at this moment, for icons and colours
SENTENCE: Final = 600  # characters of what a screen reader says for a row
LEFT: Final = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter  # joined once: flags take 5 us to join
RIGHT: Final = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


def short_name(who: Any) -> str:  # noqa: ANN401 - a PeerId, or the text of one
    """Return a peer's short ID."""
    return str(who)[:7]


@dataclass(slots=True)
class Scene:
    """What a cell's text depends on beside its row: the time, Unix seconds, and what a person calls a peer."""

    now: float
    name_of: Callable[[Any], str] = short_name


@dataclass(frozen=True)  # no slots: Generic writes an attribute, and gives up on an error that slots change
class Column(Generic[Row]):
    """One column: `text` of a cell, its `hint`, what to `sort` by (else the text), and what the column is `about`."""

    title: str
    text: Callable[[Row, Scene], str]
    hint: Callable[[Row, Scene], str] | None = None
    sort: Callable[[Row, Scene], Sortable] | None = None
    right: bool = False
    about: str = ""


class Columns(enum.IntEnum):
    """The columns of one table, in order. A member is its column's number."""

    column: Column[Any]

    def __new__(cls, column: Column[Any]) -> "Columns":
        """Number the members by their order."""
        number = len(cls.__members__)
        member = int.__new__(cls, number)
        member._value_ = number
        member.column = column
        return member


class RowsModel(QAbstractTableModel, Generic[Row]):
    """Rows of one kind. A subclass names its `columns` and a row's `key`; `hint` and `state` if it has some."""

    columns: type[Columns]

    def __init__(
        self,
        parent: QObject | None = None,
        *,
        name_of: Callable[[Any], str] = short_name,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(parent)
        self._clock = clock
        self._rows: list[Row] = []
        self.scene = Scene(clock(), name_of)
        self._columns: tuple[Column[Row], ...] = tuple(each.column for each in self.columns)
        self._texts = tuple(each.text for each in self._columns)
        self._alignments = tuple(RIGHT if each.right else LEFT for each in self._columns)

    # -- what a subclass says --------------------------------------------------------------------------------------

    def key(self, row: Row) -> Hashable:
        """Return what makes a row the same row when it changes."""
        raise NotImplementedError

    def hint(self, row: Row) -> str:
        """Return the tooltip of cells whose column has none of its own."""
        del row
        return ""

    def state(self, row: Row) -> object:
        """Return what a row is at this moment, for STATE_ROLE."""
        del row
        return None

    def sentence(self, row: Row) -> str:
        """Return a row as a screen reader should say it."""
        return ", ".join(f"{self.title(at)} {each.text(row, self.scene)}" for at, each in enumerate(self._columns))

    # -- rows ------------------------------------------------------------------------------------------------------

    def rows(self) -> list[Row]:
        """Return what is shown."""
        return list(self._rows)

    def row_at(self, number: int) -> Row:
        """Return one row."""
        return self._rows[number]

    def replace(self, rows: Sequence[Row]) -> None:
        """Show these rows instead. Rows that stay in their place are changed there, any other difference is a reset."""
        self.scene.now = self._clock()
        if [self.key(row) for row in rows] != [self.key(row) for row in self._rows]:
            self.beginResetModel()
            self._rows = list(rows)
            self.endResetModel()
            return
        changed = [at for at, row in enumerate(rows) if row != self._rows[at]]
        self._rows = list(rows)
        for first, last in runs(changed):
            self.dataChanged.emit(self.index(first, 0), self.index(last, len(self._columns) - 1))

    def tick(self) -> None:
        """Let "3 s ago" move on; call it now and then. Nothing is sorted again."""
        self.scene.now = self._clock()
        if self.rowCount():
            last = self.index(self.rowCount() - 1, len(self._columns) - 1)
            self.dataChanged.emit(self.index(0, 0), last, [Qt.ItemDataRole.DisplayRole])

    # -- what Qt asks ----------------------------------------------------------------------------------------------

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - Qt's own default
        """Return the number of rows."""
        return 0 if parent.isValid() else len(self._rows)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        """Return the number of columns."""
        return 0 if parent.isValid() else len(self._columns)

    def title(self, column: int) -> str:
        """Return a column's name."""
        return QCoreApplication.translate(self.columns.__name__, self._columns[column].title)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:  # noqa: ANN401
        """Return a column's name, what it is about, or where its text stands."""
        if orientation is not Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return self.title(section)
        if role == Qt.ItemDataRole.ToolTipRole:
            return self._columns[section].about or None
        return self._alignments[section] if role == Qt.ItemDataRole.TextAlignmentRole else None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:  # noqa: ANN401 - Qt's variant
        """Return a cell's text, tooltip, sort key, sentence for screen readers, or the row."""
        answer = _ANSWERS.get(role)
        if answer is None or not index.isValid():
            return None  # most of what a paint asks: fonts, colours, icons, sizes
        return answer(self, self.row_at(index.row()), index.column())

    def _text(self, row: Row, number: int) -> str:
        return shown(self._texts[number](row, self.scene))

    def _said(self, row: Row, number: int) -> str:
        said = self.sentence(row) if number == 0 else f"{self.title(number)}: {self._text(row, number)}"
        return shown(said, SENTENCE)

    def _sort_key(self, row: Row, number: int) -> Sortable:
        sort = self._columns[number].sort
        return self._text(row, number).casefold() if sort is None else sort(row, self.scene)

    def _hint(self, row: Row, number: int) -> str | None:
        hint = self._columns[number].hint
        return tip(self.hint(row) if hint is None else hint(row, self.scene)) or None


# A paint asks thousands of times: one look-up, where comparing roles one after the other took up to ten times as long.
# Not in the model: a model that refers to itself lives until a garbage collection, which must not be what ends it.
_ANSWERS: Final[dict[int, Callable[[RowsModel[Any], Any, int], Any]]] = {
    Qt.ItemDataRole.DisplayRole: lambda model, row, number: model._text(row, number),
    Qt.ItemDataRole.TextAlignmentRole: lambda model, _row, number: model._alignments[number],
    Qt.ItemDataRole.AccessibleTextRole: lambda model, row, number: model._said(row, number),
    Qt.ItemDataRole.ToolTipRole: lambda model, row, number: model._hint(row, number),
    SORT_ROLE: lambda model, row, number: model._sort_key(row, number),
    ROW_ROLE: lambda _model, row, _number: row,
    STATE_ROLE: lambda model, row, _number: model.state(row),
}


def runs(numbers: Sequence[int], longest: int | None = None) -> Iterator[tuple[int, int]]:
    """Take rising row numbers from the end; yield the first and last of each run, of `longest` rows at most.

    In runs, because with each a sorted view begins again; from the end, because what is removed moves what follows.
    """
    left = list(numbers)
    while left:
        last = first = left.pop()
        while left and left[-1] == first - 1 and (longest is None or last - first + 1 < longest):
            first = left.pop()
        yield first, last

"""The table both lists use: whole rows, copied as text, with words instead of nothing when it is empty."""

from collections.abc import Callable, Sequence

from PySide6.QtCore import (
    QAbstractItemModel,
    QByteArray,
    QItemSelectionModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    Qt,
)
from PySide6.QtGui import (
    QAction,
    QContextMenuEvent,
    QGuiApplication,
    QIcon,
    QKeyEvent,
    QKeySequence,
    QPalette,
    QResizeEvent,
)
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QMenu,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QWidget,
)

from desktop.models.safe import shown
from desktop.views.parts import PlainLabel

Index = QModelIndex | QPersistentModelIndex
MARGIN = 24  # pixels around the placeholder
CELL_PADDING = 18  # pixels beside a cell's text: the style sheet's 2 x 5, Qt's own 2 x 3, and 2 of grace
ICON_ROOM = "MMI"  # as wide as an icon and its gap, in samples


class RowTable(QTableView):
    """A calm table: rows are selected whole, Ctrl+C copies them as text, columns divided by tabs."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(name)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)
        self.verticalHeader().hide()
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.verticalHeader().setDefaultSectionSize(self.fontMetrics().height() + 11)
        self.horizontalHeader().setHighlightSections(False)
        self.horizontalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        self.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        self.horizontalHeader().setStretchLastSection(True)
        self.horizontalHeader().sectionResized.connect(self._section_resized)
        self.horizontalHeader().sortIndicatorChanged.connect(self._sorted)
        self._samples: tuple[str, ...] = ()
        self._kept = 0  # lines
        self._fit_all = False
        self._fitting = False
        self._touched = False
        self._menu: QMenu | None = None
        self._placeholder = PlainLabel(parent=self.viewport(), name="placeholder", wrap=True)
        self._placeholder.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._placeholder.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)

    def setModel(self, model: QAbstractItemModel | None) -> None:
        """Show a model, and the placeholder whenever it is empty."""
        super().setModel(model)
        if model is not None:
            for signal in (model.rowsInserted, model.rowsRemoved, model.modelReset):
                signal.connect(self._update_placeholder)
        self._update_placeholder()

    def set_placeholder(self, text: str) -> None:
        """Say this while there are no rows."""
        self._placeholder.setText(text)
        self.setAccessibleDescription(text if self._placeholder.isVisibleTo(self) else "")
        self._place()

    def placeholder(self) -> str:
        """Return what stands in place of the rows, or nothing while there are rows."""
        return self._placeholder.text() if not self._placeholder.isHidden() else ""

    def _update_placeholder(self) -> None:
        model = self.model()
        empty = model is None or model.rowCount() == 0
        if empty == self._placeholder.isHidden():
            self._placeholder.setVisible(empty)
            self.setAccessibleDescription(self._placeholder.text() if empty else "")
            self._place()

    def _place(self) -> None:
        self._placeholder.setGeometry(self.viewport().rect().adjusted(MARGIN, 0, -MARGIN, 0))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep the placeholder in the middle, and the columns as wide as there is room."""
        super().resizeEvent(event)
        self._place()
        self._fit()

    def set_samples(self, samples: Sequence[str], *, fit_all: bool) -> None:
        """Make each column wide enough for its sample text, until the user chooses other widths.

        Room that is left goes to all columns (`fit_all`), else to the last one.
        """
        self._samples, self._fit_all = tuple(samples), fit_all
        self._fit()

    def header_state(self) -> QByteArray:
        """Return what the user did to the columns; empty while that is nothing."""
        return self.horizontalHeader().saveState() if self._touched else QByteArray()

    def restore_header(self, state: QByteArray) -> None:
        """Put the columns as they were left."""
        if not state.isEmpty() and self.horizontalHeader().restoreState(state):
            self._touched = True

    def keep_lines(self, lines: int) -> None:
        """Take the room of so many lines, also while there are none. `measure` does so again under another style."""
        self._kept = lines
        self.measure()

    def measure(self) -> None:
        """Take the room of the lines that are kept, and of the header."""
        header = max(self.horizontalHeader().sizeHint().height(), self.fontMetrics().height() + 11)
        self.setFixedHeight(header + self._kept * self.verticalHeader().defaultSectionSize() + 10)

    def _fit(self) -> None:
        if self._touched or not self._samples:
            return
        header, metrics = self.horizontalHeader(), self.fontMetrics()
        needs = [
            max(metrics.horizontalAdvance(text) for text in (sample, self._title(column))) + CELL_PADDING
            for column, sample in enumerate(self._samples)
        ]
        room = self.viewport().width() / max(1, sum(needs))
        self._fitting = True
        for column, need in enumerate(needs):
            header.resizeSection(column, int(need * max(1.0, room)) if self._fit_all else need)
        self._fitting = False

    def _title(self, column: int) -> str:
        model = self.model()
        return str(model.headerData(column, Qt.Orientation.Horizontal)) if model is not None else ""

    def _section_resized(self, column: int, _old: int, _new: int) -> None:
        last = column == self.horizontalHeader().count() - 1  # stretched by Qt with the window
        if not self._fitting and not last and self.isVisible():
            self._touched = True

    def _sorted(self) -> None:
        self._touched = self._touched or self.isVisible()

    def set_menu(self, actions: Sequence[QAction | None]) -> None:
        """Offer these in the context menu of the selected rows; None is a line between two."""
        self._menu = QMenu(self)
        self._menu.setAccessibleName(self.accessibleName())
        for action in actions:
            if action is None:
                self._menu.addSeparator()
            else:
                self._menu.addAction(action)

    def menu(self) -> QMenu | None:
        """Return the context menu, if there is one."""
        return self._menu

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Open the menu at the pointer, or by keyboard at the current row."""
        if event.reason() is QContextMenuEvent.Reason.Keyboard:
            self._open_menu_at_row()
        elif self._menu is not None and self.selected_rows():
            self._menu.popup(event.globalPos())
        event.accept()

    def _open_menu_at_row(self) -> None:
        rows = self.selected_rows()
        if self._menu is not None and rows:
            place = self.visualRect(
                self.currentIndex() if self.currentIndex().isValid() else self.model().index(rows[0], 0)
            )
            self._menu.popup(self.viewport().mapToGlobal(place.bottomLeft()))
            self._menu.setActiveAction(self._menu.actions()[0])

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Copy whole rows, where Qt would copy one cell; Menu and Shift+F10 open the context menu."""
        shift_f10 = event.key() == Qt.Key.Key_F10 and event.modifiers() == Qt.KeyboardModifier.ShiftModifier
        if shift_f10 or event.key() == Qt.Key.Key_Menu:
            self._open_menu_at_row()
            event.accept()
            return
        if event.matches(QKeySequence.StandardKey.Copy):
            self.copy()
            event.accept()
            return
        super().keyPressEvent(event)

    def selectRow(self, row: int) -> None:
        """Select this row and no other, whatever keys are held: Qt would add to the selection under Ctrl or Shift."""
        model, selection = self.model(), self.selectionModel()
        if model is not None and selection is not None:
            flag = QItemSelectionModel.SelectionFlag
            selection.setCurrentIndex(model.index(row, 0), flag.ClearAndSelect | flag.Rows)

    def selected_rows(self) -> list[int]:
        """Return the selected rows from top to bottom."""
        model = self.selectionModel()
        return sorted({index.row() for index in model.selectedRows()}) if model is not None else []

    def copy(self) -> None:
        """Put the selected rows on the clipboard; without a selection the clipboard stays."""
        rows = self.selected_rows()
        if rows:
            QGuiApplication.clipboard().setText("\n".join(self.row_text(row) for row in rows))

    def row_text(self, row: int) -> str:
        """Return a row's cells, divided by tabs."""
        model = self.model()
        cells = (str(model.index(row, column).data() or "") for column in range(model.columnCount()))
        return "\t".join(map(shown, cells))


class CellDelegate(QStyledItemDelegate):
    """Gives a column an icon and a colour by what its cell says.

    `dress` returns icon and colour (#rrggbb, "" for the usual) for an index.
    """

    def __init__(self, dress: Callable[[Index], tuple[QIcon | None, str]], parent: QObject) -> None:
        super().__init__(parent)
        self._dress = dress

    def initStyleOption(self, option: QStyleOptionViewItem, index: Index) -> None:
        """Add icon and colour to what the model says."""
        super().initStyleOption(option, index)
        icon, colour = self._dress(index)
        if icon is not None:
            option.icon = icon
            option.features |= QStyleOptionViewItem.ViewItemFeature.HasDecoration
        if colour:
            palette: QPalette = option.palette
            for role in (QPalette.ColorRole.Text, QPalette.ColorRole.HighlightedText):
                palette.setColor(role, colour)

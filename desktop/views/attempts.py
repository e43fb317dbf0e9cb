"""How we connected: the newest attempts, the steps of the one that is chosen, and a report to give away."""

from PySide6.QtGui import QGuiApplication, QIcon
from PySide6.QtWidgets import QHBoxLayout, QPlainTextEdit, QVBoxLayout, QWidget

from core.news.events import PeerSnapshot
from core.news.seen import Attempt, Outcome
from core.peer_id import PeerId
from desktop.icons import icon
from desktop.models.attempts import AttemptColumn, AttemptsModel, details, report
from desktop.models.people import called
from desktop.models.safe import lines
from desktop.models.table import STATE_ROLE
from desktop.theme import Theme, ThemeSource
from desktop.views.fields import muted
from desktop.views.pages import PageView
from desktop.views.parts import button
from desktop.views.table import ICON_ROOM, CellDelegate, Index, RowTable

SAMPLES = ("18:04:09", "203.0.113.200:65535", "Punches", "888 ms", "99 sent, 99 arrived", f"{ICON_ROOM}Connected: open")
STEP_LINES = 5  # lines of the steps that are seen at once
TABLE_HEIGHT = 140  # pixels; the header and four rows
EMPTY = "Nobody was looked for, and nobody was punched yet. Each attempt to connect appears here, with what came of it."
CHOOSE = "Choose an attempt to read its steps."


class AttemptsView(PageView):
    """The table, and under it the steps."""

    def __init__(self, theme: ThemeSource, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._snapshot: PeerSnapshot | None = None
        self.model = AttemptsModel(self, name_of=self._name_of)
        self.table = RowTable(self.tr("Attempts to connect"))
        self.table.setModel(self.model)
        self.table.set_samples(SAMPLES, fit_all=False)
        self.table.set_placeholder(self.tr(EMPTY))
        self.table.setItemDelegateForColumn(AttemptColumn.OUTCOME, CellDelegate(self._dress, self.table))
        self.table.selectionModel().selectionChanged.connect(self._show_steps)
        self.steps = QPlainTextEdit()
        self.steps.setReadOnly(True)
        self.steps.setTabChangesFocus(True)
        self.steps.setAccessibleName(self.tr("Steps of the attempt"))
        self.steps.setFixedHeight(STEP_LINES * self.steps.fontMetrics().lineSpacing() + 14)
        self.copy_button = button(
            self.tr("&Copy report"), self.tr("Copies all of this as text, to ask somebody for help"), self.copy
        )
        note = muted(self.tr("Without names and keys; of addresses, only the first half."))
        foot = QHBoxLayout()
        foot.addWidget(self.copy_button)
        foot.addWidget(note, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        column.addWidget(self.table, 1)
        column.addWidget(self.steps)
        column.addLayout(foot)
        self.table.setMinimumHeight(TABLE_HEIGHT)
        theme.changed.connect(self._retheme)
        self._retheme(theme.theme)
        self._show_steps()

    def show_snapshot(self, snapshot: PeerSnapshot) -> None:
        """Show the attempts; the one that is chosen stays chosen, wherever its row is now."""
        self._snapshot = snapshot
        chosen = self.chosen()
        self.model.replace(snapshot.connections.attempts)
        if chosen is not None and self.chosen() is None:
            row = next((at for at, each in enumerate(self.model.rows()) if each.number == chosen.number), None)
            if row is not None:
                self.table.selectRow(row)
        self._show_steps()

    def chosen(self) -> Attempt | None:
        """Return the attempt that is chosen."""
        rows = self.table.selected_rows()
        return self.model.row_at(rows[0]) if rows else None

    def copy(self) -> None:
        """Put the report on the clipboard."""
        if self._snapshot is not None:
            QGuiApplication.clipboard().setText(report(self._snapshot))

    def tables(self) -> tuple[RowTable, ...]:
        """Return the table of attempts."""
        return (self.table,)

    def _show_steps(self) -> None:
        chosen = self.chosen()
        text = lines("\n".join(details(chosen)), 20_000) if chosen is not None else self.tr(CHOOSE)
        if text != self.steps.toPlainText():
            self.steps.setPlainText(text)

    def _name_of(self, peer_id: PeerId) -> str:
        return called(peer_id, () if self._snapshot is None else self._snapshot.known_peers)

    def _dress(self, index: Index) -> tuple[QIcon | None, str]:
        return self._dresses.get(index.data(STATE_ROLE), (None, ""))

    def _retheme(self, theme: Theme) -> None:
        looks = {
            Outcome.OPEN: ("path-open", theme.good),
            Outcome.GOING_ON: ("path-punching", theme.info),
            Outcome.FAILED: ("path-gone", theme.bad),
        }
        self._dresses = {state: (icon(name, colour), colour) for state, (name, colour) in looks.items()}
        self.table.viewport().update()

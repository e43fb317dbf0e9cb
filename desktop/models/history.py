"""The requests sent so far, newest first, bounded. Each can be sent again."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QAbstractListModel, QModelIndex, QObject, QPersistentModelIndex, Qt

from core.values import JsonValue
from desktop.models.pretty import preview
from desktop.models.safe import shown, tip
from desktop.models.table import SENTENCE
from desktop.models.words import clock, trip, verdict

MAX_ENTRIES = 50  # requests; the oldest leaves
ENTRY_ROLE = Qt.ItemDataRole.UserRole
Index = QModelIndex | QPersistentModelIndex


@dataclass(frozen=True, slots=True)
class Entry:
    """One request and how it ended. `at` is Unix seconds, `seconds` its round trip; `error` is None when answered."""

    at: float
    target: str
    payload: JsonValue
    seconds: float
    error: str | None
    ending: str = "silent"  # as `desktop.views.contract` names it

    def verdict(self) -> str:
        """Return how it ended, in a word or two."""
        return verdict(self.ending)

    def payload_text(self) -> str:
        """Return the payload as it was sent."""
        return json.dumps(self.payload, ensure_ascii=False)

    def line(self) -> str:
        """Return the entry on one line."""
        result = trip(self.seconds) if self.error is None else self.verdict()
        return f"{clock(self.at)[:8]}   {self.target}   {preview(self.payload, 40)}   {result}"

    def sentence(self) -> str:
        """Return the entry as a screen reader should say it."""
        result = f"answered in {trip(self.seconds)}" if self.error is None else f"{self.verdict()}: {self.error}"
        return f"Request to {self.target} at {clock(self.at)[:8]}, {result}. Press Enter to send it again."


class HistoryModel(QAbstractListModel):
    """Entries, newest first."""

    def __init__(self, parent: QObject | None = None, *, max_entries: int = MAX_ENTRIES) -> None:
        super().__init__(parent)
        self._max_entries = max_entries
        self._entries: list[Entry] = []

    def entries(self) -> Sequence[Entry]:
        """Return the entries, newest first."""
        return tuple(self._entries)

    def add(self, entry: Entry) -> None:
        """Put an entry on top; the oldest leaves when there are too many."""
        self.beginInsertRows(QModelIndex(), 0, 0)
        self._entries.insert(0, entry)
        self.endInsertRows()
        last = len(self._entries) - 1
        if last >= self._max_entries:
            self.beginRemoveRows(QModelIndex(), last, last)
            del self._entries[last]
            self.endRemoveRows()

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - Qt's own default
        """Return the number of entries."""
        return 0 if parent.isValid() else len(self._entries)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:  # noqa: ANN401 - Qt's variant
        """Return an entry's line, its sentence for screen readers, or the entry."""
        if not index.isValid():
            return None
        entry = self._entries[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return shown(entry.line())
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return shown(entry.sentence(), SENTENCE)
        if role == Qt.ItemDataRole.ToolTipRole:
            hint = self.tr("Click to use it again, double-click or press Enter to send it again")
            return tip(entry.error or hint)
        return entry if role == ENTRY_ROLE else None

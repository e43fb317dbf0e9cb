"""The record of who called as a table model: the newest on top, older ones fetched as the table is scrolled."""

from collections.abc import Hashable, Sequence
from typing import Final

from PySide6.QtCore import QModelIndex, Signal

from core.ledger.record import OK, CallRecord
from desktop.models.table import Column, Columns, Index, RowsModel, Scene
from desktop.models.words import PLAIN, PLAIN_HINT, moment, size, trip

PAGE: Final = 200  # calls asked for at once: three screens, and a millisecond of SQLite
MOST: Final = 5000  # calls held here; to look for older ones, filter or export
OUTCOME_WORDS: Final = {  # those that one can ask for; any other is shown by its name
    OK: "Answered",
    "ERR_NOT_TRUSTED": "Not trusted",
    "ERR_ENCRYPTION_REQUIRED": "Not encrypted",
    "ERR_BLOCKED": "Blocked",
    "ERR_RATE_LIMITED": "Too often",
    "ERR_PAYLOAD": "Wrong payload",
}


def _who(call: CallRecord, scene: Scene) -> str:
    return scene.name_of(call.peer_id) if call.peer_id else PLAIN


def _outcome(call: CallRecord, _scene: Scene) -> str:
    return OUTCOME_WORDS.get(call.outcome, call.outcome)


class CallColumn(Columns):
    """What is shown of a call."""

    WHEN = Column[CallRecord]("When", lambda call, _scene: moment(call.when))
    WHO = Column[CallRecord]("Who", _who)
    ADDRESS = Column[CallRecord]("Address", lambda call, _scene: call.address)
    SERVICE = Column[CallRecord]("Service", lambda call, _scene: call.service)
    SENT = Column[CallRecord]("In", lambda call, _scene: size(call.request_bytes), right=True)
    RECEIVED = Column[CallRecord]("Out", lambda call, _scene: size(call.reply_bytes), right=True)
    TOOK = Column[CallRecord]("Took", lambda call, _scene: trip(call.seconds), right=True)
    OUTCOME = Column[CallRecord]("Outcome", _outcome, lambda call, _scene: call.outcome)


class CallsModel(RowsModel[CallRecord]):
    """Calls, the newest first; `name_of` gives what a person calls a Peer ID's text. STATE_ROLE: answered at all.

    Signals:
        more_wanted(): the view came to the end of what is here.
    """

    columns = CallColumn
    more_wanted = Signal()
    _whole = True  # there are no older ones

    def key(self, row: CallRecord) -> Hashable:
        """Return the call's number."""
        return row.number

    def hint(self, row: CallRecord) -> str:
        """Return the whole Peer ID."""
        return row.peer_id or PLAIN_HINT

    def state(self, row: CallRecord) -> bool:
        """Return whether it was answered with a result."""
        return row.outcome == OK

    def sentence(self, row: CallRecord) -> str:
        """Return a call as a screen reader should say it."""
        who, outcome = _who(row, self.scene), _outcome(row, self.scene)
        return f"{who} at {row.address} called {row.service}: {outcome}, {moment(row.when)}"

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

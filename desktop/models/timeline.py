"""The timeline as a table model: a bounded ring with its filter built in, filled in batches.

Punches go to and fro every second, for ever: those of one peer share one line, which counts up where it stands, so a
reply is never pushed out of sight by them. Answered requests of one caller share a line when they come faster than
anybody can read: a storm of thousands becomes a line a second, and a batch costs the window little however long it is.
The filter lives here, not in a proxy: 5,000 lines are filtered in about a millisecond, without a Python call per line.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import TypeAlias

from PySide6.QtCore import QModelIndex, QObject

from core.news.events import Discovered, ErrorRaised, Lost, PeerEvent, PunchReceived, PunchSent, RequestServed
from core.values import Address
from desktop.models.safe import lines as safe_lines
from desktop.models.table import Column, Columns, Index, RowsModel
from desktop.models.timeline_rows import Kind, TimelineRow, punches, row_of
from desktop.models.words import clock

MAX_ROWS = 5000  # lines kept; the oldest leave. 3 MB
JOIN_WITHIN = 1.0  # seconds in which requests share a line
REQUESTS_APART = 4  # answered requests of a caller and second that have lines of their own; the others join the last
MAX_FLOOD = 200  # lines of strangers' doing added by one batch, 1 to 2 ms of work
PUNCHES_APART = 60.0  # seconds of silence after which a peer's punches are another attempt, with a line of its own
PUNCH_LINES = 20  # lines that punches may begin in PUNCH_LINES_IN seconds: a source address can be forged a packet
PUNCH_LINES_IN = 10.0  # seconds
DETAILS = 40  # punches remembered for a line's details: some 10 seconds of both ways
_Key: TypeAlias = tuple[type[PeerEvent], Address, str]


class TimelineColumn(Columns):
    """What is shown of a line."""

    TIME = Column[TimelineRow]("Time", lambda row, _scene: clock(row.at))
    DIRECTION = Column[TimelineRow]("Direction", lambda row, _scene: row.direction.value)
    WHAT = Column[TimelineRow]("What", lambda row, _scene: row.what)
    PEER = Column[TimelineRow]("Peer", lambda row, _scene: row.peer_text)
    RESULT = Column[TimelineRow]("Result", lambda row, _scene: row.result_text, lambda row, _scene: row.result_text)


@dataclass(slots=True)
class _Line:
    """A row and its number since the model was made; `hay` is what the text filter looks through.

    `more` events up to `until` joined it in this batch. It is the `place`th of its key in the second begun at `began`.
    """

    number: int
    row: TimelineRow
    hay: str
    began: float = 0.0
    place: int = 1
    more: int = 0
    until: float = 0.0
    sent: int = 0  # in this batch
    arrived: int = 0
    newest: deque[tuple[float, bool]] = field(default_factory=lambda: deque(maxlen=DETAILS))  # when, and whether sent


def _key(event: PeerEvent) -> _Key | None:
    """Return what events must have in common to share a line; None for those that never do."""
    if isinstance(event, RequestServed):
        kind = type(event)
        return kind, event.caller, event.service if event.error is None else f"{event.service} {event.error}"
    return None


class TimelineModel(RowsModel[TimelineRow]):
    """Lines, oldest first. What `is_ours` says is this very peer's address is left out of punches and discoveries."""

    columns = TimelineColumn

    def __init__(self, parent: QObject | None = None, *, max_rows: int = MAX_ROWS) -> None:
        super().__init__(parent)
        self.is_ours: Callable[[Address], bool] = lambda _address: False
        self._max_rows = max_rows
        self._lines: list[_Line] = []
        self._shown: list[_Line] = []
        self._open: dict[_Key, _Line] = {}  # request lines that may still be joined; pruned with every batch
        self._punches: dict[Address | None, _Line] = {}  # of each peer; None: of those without a line. Pruned likewise
        self._begun: deque[float] = deque(maxlen=PUNCH_LINES)  # when the newest punch lines began
        self._next = 0
        self._needle = ""
        self._kind: Kind | None = None
        self._important = False

    # -- rows, as the base asks for them ---------------------------------------------------------------------------

    def key(self, row: TimelineRow) -> Hashable:
        """Return the row itself: lines are told apart by their place."""
        return row

    def row_at(self, number: int) -> TimelineRow:
        """Return one line that is shown."""
        return self._shown[number].row

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - Qt's own default
        """Return the number of lines shown."""
        return 0 if parent.isValid() else len(self._shown)

    def rows(self) -> list[TimelineRow]:
        """Return the lines shown, oldest first."""
        return [line.row for line in self._shown]

    def sentence(self, row: TimelineRow) -> str:
        """Return a line as a screen reader should say it."""
        return row.sentence()

    def total(self) -> int:
        """Return how many lines are kept, shown or not."""
        return len(self._lines)

    def details(self, number: int) -> str:
        """Return all that is known of a line that is shown: its text, and when the newest punches came and went."""
        line = self._shown[number]
        told = [line.row.sentence(), ""] if line.newest else [line.row.sentence()]
        told += [f"{clock(at)}  {'sent' if sent else 'arrived'}" for at, sent in line.newest]
        return safe_lines("\n".join(told))

    # -- the filter ------------------------------------------------------------------------------------------------

    def set_filter(self, text: str, kind: Kind | None, *, important: bool = False) -> None:
        """Show only lines with every word of `text`, of `kind` (None: any), and only `important` ones if so."""
        self.beginResetModel()
        self._needle, self._kind, self._important = text.casefold(), kind, important
        self._shown = [line for line in self._lines if self._passes(line)]
        self.endResetModel()

    def _passes(self, line: _Line) -> bool:
        if self._kind is not None and line.row.kind is not self._kind:
            return False
        if self._important and not line.row.important:
            return False
        return all(word in line.hay for word in self._needle.split())

    # -- what comes in ---------------------------------------------------------------------------------------------

    def add(self, events: Iterable[PeerEvent]) -> int:
        """Append a batch; call it at most ten times a second. Return how many lines shown left at the top."""
        fresh: list[_Line] = []
        joined: dict[int, _Line] = {}
        flood = left_out = 0
        for event in events:
            if isinstance(event, PunchSent | PunchReceived):
                if not self.is_ours(event.peer):
                    line = self._count_punch(event, fresh)
                    joined[line.number] = line
                continue
            if isinstance(event, Discovered | Lost) and self.is_ours(event.peer):
                continue
            key = _key(event)
            last = self._open.get(key) if key is not None else None
            if last is not None and self._joins(event, last):
                last.more += 1
                last.until = event.at
                joined[last.number] = last
            elif key is not None and flood >= MAX_FLOOD:
                left_out += 1
            else:
                flood += key is not None
                fresh.append(self._line(event, key, last))
        if left_out:
            fresh.append(self._line(_overflow(event.at, left_out), None, None))
        self._show_joined(joined.values())
        return self._append(fresh[-self._max_rows :])

    def _count_punch(self, event: PunchSent | PunchReceived, fresh: list[_Line]) -> _Line:
        """Count a punch on its peer's line; begin one when there is none, or a new attempt."""
        line = self._punches.get(event.peer)
        if line is None or abs(event.at - line.until) >= PUNCHES_APART:
            peer = event.peer if self._may_begin(event.at) else None
            line = self._punches.get(peer)
            if line is None or abs(event.at - line.until) >= PUNCHES_APART:
                row = punches(event.at, peer)
                line = self._punches[peer] = _Line(self._next, row, "", row.at)
                self._next += 1
                fresh.append(line)
        sent = isinstance(event, PunchSent)
        line.sent += sent
        line.arrived += not sent
        line.until = event.at
        line.newest.append((event.at, sent))
        return line

    def _may_begin(self, at: float) -> bool:
        """Tell whether punches may begin one more line of their own, and note that they do."""
        if len(self._begun) == PUNCH_LINES and 0 <= at - self._begun[0] < PUNCH_LINES_IN:
            return False
        self._begun.append(at)
        return True

    def _append(self, fresh: list[_Line]) -> int:
        """Insert lines at the end, in one step; return how many shown ones left at the top."""
        removed = self._evict(len(self._lines) + len(fresh) - self._max_rows)
        self._lines += fresh
        visible = [line for line in fresh if self._passes(line)]
        if visible:
            first = len(self._shown)
            self.beginInsertRows(QModelIndex(), first, first + len(visible) - 1)
            self._shown += visible
            self.endInsertRows()
        if self._lines:
            newest, oldest = self._lines[-1].row.at, self._lines[0].number
            self._open = {key: line for key, line in self._open.items() if abs(newest - line.row.at) < JOIN_WITHIN}
            if self._punches:
                self._punches = {
                    peer: line
                    for peer, line in self._punches.items()
                    if line.number >= oldest and abs(newest - line.until) < 2 * PUNCHES_APART
                }
        return removed

    @staticmethod
    def _joins(event: PeerEvent, last: _Line) -> bool:
        """Return whether an event is counted on the last line of its key instead of getting one."""
        apart = REQUESTS_APART if last.row.kind is Kind.REQUEST else 1
        return last.place >= apart and 0 <= event.at - last.began < JOIN_WITHIN

    def _line(self, event: PeerEvent, key: _Key | None, last: _Line | None) -> _Line:
        row = row_of(event)
        line = _Line(self._next, row, row.as_text().casefold(), row.at)
        self._next += 1
        if key is not None:
            if last is not None and 0 <= row.at - last.began < JOIN_WITHIN:
                line.began, line.place = last.began, last.place + 1
            self._open[key] = line
        return line

    def _show_joined(self, lines: Iterable[_Line]) -> None:
        """Count what joined lines in this batch."""
        for line in lines:
            row = line.row
            line.row = replace(
                row, repeats=row.repeats + line.more, until=line.until,
                sent=row.sent + line.sent, arrived=row.arrived + line.arrived,
            )  # fmt: skip
            if row.kind is Kind.PUNCH:
                line.hay = line.row.as_text().casefold()
            line.more = line.sent = line.arrived = 0
            at = bisect_left(self._shown, line.number, key=attrgetter("number"))
            if at < len(self._shown) and self._shown[at] is line:
                cell = self.index(at, TimelineColumn.RESULT)
                self.dataChanged.emit(cell, cell)

    def _evict(self, number: int) -> int:
        """Forget the oldest lines; return how many of them were shown."""
        if number <= 0:
            return 0
        oldest_kept = self._lines[number].number if number < len(self._lines) else self._next
        hidden = bisect_left(self._shown, oldest_kept, key=attrgetter("number"))
        if hidden:
            self.beginRemoveRows(QModelIndex(), 0, hidden - 1)
            del self._shown[:hidden]
            self.endRemoveRows()
        del self._lines[:number]
        return hidden


def _overflow(at: float, count: int) -> ErrorRaised:
    return ErrorRaised(at, "ERR_BACKLOG", f"{count:,} more came at the same time and were left out.")

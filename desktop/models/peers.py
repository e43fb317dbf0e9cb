"""Discovered consumers and workers as a table model: rows are told apart by address and service.

A new snapshot becomes the fewest changes: rows that left are removed, rows that changed are announced, new ones are
appended; so a selection and a scroll position stay. Many changes are made a few per turn of Qt's loop, because a sorted
view looks for the place of each. Sorting is a proxy's (`sorted_peers`), by SORT_ROLE.
"""

import enum
import functools
import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from PySide6.QtCore import QModelIndex, QObject, QSortFilterProxyModel, Qt, QTimer

from core.news.events import PeerRow, PeerSnapshot, Role
from core.news.seen import PathRow
from core.peer_id import PeerId
from core.values import Address
from desktop.models.paths import why
from desktop.models.table import SORT_ROLE, Column, Columns, RowsModel, Scene, runs, short_name
from desktop.models.words import PLAIN, PLAIN_HINT, ago, count, span, trip

KEPT_OPEN = 15.0  # seconds; a peer heard so lately is there, though unlisted: core.news.roster keeps it as long
ROWS_A_STEP = 32  # rows changed in one turn of Qt's loop; each costs a sorted view 20 to 50 us among 1,000 rows
NOBODY_YET = "\N{EN DASH}"
OURSELVES = "this computer"
NO_TRIP = float("inf")  # sorts behind every round trip
Key = tuple[Address, str]


class Path(enum.Enum):
    """How the way to a peer stands. Listed is not reached: only packets that arrive make it open."""

    OPEN = "Open"
    PUNCHING = "Punching"
    LISTED = "Listed"
    GONE = "Gone"


PATH_HINTS = {
    Path.OPEN: "Packets of this peer arrive here",
    Path.PUNCHING: "Punches leave for this peer; none has come back yet",
    Path.LISTED: "The grape lists this peer; nothing was sent to it yet",
    Path.GONE: "No longer listed by the grape, and silent",
}


def path_of(row: PeerRow, now: float) -> Path:
    """Return how the way to a peer stands at `now`, Unix seconds."""
    heard = row.punches_received or row.replies or row.requests_served
    if not row.listed and not (heard and now - row.last_seen < KEPT_OPEN):
        return Path.GONE
    if heard:
        return Path.OPEN
    return Path.PUNCHING if row.punches_sent else Path.LISTED


class Ourselves:
    """Tells which peers are this very peer: it lists, finds and asks itself when it shares and consumes at once."""

    def __init__(self, snapshot: PeerSnapshot | None = None) -> None:
        self._peer_id: PeerId | None = None
        self._addresses: frozenset[Address] = frozenset()
        if snapshot is not None:
            self._peer_id = snapshot.identity.peer_id
            own = [each for each in (snapshot.address, snapshot.observed) if each is not None]
            own += [each.address for each in snapshot.addresses]
            # the same computer lists itself under its loopback address too
            local = [Address("127.0.0.1", each.port) for each in own]
            self._addresses = frozenset([*own, *local])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ourselves) and (self._peer_id, self._addresses) == (other._peer_id, other._addresses)

    __hash__ = None  # type: ignore[assignment]

    def at(self, address: Address | None) -> bool:
        """Tell whether an address is ours."""
        return address in self._addresses

    def is_row(self, row: PeerRow) -> bool:
        """Tell whether a row of the table is this peer."""
        return self.at(row.address) or (self._peer_id is not None and row.peer_id == self._peer_id)


def role_word(role: Role) -> str:
    """Return a role as a word for people."""
    return role.value.capitalize()


@functools.lru_cache(maxsize=1024)  # as many as are shown: a paint asks for each row's
def _address_text(address: Address) -> str:
    return str(address)


@functools.lru_cache(maxsize=1024)  # a sort asks for each row's, again and again
def _address_key(address: Address) -> str:
    """Return text that sorts 10.0.0.9 before 10.0.0.10."""
    numbers = ".".join(part.rjust(3, "0") for part in address.host.split("."))
    return f"{numbers}:{address.port:05d}"


class PeersScene(Scene):
    """Beside the time and the names: who we are."""

    ourselves = Ourselves()
    paths: Mapping[Address, PathRow] = MappingProxyType({})


def _path(row: PeerRow, scene: Scene) -> PathRow | None:
    """Return how we are connected to a peer that is heard."""
    known = scene.paths.get(row.address) if isinstance(scene, PeersScene) else None
    return known if path_of(row, scene.now) is Path.OPEN else None


def _path_text(row: PeerRow, scene: Scene) -> str:
    path = _path(row, scene)
    return path_of(row, scene.now).value if path is None else path.badge


def path_hint(row: PeerRow, scene: Scene) -> str:
    """Return why the way to a peer is as it is, and what would make it better."""
    path = _path(row, scene)
    return PATH_HINTS[path_of(row, scene.now)] if path is None else why(path)


def _who(row: PeerRow, scene: Scene) -> str:
    """Return what a person calls this peer: its name, the short form of its ID, or that it is nobody known."""
    if isinstance(scene, PeersScene) and scene.ourselves.is_row(row):
        return OURSELVES
    if row.peer_id is not None:
        return scene.name_of(row.peer_id)
    return PLAIN if row.replies or row.requests_served else NOBODY_YET


def _who_hint(row: PeerRow, scene: Scene) -> str:
    if row.peer_id is not None:
        return str(row.peer_id)
    return PLAIN_HINT if _who(row, scene) == PLAIN else _row_hint(row)


def _row_hint(row: PeerRow) -> str:
    return f"{row.address}, found as {row.service}"


class PeerColumn(Columns):
    """What is shown of another peer."""

    ADDRESS = Column[PeerRow](
        "Address", lambda row, _scene: _address_text(row.address), sort=lambda row, _scene: _address_key(row.address),
        about="The peer's address as seen from here, after its router",
    )  # fmt: skip
    WHO = Column[PeerRow]("Who", _who, _who_hint, about="As its last encrypted request or answer proved")
    ROLE = Column[PeerRow](
        "Role", lambda row, _scene: role_word(row.role), about="A consumer wants the service, a worker shares it"
    )
    PATH = Column[PeerRow](
        "Path", _path_text, path_hint,
        lambda row, scene: str(list(Path).index(path_of(row, scene.now))),
        about="Whether packets of this peer arrive here, and by which way. Click a way to read why it is that one",
    )  # fmt: skip
    LAST_SEEN = Column[PeerRow](
        "Last seen", lambda row, scene: ago(scene.now, row.last_seen),
        sort=lambda row, _scene: -row.last_seen,  # shown as a length of time: the shortest first
        right=True, about="When the last packet or listing of this peer came",
    )  # fmt: skip
    TRIP = Column[PeerRow](
        "Round trip", lambda row, _scene: trip(row.rtt),
        sort=lambda row, _scene: NO_TRIP if row.rtt is None else row.rtt,
        right=True, about="The last request's round trip",
    )  # fmt: skip
    SINCE = Column[PeerRow](
        "Since", lambda row, scene: span(scene.now - row.since), sort=lambda row, _scene: -row.since,
        right=True, about="How long this peer has been known",
    )  # fmt: skip
    SENT = Column[PeerRow](
        "Sent", lambda row, _scene: f"{row.punches_sent:,}", sort=lambda row, _scene: float(row.punches_sent),
        right=True, about="Punches sent to this peer",
    )  # fmt: skip
    RECEIVED = Column[PeerRow](
        "Received", lambda row, _scene: f"{row.punches_received:,}",
        sort=lambda row, _scene: float(row.punches_received),
        right=True, about="Punches received from this peer",
    )  # fmt: skip


class PeersModel(RowsModel[PeerRow]):
    """Peers in the order they were found; `name_of` gives what a person calls a peer. STATE_ROLE: a Path."""

    columns = PeerColumn

    def __init__(
        self,
        parent: QObject | None = None,
        *,
        name_of: Callable[[Any], str] = short_name,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(parent, name_of=name_of, clock=clock)
        self.scene: PeersScene = PeersScene(self.scene.now, name_of)
        self._steps: Iterator[int] | None = None  # what is left to do for the rows shown last
        self._newer: Sequence[PeerRow] | None = None  # came meanwhile; only the newest is kept
        self._turn = QTimer(self)  # fires in every turn of Qt's loop while there is something left
        self._turn.timeout.connect(self._step)

    def key(self, row: PeerRow) -> Hashable:
        """Return address and service."""
        return row.address, row.service

    def hint(self, row: PeerRow) -> str:
        """Return where the peer is and what it was found as."""
        return _row_hint(row)

    def state(self, row: PeerRow) -> Path:
        """Return how the way to a peer stands now."""
        return path_of(row, self.scene.now)

    def row_of(self, address: Address) -> int | None:
        """Return the row of the first peer at this address."""
        return next((at for at, row in enumerate(self._rows) if row.address == address), None)

    def set_ourselves(self, ourselves: Ourselves) -> None:
        """Say which rows are this very peer."""
        if ourselves != self.scene.ourselves:
            self.scene.ourselves = ourselves
            self.tick()

    def set_paths(self, paths: Iterable[PathRow]) -> None:
        """Say by which way each peer is reached."""
        before = {address: path.badge for address, path in self.scene.paths.items()}
        self.scene.paths = {path.address: path for path in paths}
        if before != {address: path.badge for address, path in self.scene.paths.items()}:
            self.tick()

    def replace(self, rows: Sequence[PeerRow]) -> None:
        """Show these peers instead, with the fewest changes: the first ROWS_A_STEP now, more in Qt's next turns.

        Rows that come before all is done wait for that: else those at the end would never have their turn.
        """
        if self._steps is not None:
            self._newer = rows
            return
        self._steps = self._changes(rows)
        self._step()

    def _step(self) -> None:
        done = 0
        while self._steps is not None and done < ROWS_A_STEP:
            rows = next(self._steps, None)
            if rows is not None:
                done += rows
                continue
            newer, self._newer = self._newer, None
            self._steps = self._changes(newer) if newer is not None else None
        if self._steps is None:
            self._turn.stop()
        elif not self._turn.isActive():
            self._turn.start(0)

    def _changes(self, rows: Sequence[PeerRow]) -> Iterator[int]:
        """Make the rows those. Yields how many rows a step changed, ROWS_A_STEP at most; the model is whole then."""
        wanted: dict[Key, PeerRow] = {(row.address, row.service): row for row in rows}
        gone = [at for at, row in enumerate(self._rows) if (row.address, row.service) not in wanted]
        for first, last in runs(gone, ROWS_A_STEP):
            self.beginRemoveRows(QModelIndex(), first, last)
            del self._rows[first : last + 1]
            self.endRemoveRows()
            yield last - first + 1
        fresh = [wanted.pop((old.address, old.service)) for old in self._rows]
        for first, last in runs([at for at, old in enumerate(self._rows) if fresh[at] != old], ROWS_A_STEP):
            self._rows[first : last + 1] = fresh[first : last + 1]
            self.dataChanged.emit(self.index(first, 0), self.index(last, len(PeerColumn) - 1))
            yield last - first + 1
        new = list(wanted.values())
        for start in range(0, len(new), ROWS_A_STEP):
            some = new[start : start + ROWS_A_STEP]
            first = len(self._rows)
            self.beginInsertRows(QModelIndex(), first, first + len(some) - 1)
            self._rows += some
            self.endInsertRows()
            yield len(some)

    def tick(self) -> None:
        """Let "3 s ago" move on; call it once a second. Only these cells are repainted, nothing is sorted again."""
        self.scene.now = self._clock()
        if self._rows:
            first, last = self.index(0, PeerColumn.WHO), self.index(len(self._rows) - 1, PeerColumn.SINCE)
            self.dataChanged.emit(first, last, [Qt.ItemDataRole.DisplayRole])

    def sentence(self, row: PeerRow) -> str:
        """Return a peer as a screen reader should say it."""
        who = _who(row, self.scene)
        said = "" if who == NOBODY_YET else f"{who}, "
        text = (
            f"{role_word(row.role)} {row.address}, {said}path {_path_text(row, self.scene).lower()}, "
            f"last seen {ago(self.scene.now, row.last_seen)}, {count(row.punches_sent, 'punch', 'punches')} sent, "
            f"{row.punches_received:,} received"
        )
        return text if row.rtt is None else f"{text}, last round trip {trip(row.rtt)}"


def sorted_peers(model: PeersModel, parent: QObject | None = None) -> QSortFilterProxyModel:
    """Return a sortable face of the model.

    Never make it the model's child: a model that dies would take it along and be asked for rows by it meanwhile,
    which ends the process (seen with PySide6 6.11.3 when Python's garbage collector ran).
    """
    proxy = QSortFilterProxyModel(parent)
    proxy.setSourceModel(model)
    proxy.setSortRole(SORT_ROLE)
    proxy.setDynamicSortFilter(True)
    return proxy

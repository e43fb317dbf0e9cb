"""Known peers and pending requests as table models: rows are told apart by Peer ID and service."""

from collections.abc import Hashable, Iterator, Sequence
from typing import Final

from PySide6.QtCore import QObject, QSortFilterProxyModel

from core.peer_id import PeerId
from core.trust.entries import EVERY, KnownPeer, Pending
from desktop.models.lookalike import name_form
from desktop.models.safe import shown
from desktop.models.table import SORT_ROLE, Column, Columns, Index, RowsModel, Scene
from desktop.models.words import ago, count, day

TRUSTED, KNOWN, BLOCKED = STATES = ("Trusted", "Known", "Blocked")
STRANGER: Final = "Stranger"
_UNNAMED: Final = "(no name)"
_NEVER: Final = "never"


def state_of(peer: KnownPeer) -> str:
    """Return a known peer's state as one of STATES."""
    if peer.blocked:
        return BLOCKED
    return TRUSTED if peer.opened else KNOWN


def services_words(peer: KnownPeer) -> str:
    """Return which services a peer may call."""
    if peer.blocked or not peer.opened:
        return "nothing"
    return "every service" if peer.opened == EVERY else ", ".join(sorted(peer.opened))


def groups_words(peer: KnownPeer) -> str:
    """Return which groups a peer is in."""
    return ", ".join(sorted(group.name for group in peer.groups))


def names(known: Sequence[KnownPeer]) -> dict[PeerId, str]:
    """Return what to call each named peer; with its short ID where two names look alike."""
    forms: dict[str, int] = {}
    for peer in known:
        form = name_form(peer.name)
        forms[form] = forms.get(form, 0) + 1
    return {
        peer.peer_id: peer.name if forms[name_form(peer.name)] == 1 else f"{peer.name} ({peer.peer_id.short})"
        for peer in known
        if peer.name
    }


def called(peer_id: PeerId, known: Sequence[KnownPeer]) -> str:
    """Return what a person calls a peer: the name its owner gave it, or its short ID."""
    return shown(names(known).get(peer_id, "")) or peer_id.short


def _seen(peer: KnownPeer, scene: Scene) -> str:
    return _NEVER if peer.last_seen is None else ago(scene.now, peer.last_seen)


class KnownColumn(Columns):
    """What is shown of a known peer."""

    NAME = Column[KnownPeer]("Name", lambda peer, _scene: peer.name or _UNNAMED)
    ID = Column[KnownPeer]("Peer ID", lambda peer, _scene: peer.peer_id.short)
    STATE = Column[KnownPeer]("State", lambda peer, _scene: state_of(peer))
    SERVICES = Column[KnownPeer]("May call", lambda peer, _scene: services_words(peer))
    SEEN = Column[KnownPeer]("Last seen", _seen, sort=lambda peer, _scene: -(peer.last_seen or 0.0))
    SINCE = Column[KnownPeer](
        "Known since", lambda peer, _scene: day(peer.since), sort=lambda peer, _scene: -peer.since
    )
    GROUPS = Column[KnownPeer]("Groups", lambda peer, _scene: groups_words(peer))


class KnownModel(RowsModel[KnownPeer]):
    """The peers that the owner knows. STATE_ROLE: one of STATES."""

    columns = KnownColumn

    def key(self, row: KnownPeer) -> Hashable:
        """Return the Peer ID."""
        return row.peer_id

    def hint(self, row: KnownPeer) -> str:
        """Return the whole Peer ID."""
        return str(row.peer_id)

    def state(self, row: KnownPeer) -> str:
        """Return a known peer's state."""
        return state_of(row)


class PendingColumn(Columns):
    """What is shown of a request that waits."""

    WHO = Column[Pending]("Who", lambda asked, scene: scene.name_of(asked.peer_id))
    ASKS_FOR = Column[Pending]("Asks for", lambda asked, _scene: asked.service)
    FROM = Column[Pending]("From", lambda asked, _scene: str(asked.address))
    WHEN = Column[Pending]("Last asked", lambda asked, scene: ago(scene.now, asked.last))
    TIMES = Column[Pending]("Times", lambda asked, _scene: f"{asked.times:,}")


class PendingModel(RowsModel[Pending]):
    """The requests that wait for the owner's answer."""

    columns = PendingColumn

    def key(self, row: Pending) -> Hashable:
        """Return who asks for what."""
        return row.key

    def hint(self, row: Pending) -> str:
        """Return the whole Peer ID."""
        return str(row.peer_id)


class PeopleFilter(QSortFilterProxyModel):
    """Known peers with all words of the filter in name, ID, state or services."""

    def __init__(self, model: KnownModel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._words: tuple[str, ...] = ()
        self._model = model
        self.setSourceModel(model)
        self.setSortRole(SORT_ROLE)

    def set_text(self, text: str) -> None:
        """Show only the peers that fit."""
        self._words = tuple(text.casefold().split())
        self.invalidate()

    def filterAcceptsRow(self, source_row: int, source_parent: Index) -> bool:
        """Return whether a row fits."""
        if not self._words:
            return True
        row = self._model.row_at(source_row)
        text = " ".join(_searched(row)).casefold()
        return all(word in text for word in self._words)


def _searched(peer: KnownPeer) -> Iterator[str]:
    yield from (peer.name, str(peer.peer_id), state_of(peer), services_words(peer), groups_words(peer))


def asking_words(asked: Pending, known: Sequence[KnownPeer], others: int = 0) -> str:
    """Return in words who asks for what, and how many requests wait beside it."""
    who = shown(names(known).get(asked.peer_id, "")) or f"{STRANGER} {asked.peer_id.short}"
    said = f"{who} asks for {shown(asked.service)}, from {asked.address}."
    return f"{said} {count(others, 'more request')} {'waits' if others == 1 else 'wait'}." if others else said

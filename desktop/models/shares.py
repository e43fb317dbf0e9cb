"""Shares of this peer, what others offer, and what of it is open here, as table models; and the words for them."""

import shlex
from collections.abc import Callable, Hashable
from typing import Final

from PySide6.QtCore import QCoreApplication, QObject

from core.kinds.listening import Found
from core.news.events import ShareRow, UseRow
from core.peer_id import PeerId
from core.trust.audience import Audience
from core.using.offers import OfferRow
from desktop.models.checked import CheckedRows
from desktop.models.safe import shown
from desktop.models.table import Column, Columns, RowsModel, Scene
from desktop.models.words import count, size

ON, OFF, NOT_ON = STATES = ("On", "Off", "Not on")
OPEN, TROUBLE = "Open", "Trouble"
KIND_WORDS: Final = {
    "http": "Web page",
    "folder": "Folder",
    "tcp": "Port",
    "udp": "UDP port",
    "json": "Program that answers",
    "python": "Python function",
    "values": "Values that go on",
    "grenache": "Grenache service",
}
AUDIENCE_WORDS: Final = {
    Audience.TRUSTED: "Peers that I trust",
    Audience.IDENTIFIED: "Anyone with a Peer ID",
    Audience.ANYONE: "Anyone",
    Audience.OFF: "Nobody",
}
PAGES: Final = frozenset({"http", "folder"})  # kinds that a browser shows
PORTS: Final = frozenset({"tcp", "udp"})  # kinds that become a local port
_VERBS: Final = {
    "values": "watch",
    "json": "request",
    "python": "request",
    "grenache": "request",
}  # of the command line; else "open"


def _tr(words: str) -> str:
    return QCoreApplication.translate("shares", words)


def kind_words(kind: str) -> str:
    """Return what a kind is called; one that this version does not know is named as the other side does."""
    return _tr(KIND_WORDS[kind]) if kind in KIND_WORDS else shown(kind, 40)


def state_of(share: ShareRow) -> str:
    """Return a share's state as one of STATES."""
    return ON if share.on else NOT_ON if share.problem else OFF


def calls_words(share: ShareRow) -> str:
    """Return how its calls went."""
    parts = [f"{share.served:,}"]
    if share.failed:
        parts.append(_tr("{n} failed").format(n=f"{share.failed:,}"))
    if share.refused:
        parts.append(_tr("{n} refused").format(n=f"{share.refused:,}"))
    return ", ".join(parts)


def share_words(share: ShareRow, users: str) -> str:
    """Return in a sentence or two how a share is doing."""
    name = shown(share.name)
    if share.problem:
        return _tr("{name} is not on: {problem}.").format(name=name, problem=share.problem.rstrip("."))
    if not share.on:
        return _tr("{name} is off: nobody can use it. It stays in the list.").format(name=name)
    if not share.users:
        return _tr("{name} is on. Nobody uses it now.").format(name=name)
    streams = count(share.streams, _tr("connection"), _tr("connections"))
    return _tr("{name} is on. Used now by {users}, over {streams}.").format(name=name, users=users, streams=streams)


def other_side(share: ShareRow, peer_id: PeerId | None) -> str:
    """Return the line that the other side types; "" while this peer has no ID."""
    if peer_id is None:
        return ""
    line = f"grapevine {_VERBS.get(share.kind, 'open')} {shlex.quote(f'{peer_id}/{share.name}')}"
    return f"{line} '{{}}'" if share.kind in ("json", "python", "grenache") else line


def found_words(found: Found) -> str:
    """Return what listens, in words: "Web page, port 3000, node"."""
    title = _tr(found.title) if found.title else _tr("Something")
    words = _tr("{title}, port {port}").format(title=title, port=found.port)
    return shown(f"{words}, {found.program}" if found.program else words)


class ShareColumn(Columns):
    """What is shown of a share."""

    STATE = Column[ShareRow]("On", lambda share, _scene: _tr(state_of(share)))
    NAME = Column[ShareRow]("Name", lambda share, _scene: share.name)
    WHAT = Column[ShareRow]("What", lambda share, _scene: _what(share))
    WHO = Column[ShareRow]("Who may use it", lambda share, _scene: _tr(AUDIENCE_WORDS[share.audience]))
    USERS = Column[ShareRow]("Used now by", lambda share, scene: users_words(share, scene.name_of))
    BYTES = Column[ShareRow](
        "Out / in",
        lambda share, _scene: bytes_words(share),
        about="Bytes of the connections that are open now, from here and to here, and datagrams that found no room",
    )
    CALLS = Column[ShareRow](
        "Calls", lambda share, _scene: calls_words(share), about="Requests and connections that have ended"
    )


def _what(share: ShareRow) -> str:
    words = kind_words(share.kind)
    if len(share.transports) > 1:
        words = _tr("{what}, also over HTTP and WebSocket").format(what=words)
    return words if share.permanent else _tr("{what}, temporary").format(what=words)


def bytes_words(share: ShareRow) -> str:
    """Return what crosses now: "12 kB / 3 kB"; of a UDP port also how many datagrams were dropped here."""
    if not share.streams:
        return "\N{EN DASH}"
    crossed = f"{size(share.sent)} / {size(share.received)}"
    return _tr("{bytes}, {number} dropped").format(bytes=crossed, number=share.dropped) if share.dropped else crossed


def users_words(share: ShareRow, name_of: Callable[[PeerId], str]) -> str:
    """Return who uses a share now, by their names here."""
    return ", ".join(name_of(each) for each in share.users) or _tr("nobody")


class ShareModel(CheckedRows[ShareRow]):
    """The shares of this peer; the box is whether it is on. STATE_ROLE: one of STATES."""

    columns = ShareColumn

    def key(self, row: ShareRow) -> Hashable:
        """Return its name."""
        return row.name

    def ticked(self, row: ShareRow) -> bool:
        """Return whether it is on."""
        return row.on

    def state(self, row: ShareRow) -> str:
        """Return its state."""
        return state_of(row)

    def hint(self, row: ShareRow) -> str:
        """Say how it is doing."""
        said = share_words(row, users_words(row, self.scene.name_of))
        return said if row.permanent else f"{said}\n{_tr('It is shared until Grapevine ends.')}"


class OfferColumn(Columns):
    """What is shown of a service that another peer offers."""

    NAME = Column[OfferRow]("Name", lambda offer, _scene: offer.name)
    WHAT = Column[OfferRow]("What", lambda offer, _scene: kind_words(offer.kind))
    SAYS = Column[OfferRow]("In their words", lambda offer, _scene: offer.description)


class OfferModel(RowsModel[OfferRow]):
    """What another peer offers us."""

    columns = OfferColumn

    def key(self, row: OfferRow) -> Hashable:
        """Return its name and kind."""
        return row.name, row.kind

    def hint(self, row: OfferRow) -> str:
        """Say all that the other side says."""
        return f"{row.name}\n{row.description}"


class UseColumn(Columns):
    """What is shown of a service that is open here."""

    KEPT = Column[UseRow](
        "At login", lambda _use, _scene: "", about="Open this again whenever Grapevine starts, as at your login"
    )
    SERVICE = Column[UseRow]("Service", lambda use, _scene: use.service)
    WHOSE = Column[UseRow]("Whose", lambda use, scene: whose(use, scene))
    WHERE = Column[UseRow]("Where", lambda use, _scene: use.where)
    STATE = Column[UseRow]("State", lambda use, _scene: use.problem or _tr(OPEN))


def whose(use: UseRow, scene: Scene) -> str:
    """Return what a person calls the peer whose service this is."""
    return scene.name_of(use.peer_id) or use.peer


class UseModel(CheckedRows[UseRow]):
    """Services of others that are open here; the box is whether they are opened at the next start."""

    columns = UseColumn

    def __init__(
        self, is_kept: Callable[[UseRow], bool], parent: QObject | None = None, *, name_of: Callable[[PeerId], str]
    ) -> None:
        super().__init__(parent, name_of=name_of)
        self._is_kept = is_kept

    def key(self, row: UseRow) -> Hashable:
        """Return where it is."""
        return row.where

    def ticked(self, row: UseRow) -> bool:
        """Return whether it is opened at the next start."""
        return self._is_kept(row)

    def state(self, row: UseRow) -> str:
        """Return OPEN or TROUBLE."""
        return TROUBLE if row.problem else OPEN

    def hint(self, row: UseRow) -> str:
        """Say where it is, and what is wrong."""
        return f"{row.where}\n{row.problem}" if row.problem else row.where

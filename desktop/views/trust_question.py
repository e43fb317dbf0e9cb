"""A damaged list of known peers: who would be let in again, and whether. Cancel, Escape and Enter let nobody in."""

from collections.abc import Callable
from typing import Final

from PySide6.QtCore import QCoreApplication
from PySide6.QtWidgets import QWidget

from core.news.events import PeerSnapshot
from core.trust.entries import EVERY, KnownPeer
from desktop.models.words import count
from desktop.views.contract import BridgeLike
from desktop.views.sheets import Question

MOST_NAMED: Final = 12  # peers; the number of the others is said


def _tr(text: str) -> str:
    return QCoreApplication.translate("trust_question", text)


class TrustQuestion:
    """Says once that the list is damaged, asks when the window is there to ask in, and again when it is asked for."""

    def __init__(self, window: QWidget, bridge: BridgeLike, say: Callable[[str], None]) -> None:
        self._window = window
        self._bridge = bridge
        self._say = say
        self._problem: str | None = None  # as it was said
        self._asked: str | None = None  # as it was asked about
        self._open: Question | None = None

    def show_snapshot(self, snapshot: PeerSnapshot) -> None:
        """Take what is so now. A question about what is no longer so goes."""
        problem = snapshot.trust_problem
        if problem != self._problem:
            self._problem = problem
            if problem:
                self._say(problem)
            elif self._open is not None:
                self._open.reject()
        if problem and problem != self._asked and self._window.isVisible():  # else it started in the tray
            self.ask()

    def ask(self) -> None:
        """Ask, or bring the question that is open to the front."""
        snapshot = self._bridge.snapshot()
        if snapshot is None or not snapshot.trust_problem:
            return
        self._asked = snapshot.trust_problem
        if self._open is None:
            self._open = Question(
                self._window, _tr("Damaged list of known peers"), _tr("Let these peers call again?"),
                words(snapshot.trust_problem, snapshot.trust_recoverable), _tr("Use this list"),
                self._bridge.confirm_trust,
            )  # fmt: skip
            self._open.setObjectName("damaged-list")
            self._open.finished.connect(self._closed)
            self._open.open()
        self._open.raise_()

    def _closed(self, _result: int) -> None:
        self._open = None


def words(problem: str, recoverable: tuple[KnownPeer, ...]) -> str:
    """Return what is wrong, and who could do what if the list that could be read held again."""
    friends = [peer for peer in recoverable if not peer.blocked]
    blocked = len(recoverable) - len(friends)
    named = [_tr("{name} may call {services}").format(name=_name(each), services=_services(each)) for each in friends]
    lines = [f"{problem.rstrip('.')}.", *(f"{each}." for each in named[:MOST_NAMED])]
    if len(named) > MOST_NAMED:
        lines.append(_tr("And {peers} more.").format(peers=count(len(named) - MOST_NAMED, _tr("peer"), _tr("peers"))))
    if not friends:
        lines.append(_tr("No friend could be read: the list would be empty."))
    if blocked:
        lines.append(count(blocked, _tr("peer stays blocked."), _tr("peers stay blocked.")))
    lines.append(_tr("Until you decide, nobody may call. You can decide later: Peer, Damaged list of known peers."))
    return "\n".join(lines)


def _name(peer: KnownPeer) -> str:
    """Return the name with the whole ID: the file may have been changed by somebody, and beginnings look alike."""
    return f"{peer.name[:40]} ({peer.peer_id})" if peer.name else str(peer.peer_id)


def _services(peer: KnownPeer) -> str:
    if peer.services == EVERY:
        return _tr("everything that is shared")
    return ", ".join(sorted(peer.services))[:80] or _tr("nothing")

"""When the question about the public DHT is asked: once somebody is known or invited, and nothing else is asked.

And when our door there is looked at often: while the window is open.
"""

from PySide6.QtCore import QEvent, QObject

from core.news.events import PeerSnapshot
from desktop.choices import Choices
from desktop.views.contract import BridgeLike
from desktop.views.main_window import MainWindow
from desktop.views.public_dht_question import PublicDhtQuestion
from desktop.views.welcome import WelcomeStrip


def ask_when_wanted(window: MainWindow, bridge: BridgeLike, choices: Choices) -> None:
    """Ask at the start of this run, if it was never answered: later it would move what is under the pointer."""

    def look(snapshot: PeerSnapshot | None) -> None:
        if snapshot is None or snapshot.identity.peer_id is None:
            return  # the peer is not open yet
        bridge.snapshot_changed.disconnect(look)
        welcome = any(not strip.isHidden() for strip in window.findChildren(WelcomeStrip))
        people = snapshot.known_peers or snapshot.invitations.rows
        if people and not welcome and choices.current.mainline == "unset":
            window.put_above_pages(PublicDhtQuestion(window.people.inviting.theme, answer))

    def answer(yes: bool) -> None:
        choices.replace(mainline="on" if yes else "off")

    bridge.snapshot_changed.connect(look)


class Attention(QObject):
    """Tells the bridge whether somebody can see the window: shown, and not minimised."""

    def __init__(self, window: MainWindow, bridge: BridgeLike) -> None:
        super().__init__(window)
        self._window = window
        self._bridge = bridge
        window.installEventFilter(self)
        self._tell()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Look, and let everything pass."""
        if event.type() in (QEvent.Type.Show, QEvent.Type.Hide, QEvent.Type.WindowStateChange):
            self._tell()
        return False

    def _tell(self) -> None:
        self._bridge.attend(self._window.isVisible() and not self._window.isMinimized())

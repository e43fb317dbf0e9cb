"""A strip above the pages: who asks for a service it may not call, and the answers. Never a window of its own."""

from PySide6.QtCore import Signal
from PySide6.QtGui import QAccessible, QAccessibleEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QWidget

from core.news.events import PeerSnapshot
from core.trust.entries import Key
from desktop.icons import icon
from desktop.models.people import waiting_words
from desktop.theme import Theme, ThemeSource
from desktop.views.answers import Answers
from desktop.views.contract import BridgeLike
from desktop.views.fields import Lines

ICON = 20  # pixels


class PendingStrip(QFrame):
    """Shows the newest request that waits; hidden while none does.

    Signals:
        all_wanted(): show all that wait.
    """

    all_wanted = Signal()

    def __init__(self, bridge: BridgeLike, theme: ThemeSource, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("banner")
        self._told: Key | None = None
        self._aside = False
        self._icon = QLabel()
        self._text = Lines(2)
        self._narrow = False
        self.answers = Answers(bridge)
        self._all = QPushButton(self.tr("Show all"))
        self._all.setAccessibleName(self.tr("Show all requests that wait"))
        self._all.clicked.connect(self.all_wanted)
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 6, 8, 6)
        row.setSpacing(10)
        for widget in (self._icon, self._text, self.answers, self._all):
            row.addWidget(widget)
        row.setStretchFactor(self._text, 1)
        self.hide()
        theme.changed.connect(self._retheme)
        self._retheme(theme.theme)

    def show_snapshot(self, snapshot: PeerSnapshot) -> None:
        """Show who waits in a snapshot. One that is new is said by a screen reader."""
        pending = snapshot.pending
        words = waiting_words(pending, snapshot.known_peers)
        if words != self._text.text():
            self._text.setText(words)
            self.setAccessibleName(words)
        self.answers.show_request(pending[-1] if pending else None)
        self._all.setVisible(len(pending) > 1 or self._narrow)
        self.setVisible(bool(pending) and not self._aside)
        newest = pending[-1].key if pending else None
        if newest != self._told:
            self._told = newest
            if newest is not None:
                QAccessible.updateAccessibility(QAccessibleEvent(self, QAccessible.Event.Alert))

    def set_aside(self, aside: bool) -> None:
        """Hide while the page that shows all who wait is there anyway."""
        self._aside = aside
        self.setVisible(bool(self._text.text()) and not aside)

    def set_narrow(self, narrow: bool) -> None:
        """Leave the answers to the page of people where there is no room for them."""
        self._narrow = narrow
        self.answers.setVisible(not narrow)
        self._all.setVisible(narrow or self._all.isVisibleTo(self))

    def text(self) -> str:
        """Return what is said, or nothing."""
        return "" if self.isHidden() else self._text.text()

    def _retheme(self, theme: Theme) -> None:
        self._icon.setPixmap(icon("asking", theme.accent).pixmap(ICON))

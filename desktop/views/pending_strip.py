"""A strip above the pages: who asks for a service it may not call, its whole ID, and the answers.

Its place (`notice.py`) is always there: what is below never moves when somebody asks. It stays with the request it
shows until that is answered, however many others come; and when another takes its place, the answers rest for a moment,
so that a click meant for the one never answers the other.
"""

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QAccessible, QAccessibleEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from core.news.events import PeerSnapshot
from core.trust.entries import Key, Pending
from desktop.icons import icon
from desktop.models.lookalike import warning
from desktop.models.people import asking_words
from desktop.theme import Theme, ThemeSource, fixed_font
from desktop.views.answers import Answers
from desktop.views.contract import BridgeLike
from desktop.views.fields import Lines
from desktop.views.parts import PlainLabel

ICON = 20  # pixels
ID_CHARACTERS = 63  # of an ID with its dashes
ID_SCALE = 0.92  # of the usual size: the whole ID and all answers fit beside each other in 740 pixels
REST_MS = 500  # milliseconds that the answers rest when another request is shown: a double click is over by then


class PendingStrip(QFrame):
    """Shows one request that waits; hidden while none does.

    Signals:
        all_wanted(): show all that wait.
        shape_changed(): it needs another room now; while it is hidden, Qt tells nobody of that.
    """

    all_wanted = Signal()
    shape_changed = Signal()

    def __init__(self, bridge: BridgeLike, theme: ThemeSource, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("banner")
        self._shown: Pending | None = None
        self._told: Key | None = None
        self._aside = False
        self._narrow = False
        self._icon = PlainLabel()
        self._text = Lines(1)
        self._id = PlainLabel()
        self._id.setFont(fixed_font())
        self._id.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        font = self._id.font()
        font.setPointSizeF(font.pointSizeF() * ID_SCALE)
        self._id.setFont(font)
        self._id.setMinimumWidth(self._id_width())
        self._id.setFixedHeight(self._id.fontMetrics().height() + 2)  # with or without an ID
        self.answers = Answers(bridge)
        self._all = QPushButton(self.tr("Show all"))
        self._all.setAccessibleName(self.tr("Show all requests that wait"))
        self._all.clicked.connect(self.all_wanted)
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(REST_MS)
        self._rest.timeout.connect(lambda: self.answers.setEnabled(True))
        self._lay_out()
        theme.changed.connect(self._retheme)
        self._retheme(theme.theme)
        self.hide()

    def _lay_out(self) -> None:
        upper = QHBoxLayout()
        upper.setSpacing(10)
        upper.addWidget(self._icon)
        upper.addWidget(self._text, 1)
        upper.addWidget(self._all)
        lower = QHBoxLayout()
        lower.setSpacing(10)
        lower.addWidget(self._id)
        lower.addStretch(1)
        lower.addWidget(self.answers)
        column = QVBoxLayout(self)
        column.setContentsMargins(12, 4, 8, 4)
        column.setSpacing(2)
        column.addLayout(upper)
        column.addLayout(lower)
        policy = self._all.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self._all.setSizePolicy(policy)

    def show_snapshot(self, snapshot: PeerSnapshot) -> None:
        """Show who waits in a snapshot. One that is new is said by a screen reader."""
        before = self._shown.key if self._shown is not None else None
        kept = next((asked for asked in snapshot.pending if asked.key == before), None)
        asked = kept or (snapshot.pending[-1] if snapshot.pending else None)
        self._shown = asked
        if asked is None:
            self._told = None
            self._draw("", "")
            return
        others = len(snapshot.pending) - 1
        careful = warning(asked.peer_id, snapshot.known_peers)
        words = asking_words(asked, snapshot.known_peers, others)
        self._all.setVisible(others > 0 or self._narrow)
        self._draw(f"{careful} {words}" if careful else words, str(asked.peer_id))
        if asked.key != self._told:
            self._told = asked.key
            self._let_rest()
            QAccessible.updateAccessibility(QAccessibleEvent(self, QAccessible.Event.Alert))

    def set_aside(self, aside: bool) -> None:
        """Hide while the page that shows all who wait is there anyway."""
        self._aside = aside
        self.setVisible(bool(self._text.text()) and not aside)

    def set_narrow(self, narrow: bool) -> None:
        """Leave the answers to the page of people where there is no room for them beside the whole ID."""
        if narrow == self._narrow:
            return
        self._narrow = narrow
        self.answers.setVisible(not narrow)
        self._id.setMinimumWidth(0 if narrow else self._id_width())
        self._all.setVisible(narrow or self._all.isVisibleTo(self))
        self.shape_changed.emit()

    def text(self) -> str:
        """Return what is said, or nothing."""
        return "" if self.isHidden() else self._text.text()

    def shown_id(self) -> str:
        """Return the whole ID that is shown, or nothing."""
        return "" if self.isHidden() else self._id.text()

    def _id_width(self) -> int:
        return self._id.fontMetrics().horizontalAdvance("W" * ID_CHARACTERS)

    def _draw(self, words: str, whole_id: str) -> None:
        if self._text.text() != words:
            self._text.setText(words)
            self.setAccessibleName(words)
        if self._id.text() != whole_id:
            self._id.setText(whole_id)
            self._id.setToolTip(whole_id)
            self._id.setAccessibleName(self.tr("Peer ID {id}").format(id=whole_id))
        self.answers.show_request(self._shown)
        self.setVisible(bool(words) and not self._aside)

    def _let_rest(self) -> None:
        focus = self.window().focusWidget()
        if focus is not None and self.answers.isAncestorOf(focus):
            self._id.setFocus(Qt.FocusReason.OtherFocusReason)  # Space must not answer the next one
        self.answers.setEnabled(False)
        self._rest.start()

    def _retheme(self, theme: Theme) -> None:
        self._icon.setPixmap(icon("asking", theme.accent).pixmap(ICON))

"""The top of the window: how this peer stands, in words; who it is; and the addresses that others can use."""

from dataclasses import replace

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QFont, QGuiApplication
from PySide6.QtWidgets import QFrame, QHBoxLayout, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from core.news.events import GrapeState, IdentitySnapshot, PeerSnapshot
from desktop.icons import icon
from desktop.models.standing import Place, Standing, best_address, places, standing
from desktop.theme import Theme, ThemeSource, fixed_font
from desktop.views.fields import Lines, Roomy, plain_tip
from desktop.views.flow import FlowRow
from desktop.views.parts import PlainLabel

ICON = 18  # pixels
TITLE_SIZE = 1.15  # of the window's font
TITLE_CHARACTERS = 40  # kept free for the title, so that the ID beside it stays put when the words change
ADDRESS = "255.255.255.255:65535"  # the longest one; its place is kept
PLACES = 2  # addresses shown
NO_ID = "\N{EN DASH}"


class AddressLabel(QWidget):
    """One address by its name, with a button that copies it. It takes the same room whatever the address."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._address = ""
        self.name = PlainLabel()
        self.name.setObjectName("muted")
        self.value = PlainLabel()
        self.value.setTextFormat(Qt.TextFormat.PlainText)
        self.value.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.button = QToolButton()
        self.button.clicked.connect(self.copy)
        policy = self.button.sizePolicy()
        policy.setRetainSizeWhenHidden(True)  # the row keeps its height
        self.button.setSizePolicy(policy)
        self._fonts = (self.font(), fixed_font())
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(6)
        for widget in (self.name, self.value, self.button):
            row.addWidget(widget)
        row.addStretch()
        self.keep_room()
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)

    def keep_room(self) -> None:
        """Measure the longest address, with the longest of the names: under another style they are wider."""
        shown = self.name.text(), self.value.text()
        self.name.setText(self.tr("From your provider"))
        self.value.setText(ADDRESS)
        self.value.setFont(self._fonts[1])
        self.setMinimumSize(self.sizeHint())
        self.name.setText(shown[0])
        self.value.setText(shown[1])
        self.value.setFont(self._fonts[bool(self._address)])  # what the label says now may be of the style before

    def show_place(self, place: Place) -> None:
        """Show this address, or why there is none."""
        self._address = str(place.address) if place.address is not None else ""
        self.name.setText(place.name)
        self.value.setFont(self._fonts[bool(self._address)])
        self.value.setText(place.shown())
        self.setAccessibleName(f"{place.name}: {place.shown()}")
        self.setAccessibleDescription(place.hint)
        self.setToolTip(plain_tip(place.hint))
        self.button.setVisible(bool(self._address))
        self.button.setToolTip(self.tr("Copy this address"))
        self.button.setAccessibleName(self.tr("Copy the address: {name}").format(name=place.name))

    def copy(self) -> None:
        """Put the address on the clipboard."""
        if self._address:
            QGuiApplication.clipboard().setText(self._address)


class HeaderView(QFrame):
    """How this peer stands, and its Peer ID. `details` has why, and the addresses: the window gives it its place.

    Signals:
        identity_wanted(): show all there is about the identity.
    """

    identity_wanted = Signal()

    def __init__(self, theme: ThemeSource, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme.theme
        self._standing = standing(None)
        self._best = ""
        self._peer_id = ""
        self._icon = PlainLabel()
        self._title = Lines(1)
        font = QFont(self.font())
        font.setPointSizeF(font.pointSizeF() * TITLE_SIZE)
        font.setWeight(QFont.Weight.DemiBold)
        self._title.setFont(font)
        self._icon.setFixedSize(ICON, self._title.fontMetrics().lineSpacing())
        self.explanation = Lines(2)
        self.explanation.setObjectName("muted")
        self._id_name = PlainLabel(self.tr("Peer ID"))
        self._id_name.setObjectName("muted")
        self._id = PlainLabel()
        self._id.setFont(fixed_font())
        self._id.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._id.setMinimumWidth(self._id.fontMetrics().horizontalAdvance("W" * 7) + 2)
        self._copy_id = _button(self.tr("Copy this peer's ID"), self.tr("Copy the whole Peer ID (Ctrl+K)"))
        self._copy_id.clicked.connect(self.copy_id)
        hint = self.tr("My identity: the whole ID, also as a QR code; export, import, renew (Ctrl+I)")
        self._show_id = _button(self.tr("My identity"), hint)
        self._show_id.clicked.connect(self.identity_wanted)
        self._places = tuple(AddressLabel() for _ in range(PLACES))
        self._lay_out()
        theme.changed.connect(self._retheme)
        for place in self._places:
            theme.laid.connect(place.keep_room)
        self.show_snapshot(None)
        self._retheme(theme.theme)

    def _lay_out(self) -> None:
        status = Roomy(ICON + 8 + TITLE_CHARACTERS * self._title.fontMetrics().averageCharWidth())
        left = QHBoxLayout(status)
        left.setContentsMargins(0, 0, 0, 0)
        left.setSpacing(8)
        left.addWidget(self._icon, 0, Qt.AlignmentFlag.AlignVCenter)
        left.addWidget(self._title, 1)
        who = QWidget()
        right = QHBoxLayout(who)
        right.setContentsMargins(0, 0, 0, 0)
        right.setSpacing(6)
        for widget in (self._id_name, self._id, self._copy_id, self._show_id):
            right.addWidget(widget)
        upper = FlowRow()
        upper.addWidget(status)
        upper.addStretch()
        upper.addWidget(who)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(upper)
        places = FlowRow()
        places.setSpacing(18)
        for place in self._places:
            places.addWidget(place)
        self.details = QWidget()
        below = QVBoxLayout(self.details)
        below.setContentsMargins(0, 0, 0, 0)
        below.setSpacing(2)
        below.addWidget(self.explanation)
        below.addLayout(places)
        below.addStretch()

    def set_lines(self, lines: int) -> None:
        """Take so many lines for the explanation."""
        self.explanation.set_lines(lines)

    def show_snapshot(self, snapshot: PeerSnapshot | None) -> None:
        """Show how the peer of a snapshot stands; None before the first."""
        self._show_identity(snapshot)
        for label, place in zip(self._places, places(snapshot), strict=True):
            label.show_place(place)
        best = best_address(snapshot)
        self._best = str(best) if best is not None else ""
        stands = standing(snapshot)
        identity = snapshot.identity if snapshot is not None else IdentitySnapshot()
        if identity.peer_id is None and identity.message:  # a key that cannot be opened comes before all else
            stands = replace(stands, text=f"{identity.message} {stands.text}")
        if stands != self._standing or not self._title.text():
            self._standing = stands
            self._title.setText(stands.title)
            self.explanation.setText(stands.text)
            self._draw()

    def _show_identity(self, snapshot: PeerSnapshot | None) -> None:
        identity = snapshot.identity if snapshot is not None else IdentitySnapshot()
        there = identity.peer_id is not None
        self._peer_id = str(identity.peer_id) if there else ""
        short = identity.peer_id.short if identity.peer_id is not None else NO_ID
        self._id.setText(short)
        self._id.setAccessibleName(self.tr("Peer ID {id}").format(id=short) if there else self.tr("No Peer ID yet"))
        waiting = self.tr("No Peer ID yet: your key is being opened.")
        self._id.setToolTip(plain_tip(self._peer_id if there else identity.message or waiting))
        self._copy_id.setEnabled(there)

    def peer_id(self) -> str:
        """Return the Peer ID that the copy button copies, or nothing."""
        return self._peer_id

    def copy_id(self) -> None:
        """Put the whole Peer ID on the clipboard."""
        if self._peer_id:
            QGuiApplication.clipboard().setText(self._peer_id)

    def address(self) -> str:
        """Return the address that most others can use, or nothing."""
        return self._best

    def addresses(self) -> tuple[str, ...]:
        """Return what is said about each address."""
        return tuple(label.accessibleName() for label in self._places)

    def words(self) -> str:
        """Return all that is said about how this peer stands."""
        return f"{self._title.text()}. {self.explanation.text()}"

    def standing(self) -> Standing:
        """Return how this peer stands, as it is shown."""
        return self._standing

    def copy_address(self) -> None:
        """Put the address that most others can use on the clipboard."""
        if self._best:
            QGuiApplication.clipboard().setText(self._best)

    def _draw(self) -> None:
        colours = {
            GrapeState.STARTING: self._theme.info,
            GrapeState.ALONE: self._theme.warn,
            GrapeState.CONNECTED: self._theme.good,
            GrapeState.UNREACHABLE: self._theme.warn,
            GrapeState.NO_NETWORK: self._theme.warn,
        }
        state = self._standing.state
        drawn = GrapeState.UNREACHABLE if state is GrapeState.NO_NETWORK else state
        self._icon.setPixmap(icon(f"grape-{drawn.value}", colours[state]).pixmap(ICON))

    def _retheme(self, theme: Theme) -> None:
        self._theme = theme
        for button in (self._copy_id, *(label.button for label in self._places)):
            button.setIcon(icon("copy", theme.text, theme.edge))
        self._show_id.setIcon(icon("qr", theme.text, theme.edge))
        self._draw()


def _button(name: str, hint: str) -> QToolButton:
    button = QToolButton()
    button.setAccessibleName(name)
    button.setToolTip(hint)
    return button

"""The top of the window: who this peer is, where it is, and how its grape is doing, in words."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QFont, QGuiApplication
from PySide6.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QLabel, QSizePolicy, QToolButton, QWidget

from core.news.events import GrapeSnapshot, GrapeState, IdentitySnapshot, PeerSnapshot
from desktop.icons import icon
from desktop.models.words import count
from desktop.theme import Theme, ThemeSource, fixed_font

LOOPBACK = "127."  # what peers on this computer see; of no use to anybody else
ANY_HOST = "0.0.0.0"  # how a socket says "every network interface"
ICON = 18  # pixels
TEXT_LINES = 2  # kept free for the grape's words, so that what is below stays put when they change under the pointer


def grape_title(grape: GrapeSnapshot) -> str:
    """Return the grape's state in a few words."""
    match grape.state:
        case GrapeState.STARTING:
            return "Grape: starting"
        case GrapeState.ALONE:
            return "Grape: alone"
        case GrapeState.UNREACHABLE:
            return "Grape: unreachable"
        case _:
            return f"Grape: {count(grape.nodes, 'node')}"


def address_words(snapshot: PeerSnapshot | None) -> tuple[str, str]:
    """Return the address to show and copy ("" while there is none) and the line under it."""
    if snapshot is None or snapshot.address is None:
        return "", "This peer is opening its UDP port"
    if snapshot.observed is not None and not snapshot.observed.host.startswith(LOOPBACK):
        return str(snapshot.observed), f"This peer, as others see it. On this computer: {snapshot.address}"
    if snapshot.address.host == ANY_HOST:
        return str(snapshot.address), "This peer, on all networks of this computer. Its outer address is not known yet."
    return str(snapshot.address), "This peer. Its outer address is not known yet."


class HeaderView(QFrame):
    """Peer ID and address, each with a copy button, and the grape.

    Signals:
        identity_wanted(): show all there is about the identity.
    """

    identity_wanted = Signal()

    def __init__(self, theme: ThemeSource, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme.theme
        self._grape: GrapeSnapshot | None = None
        self._peer_id = ""
        self._id = QLabel()
        self._id.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._copy_id = QToolButton()
        self._copy_id.setToolTip(self.tr("Copy the whole Peer ID (Ctrl+K)"))
        self._copy_id.setAccessibleName(self.tr("Copy this peer's ID"))
        self._copy_id.clicked.connect(self.copy_id)
        self._show_id = QToolButton()
        self._show_id.setToolTip(self.tr("The whole ID, as a QR code too; export, import, renew (Ctrl+I)"))
        self._show_id.setAccessibleName(self.tr("Show who this peer is"))
        self._show_id.clicked.connect(self.identity_wanted)
        self._id_below = _muted()
        self._address = QLabel()
        self._address.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        font = fixed_font(self.font().pointSizeF() * 1.35)
        font.setWeight(QFont.Weight.DemiBold)
        self._address.setFont(font)
        self._id.setFont(font)
        self._copy = QToolButton()
        self._copy.setToolTip(self.tr("Copy the address (Ctrl+Shift+C)"))
        self._copy.setAccessibleName(self.tr("Copy this peer's address"))
        self._copy.clicked.connect(self.copy_address)
        self._below = _muted()
        self._grape_icon = QLabel()
        self._grape_title = QLabel()
        self._grape_title.setObjectName("heading")
        self._grape_text = _muted()
        self._lay_out()
        self.show_snapshot(None)
        theme.changed.connect(self._retheme)
        self._retheme(theme.theme)

    def _lay_out(self) -> None:
        id_top = QHBoxLayout()
        id_top.setSpacing(2)
        for widget in (self._id, self._copy_id, self._show_id):
            id_top.addWidget(widget)
        id_top.addStretch()
        left_top = QHBoxLayout()
        left_top.setSpacing(4)
        left_top.addWidget(self._address)
        left_top.addWidget(self._copy)
        left_top.addStretch()
        right_top = QHBoxLayout()
        right_top.setSpacing(8)
        right_top.addWidget(self._grape_icon)
        right_top.addWidget(self._grape_title)
        right_top.addStretch()
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 4, 0, 2)
        grid.setHorizontalSpacing(10)
        grid.setVerticalSpacing(1)
        grid.setRowMinimumHeight(1, TEXT_LINES * self.fontMetrics().lineSpacing())
        parts = ((id_top, self._id_below, 2), (left_top, self._below, 3), (right_top, self._grape_text, 3))
        for column, (top, below, stretch) in enumerate(parts):
            grid.addLayout(top, 0, column)
            grid.addWidget(below, 1, column, Qt.AlignmentFlag.AlignTop)
            grid.setColumnStretch(column, stretch)
            grid.setColumnMinimumWidth(column, 120 * stretch - 60)

    def show_snapshot(self, snapshot: PeerSnapshot | None) -> None:
        """Show address and grape of a snapshot; None before the first."""
        self._show_identity(snapshot)
        address, below = address_words(snapshot)
        self._address.setText(address or self.tr("Starting"))
        self._address.setAccessibleName(f"This peer's address: {address or 'not known yet'}")
        self._copy.setEnabled(bool(address))
        self._below.setText(below)
        grape = snapshot.grape if snapshot is not None else None
        if grape != self._grape or grape is None:
            self._grape = grape
            self._grape_title.setText(grape_title(grape) if grape is not None else "Grape: starting")
            self._grape_text.setText(grape.message if grape is not None else "The window comes up first.")
            self._draw_grape()

    def _show_identity(self, snapshot: PeerSnapshot | None) -> None:
        identity = snapshot.identity if snapshot is not None else IdentitySnapshot()
        self._peer_id = str(identity.peer_id) if identity.peer_id is not None else ""
        short = identity.peer_id.short if identity.peer_id is not None else "\N{EN DASH}"
        self._id.setText(short)
        self._id.setAccessibleName(f"Peer ID {short}" if self._peer_id else "No Peer ID yet")
        self._copy_id.setEnabled(bool(self._peer_id))
        unknown = identity.message or "Your key is being opened."
        self._id_below.setText("Your Peer ID, shortened." if self._peer_id else unknown)

    def peer_id(self) -> str:
        """Return the Peer ID that the copy button copies, or nothing."""
        return self._peer_id

    def copy_id(self) -> None:
        """Put the whole Peer ID on the clipboard."""
        if self._peer_id:
            QGuiApplication.clipboard().setText(self._peer_id)

    def address(self) -> str:
        """Return the address that the copy button copies, or nothing."""
        return self._address.text() if self._copy.isEnabled() else ""

    def grape_words(self) -> str:
        """Return all that is said about the grape."""
        return f"{self._grape_title.text()}. {self._grape_text.text()}"

    def copy_address(self) -> None:
        """Put the peer's address on the clipboard."""
        if self.address():
            QGuiApplication.clipboard().setText(self.address())

    def _draw_grape(self) -> None:
        state = self._grape.state if self._grape is not None else GrapeState.STARTING
        colours = {
            GrapeState.STARTING: self._theme.info,
            GrapeState.ALONE: self._theme.accent,
            GrapeState.CONNECTED: self._theme.good,
            GrapeState.UNREACHABLE: self._theme.warn,
        }
        self._grape_icon.setPixmap(icon(f"grape-{state.value}", colours[state]).pixmap(ICON))

    def _retheme(self, theme: Theme) -> None:
        self._theme = theme
        for button in (self._copy, self._copy_id):
            button.setIcon(icon("copy", theme.text, theme.edge))
        self._show_id.setIcon(icon("qr", theme.text, theme.edge))
        self._draw_grape()


def _muted() -> QLabel:
    label = QLabel()
    label.setObjectName("muted")
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
    return label

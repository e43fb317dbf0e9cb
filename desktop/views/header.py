"""The top of the window: where this peer is, and how its grape is doing, in words."""

from PySide6.QtCore import Qt
from PySide6.QtGui import QFont, QGuiApplication
from PySide6.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QLabel, QSizePolicy, QToolButton, QWidget

from core.events import GrapeSnapshot, GrapeState, PeerSnapshot
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
    """Address with a copy button on the left, the grape on the right."""

    def __init__(self, theme: ThemeSource, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme.theme
        self._grape: GrapeSnapshot | None = None
        self._address = QLabel()
        self._address.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        font = fixed_font(self.font().pointSizeF() * 1.35)
        font.setWeight(QFont.Weight.DemiBold)
        self._address.setFont(font)
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
        for column, (top, below) in enumerate(((left_top, self._below), (right_top, self._grape_text))):
            grid.addLayout(top, 0, column)
            grid.addWidget(below, 1, column, Qt.AlignmentFlag.AlignTop)
            grid.setColumnStretch(column, 1)
            grid.setColumnMinimumWidth(column, 280)

    def show_snapshot(self, snapshot: PeerSnapshot | None) -> None:
        """Show address and grape of a snapshot; None before the first."""
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
        self._copy.setIcon(icon("copy", theme.text, theme.edge))
        self._draw_grape()


def _muted() -> QLabel:
    label = QLabel()
    label.setObjectName("muted")
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
    return label

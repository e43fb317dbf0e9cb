"""A calm message above the content: read, then dismissed. Never a window of its own."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAccessible, QAccessibleEvent, QKeyEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QToolButton, QWidget

from desktop.icons import icon
from desktop.theme import Theme, ThemeSource
from desktop.views.fields import Lines
from desktop.views.parts import PlainLabel

MAX_CHARACTERS = 600  # a message is a sentence or two; anything longer is cut
ICON = 20  # pixels
LINES = 2  # of a message; the rest of a longer one is its tooltip


class Banner(QFrame):
    """Shows the newest message; hidden while there is none.

    Signals:
        dismissed(): the user closed it.
    """

    dismissed = Signal()

    def __init__(self, theme: ThemeSource, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("banner")
        self._icon = PlainLabel()
        self._text = Lines(LINES)
        self._text.setAlignment(Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeading)
        self._close = QToolButton()
        self._close.setAccessibleName(self.tr("Dismiss this message"))
        self._close.setToolTip(self.tr("Dismiss (Esc)"))
        self._close.clicked.connect(self.dismiss)
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 5, 6, 5)
        row.setSpacing(10)
        row.addWidget(self._icon)
        row.addWidget(self._text, 1)
        row.addWidget(self._close, 0, Qt.AlignmentFlag.AlignTop)
        self.hide()
        theme.changed.connect(self._retheme)
        self._retheme(theme.theme)

    def show_message(self, text: str) -> None:
        """Show a message in place of the last one, and let a screen reader say it."""
        self._text.setText(text[:MAX_CHARACTERS])
        self.setAccessibleName(self._text.text())
        self.setVisible(bool(text))
        if text:
            QAccessible.updateAccessibility(QAccessibleEvent(self, QAccessible.Event.Alert))

    def set_lines(self, lines: int) -> None:
        """Take so many lines for a message."""
        self._text.set_lines(lines)

    def message(self) -> str:
        """Return what is shown, or nothing."""
        return "" if self.isHidden() else self._text.text()

    def dismiss(self) -> None:
        """Hide the message."""
        if not self.isHidden():
            self.hide()
            self.dismissed.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Dismiss on Escape."""
        if event.key() == Qt.Key.Key_Escape:
            self.dismiss()
            return
        super().keyPressEvent(event)

    def _retheme(self, theme: Theme) -> None:
        self._icon.setPixmap(icon("info", theme.accent).pixmap(ICON))
        self._close.setIcon(icon("close", theme.text))

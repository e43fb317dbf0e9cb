"""A QR code as a widget: crisp at any size, dark on white in every theme, with the quiet zone that readers need."""

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPalette
from PySide6.QtWidgets import QWidget

QUIET = 4  # modules of white around the code (ISO/IEC 18004 section 5.3.8)
RADIUS, ROOM = 8, 16  # pixels: the corners of the empty frame, and the room around its words
SIDE = 240  # pixels; a telephone reads it from half a metre


class QrCode(QWidget):
    """Shows a text as a QR code; for no text an empty frame of the same size, with `waiting` in it."""

    def __init__(self, text: str = "", parent: QWidget | None = None, *, waiting: str = "") -> None:
        super().__init__(parent)
        self._waiting = waiting
        self._rows: list[bytes] = []
        self.setFixedSize(self.sizeHint())
        self.setAccessibleName(self.tr("Peer ID as a QR code"))
        self.show_text(text)

    def show_text(self, text: str) -> None:
        """Show this text instead."""
        import segno  # 20 ms that only a window with this dialog needs

        self._rows = [bytes(row) for row in segno.make(text, error="m", micro=False).matrix] if text else []
        self.update()

    def sizeHint(self) -> QSize:
        """Return a square."""
        return QSize(SIDE, SIDE)

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Draw the modules as rectangles that touch."""
        painter = QPainter(self)
        if not self._rows:
            painter.setPen(self.palette().color(QPalette.ColorRole.PlaceholderText))
            painter.drawRoundedRect(self.rect().adjusted(0, 0, -1, -1), RADIUS, RADIUS)
            words = self.rect().adjusted(ROOM, ROOM, -ROOM, -ROOM)
            painter.drawText(words, Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap, self._waiting)
        else:
            painter.fillRect(self.rect(), Qt.GlobalColor.white)
            side = min(self.width(), self.height()) / (len(self._rows) + 2 * QUIET)
            for y, row in enumerate(self._rows):
                for x, dark in enumerate(row):
                    if dark:
                        # a hair larger, so that no line of light stays between two at fractional sizes
                        place = QRectF((x + QUIET) * side, (y + QUIET) * side, side + 0.25, side + 0.25)
                        painter.fillRect(place, Qt.GlobalColor.black)
        painter.end()

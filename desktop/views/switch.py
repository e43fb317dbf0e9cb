"""A switch: a track, a knob and its words. A check box to assistive technology, and to the keyboard (Space)."""

from PySide6.QtCore import QEasingCurve, QPointF, QRectF, QSize, Qt, QVariantAnimation
from PySide6.QtGui import QColor, QFont, QPainter, QPaintEvent, QPalette, QPen
from PySide6.QtWidgets import QAbstractButton, QSizePolicy, QStyle, QWidget

SLIDE_MS = 120  # milliseconds; long enough to see which way the knob went, short enough not to wait for it
GAP = 10  # pixels between track and words
RING = 3  # pixels around the track for the focus ring


class Switch(QAbstractButton):
    """A checkable button that is drawn as a switch in the colours of the palette."""

    def __init__(self, text: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setText(text)
        self.setCheckable(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        font = self.font()
        font.setWeight(QFont.Weight.DemiBold)
        self.setFont(font)
        self._knob = 0.0  # 0 is off, 1 is on
        self._slide = QVariantAnimation(self)
        self._slide.setEasingCurve(QEasingCurve.Type.InOutQuad)
        self._slide.valueChanged.connect(self._moved)
        self.toggled.connect(self._start_slide)

    def show_state(self, on: bool) -> None:
        """Show a state that the core reports; no signal of a user's click follows."""
        if on != self.isChecked():
            self.setChecked(on)

    def sizeHint(self) -> QSize:
        """Return the room for track and words."""
        words = self.fontMetrics().horizontalAdvance(self.text().replace("&", ""))
        return QSize(self.words_offset() + words, self._track_size().height() + 2 * RING + 2)

    def words_offset(self) -> int:
        """Return where the words begin, in pixels: a second line under them can begin there too."""
        return self._track_size().width() + 2 * RING + GAP

    def minimumSizeHint(self) -> QSize:
        """Return the same: a switch without its words is a riddle."""
        return self.sizeHint()

    def _track_size(self) -> QSize:
        height = self.fontMetrics().height() + 3
        return QSize(round(height * 1.8), height)

    def _start_slide(self, on: bool) -> None:
        target = 1.0 if on else 0.0
        animated = self.isVisible() and self.style().styleHint(QStyle.StyleHint.SH_Widget_Animate, None, self)
        self._slide.stop()
        if not animated:
            self._moved(target)
            return
        self._slide.setStartValue(self._knob)
        self._slide.setEndValue(target)
        self._slide.setDuration(SLIDE_MS)
        self._slide.start()

    def _moved(self, value: object) -> None:
        self._knob = value if isinstance(value, float) else float(self.isChecked())
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw track, knob, words and, with the keyboard here, a ring."""
        del event
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        size = self._track_size()
        left = float(RING) if self.isLeftToRight() else float(self.width() - RING - size.width())
        track = QRectF(left, (self.height() - size.height()) / 2, size.width(), size.height())
        self._paint_track(painter, track)
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(self.palette().color(QPalette.ColorRole.Accent), 2))
            ring = track.adjusted(-2, -2, 2, 2)
            painter.drawRoundedRect(ring, ring.height() / 2, ring.height() / 2)
        words = self.rect().adjusted(self.words_offset(), 0, 0, 0)
        if not self.isLeftToRight():
            words = self.rect().adjusted(0, 0, -self.words_offset(), 0)
        painter.setPen(self.palette().color(QPalette.ColorRole.WindowText))
        flags = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeading | Qt.TextFlag.TextShowMnemonic
        painter.drawText(words, int(flags), self.text())

    def _paint_track(self, painter: QPainter, track: QRectF) -> None:
        role = QPalette.ColorRole
        on = self.palette().color(role.Accent if self.isEnabled() else role.Dark)
        edge = self.palette().color(role.Dark)
        track = track.adjusted(0.75, 0.75, -0.75, -0.75)
        painter.setPen(QPen(_mix(edge, on, self._knob), 1.5))
        painter.setBrush(_mix(self.palette().color(role.Base), on, self._knob))
        painter.drawRoundedRect(track, track.height() / 2, track.height() / 2)
        radius = track.height() / 2 - 3.5
        reach = track.width() - track.height()
        shift = self._knob if self.isLeftToRight() else 1 - self._knob
        centre = QPointF(track.left() + track.height() / 2 + reach * shift, track.center().y())
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(_mix(edge, self.palette().color(role.HighlightedText), self._knob))
        painter.drawEllipse(centre, radius, radius)


def _mix(first: QColor, second: QColor, share: float) -> QColor:
    """Return a colour between two; `share` 0 is the first."""
    keep = 1 - share
    return QColor.fromRgbF(
        first.redF() * keep + second.redF() * share,
        first.greenF() * keep + second.greenF() * share,
        first.blueF() * keep + second.blueF() * share,
    )

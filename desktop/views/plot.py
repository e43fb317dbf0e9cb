"""A curve of the newest values. What it shows stands in the list beside it too, and in its description."""

from collections import deque
from collections.abc import Iterable

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPainterPath, QPaintEvent, QPalette, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from desktop.models.values import MOST, ValueRow
from desktop.models.words import clock, count

PADDING = 8  # pixels around the curve
DOT = 3.0  # pixels of radius of the newest value
WIDTH = 2.0  # pixels of the curve
HEIGHT = 150  # pixels; a curve of less says little


class Plot(QWidget):
    """Draws the numbers among the values that it was given, the newest at the right."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._points: deque[tuple[float, float]] = deque(maxlen=MOST)
        self.setAccessibleName(name)
        self.setMinimumHeight(HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self._describe()

    def sizeHint(self) -> QSize:
        """Return a calm shape."""
        return QSize(420, HEIGHT)

    def add(self, rows: Iterable[ValueRow]) -> None:
        """Draw these too, the oldest first; what is no number is left out."""
        self._points.extend((row.at, row.number) for row in rows if row.number is not None)
        self._describe()
        self.update()

    def numbers(self) -> list[float]:
        """Return what is drawn, the oldest first."""
        return [number for _, number in self._points]

    def _describe(self) -> None:
        self.setAccessibleDescription(self.words())

    def words(self) -> str:
        """Return in words what is drawn."""
        numbers = self.numbers()
        if not numbers:
            return self.tr("No number has come yet.")
        said = self.tr("{values}: the newest is {last}, the least {least}, the greatest {most}.")
        values = count(len(numbers), self.tr("value"), self.tr("values"))
        return said.format(
            values=values, last=figure(numbers[-1]), least=figure(min(numbers)), most=figure(max(numbers))
        )

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the frame, the least and the greatest value, and the curve between them."""
        del event
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        role, palette = QPalette.ColorRole, self.palette()
        painter.setPen(QPen(palette.color(role.Mid), 1))
        painter.setBrush(palette.color(role.Base))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 6, 6)
        painter.setPen(palette.color(role.Text))
        line = self.fontMetrics().height()
        inner = QRectF(self.rect()).adjusted(PADDING, PADDING, -PADDING, -PADDING)
        if not self._points:
            painter.drawText(inner, int(Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap), self.words())
            return
        numbers = self.numbers()
        least, most = min(numbers), max(numbers)
        top, bottom = int(Qt.AlignmentFlag.AlignTop), int(Qt.AlignmentFlag.AlignBottom)
        painter.drawText(inner, top | int(Qt.AlignmentFlag.AlignLeft), figure(most))
        painter.drawText(inner, bottom | int(Qt.AlignmentFlag.AlignLeft), figure(least))
        newest = f"{figure(numbers[-1])}  {clock(self._points[-1][0])[:8]}"
        painter.drawText(inner, top | int(Qt.AlignmentFlag.AlignRight), newest)
        self._draw_curve(painter, inner.adjusted(0, line + 4, -DOT, -line - 4), least, most)

    def _draw_curve(self, painter: QPainter, place: QRectF, least: float, most: float) -> None:
        points = self._places(place, least, most)
        path = QPainterPath(points[0])
        for point in points[1:]:
            path.lineTo(point)
        accent = self.palette().color(QPalette.ColorRole.Accent)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(accent, WIDTH))
        painter.drawPath(path)
        painter.setBrush(accent)
        painter.drawEllipse(points[-1], DOT, DOT)

    def _places(self, place: QRectF, least: float, most: float) -> list[QPointF]:
        """Return a place for each value: equal steps in time order, since clocks of others may jump."""
        numbers = self.numbers()
        step = place.width() / max(1, len(numbers) - 1)
        start = place.right() - step * (len(numbers) - 1)
        half = most / 2 - least / 2  # halves: the distance of two great numbers may be more than a float holds
        found = []
        for at, number in enumerate(numbers):
            share = (number / 2 - least / 2) / half if half else 0.5
            found.append(
                QPointF(
                    start + step * at if len(numbers) > 1 else place.right(), place.bottom() - share * place.height()
                )
            )
        return found


def figure(number: float) -> str:
    """Return a number in six digits at most: `21.5`, `1.2e+09`."""
    return f"{number:.6g}"

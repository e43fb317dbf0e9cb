"""The map, drawn: what this peer is connected to, and punches as they fly.

The still picture is drawn once for each change of what it shows. A timer runs only while a punch is under way, and each
of its ticks repaints no more than the dots. For people who asked for less motion the way lights up instead.
"""

import time
from collections.abc import Callable, Iterable, Sequence

from PySide6.QtCore import QEvent, QPointF, QRect, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import (
    QAccessible,
    QAccessibleEvent,
    QColor,
    QFocusEvent,
    QHelpEvent,
    QHideEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPixmap,
    QResizeEvent,
)
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from core.news.events import PeerEvent
from core.values import Address
from desktop.models.flights import Flight, Flights
from desktop.models.map import Kind, Spot
from desktop.models.safe import tip
from desktop.motion import moves
from desktop.theme import Theme, ThemeSource
from desktop.views.map_picture import DOT, Places, draw, places_of, point_on

TICK_MS = 40  # milliseconds between two pictures of what flies: 25 a second look like movement
LIT_MS = 600  # milliseconds that a way stays lit where nothing may move
HEIGHT = 260  # pixels; nine spots in a column with a line of words each
REACH = 26.0  # pixels around a spot's middle in which it is clicked
FIRST_STEP = {Qt.Key.Key_Down: 1, Qt.Key.Key_Right: 1, Qt.Key.Key_Up: -1, Qt.Key.Key_Left: -1}


class MapView(QWidget):
    """Draws spots. Arrow keys go from one to the next; the list beside it says the same in words.

    Signals:
        chosen(str): the key of the spot that was clicked, or gone to by keyboard.
    """

    chosen = Signal(str)

    def __init__(
        self, theme: ThemeSource, parent: QWidget | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(parent)
        self._theme = theme
        self._clock = clock
        self._spots: tuple[Spot, ...] = ()
        self._keys: dict[Address, str] = {}
        self._current = ""
        self._picture: QPixmap | None = None
        self._places: Places = {}
        self._flights = Flights()
        self._dots: tuple[QRect, ...] = ()  # where the newest picture has dots
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._tick)
        self.setAccessibleName(self.tr("Map of what this peer is connected to"))
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumHeight(HEIGHT)
        self.setMinimumWidth(HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        theme.changed.connect(self._retheme)
        self._describe()

    def sizeHint(self) -> QSize:
        """Return a calm shape."""
        return QSize(2 * HEIGHT, HEIGHT)

    # -- what is shown -------------------------------------------------------------------------------------------

    def show_spots(self, spots: Sequence[Spot]) -> None:
        """Draw these; what is the same is not drawn again."""
        drawn = tuple(each for each in spots if each.place is not None)
        if drawn == self._spots:
            return
        self._spots = drawn
        self._keys = {each.address: each.key for each in drawn if each.address is not None}
        if self._current not in (each.key for each in drawn):
            self._current = drawn[0].key if drawn else ""
        self._redraw()
        self._describe()

    def on_events(self, events: Iterable[PeerEvent]) -> None:
        """Let the punches of a batch fly, while somebody can see it."""
        if not self.isVisible() or not self._spots:
            return
        others = next((each.key for each in self._spots if each.key == "more far"), "")
        now = self._clock()
        self._flights.take(events, self._keys, others, now)
        if self._flights.under_way(now) and not self._timer.isActive():
            self._timer.start(TICK_MS if moves(self) else LIT_MS)
            self._tick()

    def moving(self) -> bool:
        """Tell whether a timer runs."""
        return self._timer.isActive()

    def current(self) -> str:
        """Return the key of the spot that has the ring."""
        return self._current

    def choose(self, key: str) -> None:
        """Put the ring around a spot, as the list tells; one that is not drawn takes it off."""
        if key != self._current:
            self._current = key
            self._redraw()
            self._describe()

    # -- what the user does --------------------------------------------------------------------------------------

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Go to the next spot, or the one before."""
        step = FIRST_STEP.get(Qt.Key(event.key()))
        ends = {Qt.Key.Key_Home: 0, Qt.Key.Key_End: len(self._spots) - 1}
        to = ends.get(Qt.Key(event.key()))
        if not self._spots or (step is None and to is None):
            super().keyPressEvent(event)
            return
        at = next((number for number, each in enumerate(self._spots) if each.key == self._current), 0)
        self._go(min(max(at + (step or 0), 0), len(self._spots) - 1) if to is None else to)
        event.accept()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Choose the spot under the pointer."""
        at = self._at(event.position())
        if at is not None:
            self._go(at)

    def event(self, event: QEvent) -> bool:
        """Say why a spot is as it is, where the pointer rests."""
        if isinstance(event, QHelpEvent) and event.type() is QEvent.Type.ToolTip:
            at = self._at(QPointF(event.pos()))
            if at is None:
                QToolTip.hideText()
            else:
                spot = self._spots[at]
                QToolTip.showText(
                    event.globalPos(), tip("\n".join(filter(None, (spot.name, spot.badge, spot.text)))), self
                )
            return True
        return super().event(event)

    def _at(self, point: QPointF) -> int | None:
        near = ((number, self._places.get(each.key)) for number, each in enumerate(self._spots))
        found = [
            ((place - point).manhattanLength(), number)
            for number, place in near if place is not None and (place - point).manhattanLength() < 2 * REACH
        ]  # fmt: skip
        return min(found)[1] if found else None

    def _go(self, number: int) -> None:
        self.choose(self._spots[number].key)
        self.chosen.emit(self._current)

    # -- for screen readers --------------------------------------------------------------------------------------

    def _describe(self) -> None:
        spot = next((each for each in self._spots if each.key == self._current), None)
        said = f"{spot.name}: {spot.badge}. {spot.text}" if spot is not None else ""
        parts = self.tr("{n} places; the arrow keys go from one to the next. {current}")
        self.setAccessibleDescription(parts.format(n=len(self._spots), current=said))
        if self.hasFocus():
            QAccessible.updateAccessibility(QAccessibleEvent(self, QAccessible.Event.DescriptionChanged))

    # -- drawing -------------------------------------------------------------------------------------------------

    def _redraw(self) -> None:
        self._picture = None
        self.update()

    def _retheme(self, _theme: Theme) -> None:
        self._redraw()

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Show where the keyboard is."""
        super().focusInEvent(event)
        self._redraw()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Take the sign off."""
        super().focusOutEvent(event)
        self._redraw()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Find other places."""
        super().resizeEvent(event)
        self._redraw()

    def hideEvent(self, event: QHideEvent) -> None:
        """Let nothing fly where nobody sees it."""
        super().hideEvent(event)
        self._timer.stop()
        self._flights.clear()

    def _tick(self) -> None:
        now = self._clock()
        flying = self._flights.under_way(now)
        if not flying:
            self._timer.stop()
        before, self._dots = self._dots, tuple(self._dirty(each, now) for each in flying)
        for place in (*before, *self._dots):
            self.update(place)

    def _dirty(self, flight: Flight, now: float) -> QRect:
        if not moves(self):
            return self.rect()
        middle = point_on(self._way(flight.key), _along(flight, now))
        size = DOT + 2
        return QRectF(middle.x() - size, middle.y() - size, 2 * size, 2 * size).toAlignedRect()

    def _way(self, key: str) -> list[QPointF]:
        spot = next((each for each in self._spots if each.key == key), None)
        through = () if spot is None else spot.through
        return [self._places[each] for each in ("self", *through, key) if each in self._places]

    def paintEvent(self, event: QPaintEvent) -> None:
        """Lay the still picture down, and the dots on it."""
        ratio = self.devicePixelRatioF()
        if self._picture is None or self._picture.devicePixelRatio() != ratio:
            self._picture = QPixmap(self.size() * ratio)
            self._picture.setDevicePixelRatio(ratio)
            self._places = places_of(self._spots, QRectF(self.rect()))
            ring = self._current if self.hasFocus() else ""
            draw(self._picture, self._spots, self._places, self._current, ring, self._theme.theme, self.font())
        painter = QPainter(self)
        painter.setClipRegion(event.region())
        painter.drawPixmap(0, 0, self._picture)
        now = self._clock()
        flying = self._flights.under_way(now)
        if flying:
            self._draw_flights(painter, flying, now)

    def _draw_flights(self, painter: QPainter, flying: Sequence[Flight], now: float) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        theme = self._theme.theme
        for flight in flying:
            way = self._way(flight.key)
            colour = QColor(theme.accent if flight.out else theme.good)
            painter.setBrush(colour)
            if moves(self):
                painter.setPen(Qt.PenStyle.NoPen)
                painter.drawEllipse(point_on(way, _along(flight, now)), DOT, DOT)
            else:
                pen = painter.pen()
                pen.setColor(colour)
                pen.setWidthF(3.0)
                painter.setPen(pen)
                painter.drawPolyline(way)


def _along(flight: Flight, now: float) -> float:
    share = flight.share(now)
    return share if flight.out else 1.0 - share


__all__ = ["Kind", "MapView"]

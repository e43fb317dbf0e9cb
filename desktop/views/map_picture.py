"""The still picture of the map: where each spot stands, and how spots, ways and words are drawn."""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from PySide6.QtCore import QCoreApplication, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPen, QPixmap, QPolygonF

from desktop.models.map import ROUTER_X, Kind, Line, Spot
from desktop.models.safe import shown
from desktop.theme import Theme

Places: TypeAlias = dict[str, QPointF]
DOT = 4.0  # pixels of radius of a punch
SIZE = 8.0  # pixels of radius of a spot
GAP = 10.0  # pixels between a spot and its words
EDGE = 8.0  # pixels around the picture
RADIUS = 6.0  # pixels of its corners
SECOND = 0.9  # of the size of the words, for the second line
MIN_TWO_LINES = 44.0  # pixels of height for a spot until its way stands under its name


def places_of(spots: Sequence[Spot], picture: QRectF) -> Places:
    """Return the middle of each spot, in pixels."""
    inner = picture.adjusted(EDGE + SIZE, EDGE + SIZE, -EDGE - SIZE, -EDGE - SIZE)
    return {
        each.key: QPointF(inner.left() + each.place[0] * inner.width(), inner.top() + each.place[1] * inner.height())
        for each in spots if each.place is not None
    }  # fmt: skip


def point_on(way: Sequence[QPointF], share: float) -> QPointF:
    """Return the point of a way of straight lines at this share of its length."""
    if not way:
        return QPointF()
    lengths = [math.hypot(b.x() - a.x(), b.y() - a.y()) for a, b in itertools.pairwise(way)]
    left = share * sum(lengths)
    for start, end, length in zip(way, way[1:], lengths, strict=False):
        if left <= length and length:
            return start + (end - start) * (left / length)
        left -= length
    return way[-1]


def draw(
    picture: QPixmap, spots: Sequence[Spot], places: Mapping[str, QPointF], current: str, ring: str, theme: Theme,
    font: QFont,
) -> None:  # fmt: skip
    """Draw all that does not move. `current` is the chosen spot, `ring` the one that has the keyboard, or ""."""
    picture.fill(QColor(theme.window))
    painter = QPainter(picture)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    whole = QRectF(0, 0, *picture.deviceIndependentSize().toTuple())
    _draw_frame(painter, whole, theme, font, focus=bool(ring))
    for spot in spots:
        _draw_way(painter, spot, places, theme)
    for spot in spots:
        _draw_spot(painter, spot, places[spot.key], theme, chosen=spot.key == current)
    for spot in spots:
        _draw_words(painter, spot, spots, places, whole, theme, font)
    painter.end()


def _draw_frame(painter: QPainter, whole: QRectF, theme: Theme, font: QFont, *, focus: bool) -> None:
    painter.setPen(QPen(QColor(theme.accent if focus else theme.line), 2 if focus else 1))
    painter.setBrush(QColor(theme.surface))
    painter.drawRoundedRect(whole.adjusted(1, 1, -1, -1), RADIUS, RADIUS)
    home = QRectF(whole.left() + 2, whole.top() + 2, ROUTER_X * whole.width(), whole.height() - 4)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(theme.window))
    painter.drawRoundedRect(home, RADIUS, RADIUS)
    small = QFont(font)
    small.setPointSizeF(max(1.0, font.pointSizeF() * SECOND))
    painter.setFont(small)
    painter.setPen(QColor(theme.muted))
    top = whole.top() + EDGE / 2 + QFontMetricsF(small).ascent()
    painter.drawText(QPointF(home.left() + EDGE, top), QCoreApplication.translate("map", "Your network"))
    painter.drawText(QPointF(home.right() + EDGE, top), QCoreApplication.translate("map", "Internet"))


def _draw_way(painter: QPainter, spot: Spot, places: Mapping[str, QPointF], theme: Theme) -> None:
    if spot.kind is Kind.SELF or spot.line is Line.NONE or "self" not in places:
        return
    way = [places[key] for key in ("self", *spot.through, spot.key) if key in places]
    colours = {Line.OPEN: theme.good, Line.TRYING: theme.info, Line.RELAYED: theme.warn, Line.IDLE: theme.edge}
    styles = {Line.TRYING: Qt.PenStyle.DotLine, Line.RELAYED: Qt.PenStyle.DashLine}
    pen = QPen(QColor(colours[spot.line]), 1.0 if spot.line is Line.IDLE else 1.8)
    pen.setStyle(styles.get(spot.line, Qt.PenStyle.SolidLine))
    painter.setPen(pen)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawPolyline(way[-2:])  # the ways to the spots before have drawn the rest


def _draw_spot(painter: QPainter, spot: Spot, middle: QPointF, theme: Theme, *, chosen: bool) -> None:
    colours = {Line.OPEN: theme.good, Line.TRYING: theme.info, Line.RELAYED: theme.warn}
    colour = QColor(theme.accent if spot.kind is Kind.SELF else colours.get(spot.line, theme.muted))
    if chosen:
        painter.setPen(QPen(QColor(theme.accent), 2))
        painter.setBrush(QColor(theme.tint))
        painter.drawEllipse(middle, SIZE + 5, SIZE + 5)
    painter.setPen(QPen(colour, 2))
    painter.setBrush(colour if spot.line in (Line.OPEN, Line.RELAYED) else QColor(theme.surface))
    x, y = middle.x(), middle.y()
    match spot.kind:
        case Kind.ROUTER | Kind.RELAY:
            painter.drawRoundedRect(QRectF(x - SIZE, y - SIZE * 0.7, 2 * SIZE, 1.4 * SIZE), 3, 3)
        case Kind.BROKER:
            painter.drawRect(QRectF(x - SIZE * 0.8, y - SIZE * 0.8, 1.6 * SIZE, 1.6 * SIZE))
        case Kind.GRAPES:
            corners = [QPointF(x, y - SIZE), QPointF(x + SIZE, y), QPointF(x, y + SIZE), QPointF(x - SIZE, y)]
            painter.drawPolygon(QPolygonF(corners))
        case _:
            painter.drawEllipse(middle, SIZE * 0.9, SIZE * 0.9)


def _draw_words(
    painter: QPainter, spot: Spot, spots: Sequence[Spot], places: Mapping[str, QPointF], whole: QRectF, theme: Theme,
    font: QFont,
) -> None:  # fmt: skip
    """Write the name, and the way under it where there is room."""
    middle = places[spot.key]
    place = _room(spot, spots, places, whole)
    small = QFont(font)
    small.setPointSizeF(max(1.0, font.pointSizeF() * SECOND))
    high, second = QFontMetricsF(font).height(), QFontMetricsF(small).height()
    two = bool(spot.badge) and _height(spot, spots, places, whole) >= MIN_TWO_LINES
    top = middle.y() - (high + second if two else high) / 2
    if spot.kind in (Kind.ROUTER, Kind.RELAY):
        top, two = middle.y() + SIZE + GAP / 2, bool(spot.badge)
    elif spot.kind is Kind.SELF:  # above the way to the router
        top, two = middle.y() - high - second - GAP / 2, True
    align = Qt.AlignmentFlag.AlignHCenter if spot.kind in (Kind.ROUTER, Kind.RELAY) else Qt.AlignmentFlag.AlignLeft
    name = spot.name if two or not spot.badge or spot.kind is Kind.SELF else f"{spot.name}, {spot.badge}"
    for text, how, colour, height in (
        (name, font, theme.text, high),
        (spot.badge if two else "", small, theme.muted, second),
    ):
        painter.setFont(how)
        painter.setPen(QColor(colour))
        metrics = QFontMetricsF(how)
        cut = metrics.elidedText(shown(text), Qt.TextElideMode.ElideRight, place.width())
        line = QRectF(place.left(), top, place.width(), height + 1)
        if spot.kind in (Kind.ROUTER, Kind.RELAY):  # ways pass there: what is behind the words is hidden
            wide = metrics.horizontalAdvance(cut)
            behind = QRectF(line.center().x() - wide / 2 - 2, top, wide + 4, height)
            painter.fillRect(behind, QColor(theme.surface))
        painter.drawText(line, int(align), cut)
        top += height


def _room(spot: Spot, spots: Sequence[Spot], places: Mapping[str, QPointF], whole: QRectF) -> QRectF:
    """Return from where to where the words of a spot may go, by its left and width."""
    x = places[spot.key].x()
    if spot.kind in (Kind.ROUTER, Kind.RELAY):
        half = min(x - whole.left(), 0.15 * whole.width())
        return QRectF(x - half, 0, 2 * half, 0)
    left = x + SIZE + GAP
    right = ROUTER_X * whole.width() - GAP if x < ROUTER_X * whole.width() else whole.right() - EDGE
    return QRectF(left, 0, max(20.0, right - left), 0)


def _height(spot: Spot, spots: Sequence[Spot], places: Mapping[str, QPointF], whole: QRectF) -> float:
    """Return how far it is to the next spot above or below."""
    mine = places[spot.key]
    same = [places[each.key] for each in spots if each.key != spot.key and abs(places[each.key].x() - mine.x()) < SIZE]
    return min((abs(each.y() - mine.y()) for each in same), default=whole.height())

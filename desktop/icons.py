"""Icons by name, drawn from `resources/icons/*.svg` in the colour asked for, in a source tree and in a bundle.

The window's icons carry `currentColor`, which is replaced by a theme's colour. The tray's icons carry fixed colours of
middle lightness: at least 3:1 (WCAG 1.4.11) on light and on dark panels, because no desktop tells which one it has.
"""

from functools import cache
from importlib.resources import files
from pathlib import Path

from PySide6.QtCore import QByteArray, QRectF, QSize, Qt
from PySide6.QtGui import QIcon, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

TRAY_STATES = ("off", "connecting", "ready", "sharing", "active", "asking", "problem")
TRAY_SIZES = (16, 22, 24, 32, 48, 64)  # pixels; panels of KDE, GNOME, XFCE and Windows at 100 and 200 %
APP_SIZES = (16, 24, 32, 48, 64, 128, 256)  # pixels
WINDOW_SIZES = (16, 20, 24, 32, 48)  # pixels; 16 and 24 at 100 to 200 %


def path(name: str) -> Path:
    """Return where an icon's file is."""
    return Path(str(files("resources") / "icons" / f"{name}.svg"))


@cache
def _source(name: str) -> str:
    try:
        return path(name).read_text(encoding="utf-8")
    except OSError as error:
        raise ValueError(f"no icon named {name!r}") from error


def pixmap(name: str, pixels: int, colour: str = "") -> QPixmap:
    """Return an icon as a square of `pixels` device pixels. Raises ValueError for an unknown name."""
    svg = _source(name)
    if colour:
        svg = svg.replace("currentColor", colour)
    renderer = QSvgRenderer(QByteArray(svg.encode()))
    result = QPixmap(QSize(pixels, pixels))
    result.fill(Qt.GlobalColor.transparent)
    painter = QPainter(result)
    renderer.render(painter, QRectF(0, 0, pixels, pixels))
    painter.end()
    return result


@cache
def icon(name: str, colour: str, disabled: str = "") -> QIcon:
    """Return a window icon in `colour` (#rrggbb), and in `disabled` where its action is off."""
    result = QIcon()
    for pixels in WINDOW_SIZES:
        drawn = pixmap(name, pixels, colour)
        result.addPixmap(drawn)
        result.addPixmap(drawn, QIcon.Mode.Selected)  # else Qt tints it on a selected row
        if disabled:
            result.addPixmap(pixmap(name, pixels, disabled), QIcon.Mode.Disabled)
    return result


@cache
def tray_icon(state: str) -> QIcon:
    """Return the tray icon of a state in TRAY_STATES. Raises ValueError for any other."""
    if state not in TRAY_STATES:
        raise ValueError(f"no tray state {state!r}; states: {', '.join(TRAY_STATES)}")
    result = QIcon()
    for pixels in TRAY_SIZES:
        result.addPixmap(pixmap(f"tray-{state}", pixels))
    return result


@cache
def app_icon() -> QIcon:
    """Return the program's icon."""
    result = QIcon()
    for pixels in APP_SIZES:
        result.addPixmap(pixmap("grapevine", pixels))
    return result

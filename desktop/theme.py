"""Two calm palettes, light and dark, over the Fusion style; one object that says which one is in use.

The system decides (`styleHints().colorScheme()`, and again when it changes) unless `GRAPEVINE_THEME` is `light` or
`dark`. Text and state colours meet WCAG 2.1 contrast AA (4.5:1) on every background they are used on;
`tests/desktop/test_theme.py` computes it. No colour is the only carrier of a meaning: a word or a shape is beside it.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QColor, QFont, QFontDatabase, QGuiApplication, QPalette
from PySide6.QtWidgets import QApplication, QStyleFactory

from desktop.stylesheet import stylesheet

THEME_VARIABLE = "GRAPEVINE_THEME"
MIN_POINT_SIZE = 10.0  # points; a bare X server offers 9, too small for figures that change


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours by what they are for, as #rrggbb."""

    name: str
    window: str  # behind everything
    surface: str  # cards, tables, editors
    raised: str  # table headers, hovered buttons
    text: str
    muted: str  # second lines, placeholders
    line: str  # hairlines between parts; decoration only
    edge: str  # outline of controls, 3:1 on surface and window (WCAG 1.4.11)
    accent: str
    on_accent: str
    accent_hover: str
    tint: str  # a breath of accent: selected rows, banners
    good: str
    info: str
    warn: str
    bad: str

    @property
    def dark(self) -> bool:
        """Return whether light text stands on dark."""
        return QColor(self.window).lightness() < 128


LIGHT = Theme(
    name="light",
    window="#f5f3f7",
    surface="#ffffff",
    raised="#ece8f0",
    text="#221d29",
    muted="#655d70",
    line="#ded9e4",
    edge="#8d8499",
    accent="#6a3fa5",
    on_accent="#ffffff",
    accent_hover="#583289",
    tint="#ebe2f7",
    good="#18703f",
    info="#2a5fa8",
    warn="#855000",
    bad="#b3261e",
)

DARK = Theme(
    name="dark",
    window="#18151d",
    surface="#211d28",
    raised="#2d2836",
    text="#ece8f2",
    muted="#aaa1b8",
    line="#38323f",
    edge="#786f87",
    accent="#bb9af2",
    on_accent="#1e1530",
    accent_hover="#cdb4f7",
    tint="#3a2f4e",
    good="#6fcf97",
    info="#86b8f5",
    warn="#efb65c",
    bad="#ff938a",
)


def contrast(first: str, second: str) -> float:
    """Return the contrast of two colours, 1..21 (WCAG 2.1, "contrast ratio")."""
    high, low = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    parsed = QColor(colour)
    channels = (parsed.redF(), parsed.greenF(), parsed.blueF())
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def palette(theme: Theme) -> QPalette:
    """Return the Qt palette of a theme, disabled colours included."""
    role = QPalette.ColorRole
    colours = {
        role.Window: theme.window,
        role.WindowText: theme.text,
        role.Base: theme.surface,
        role.AlternateBase: theme.window,
        role.Text: theme.text,
        role.Button: theme.raised,
        role.ButtonText: theme.text,
        role.BrightText: theme.bad,
        role.ToolTipBase: theme.raised,
        role.ToolTipText: theme.text,
        role.PlaceholderText: theme.muted,
        role.Highlight: theme.accent,
        role.HighlightedText: theme.on_accent,
        role.Link: theme.accent,
        role.LinkVisited: theme.accent,
        role.Accent: theme.accent,
        role.Light: theme.surface,
        role.Midlight: theme.raised,
        role.Mid: theme.line,
        role.Dark: theme.edge,
        role.Shadow: theme.edge,
    }
    result = QPalette()
    for key, colour in colours.items():
        result.setColor(key, QColor(colour))
    for key in (role.WindowText, role.Text, role.ButtonText):
        result.setColor(QPalette.ColorGroup.Disabled, key, QColor(theme.muted))
    result.setColor(QPalette.ColorGroup.Disabled, role.Highlight, QColor(theme.edge))
    return result


def fixed_font(points: float | None = None) -> QFont:
    """Return the system's fixed-width font, for addresses and JSON."""
    font = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
    font.setPointSizeF(points if points is not None else QGuiApplication.font().pointSizeF())
    return font


def tabular(font: QFont) -> QFont:
    """Return the font with digits of one width, so figures that change do not shake."""
    result = QFont(font)
    if sys.platform != "win32":  # "tnum" is an OpenType feature; GDI fonts have such digits anyway
        result.setFeature(QFont.Tag("tnum"), 1)
    return result


class ThemeSource(QObject):
    """Says which theme is in use and tells when it changes.

    Attributes:
        theme: the current colours.
    Signals:
        changed(Theme): after the application's palette was replaced.
        laid(): the style sheet is in force, or another one; what was measured is to be measured again.
    """

    changed = Signal(object)
    laid = Signal()

    def __init__(self, app: QApplication, forced: str | None = None, parent: QObject | None = None) -> None:
        super().__init__(app if parent is None else parent)
        self._app = app
        self._forced = forced if forced is not None else os.environ.get(THEME_VARIABLE, "")
        self.theme = self._wanted()
        app.setStyle(QStyleFactory.create("Fusion"))
        font = app.font()
        if 0 < font.pointSizeF() < MIN_POINT_SIZE:
            font.setPointSizeF(MIN_POINT_SIZE)
        app.setFont(tabular(font))
        self._apply()
        app.styleHints().colorSchemeChanged.connect(self._refresh)

    def force(self, name: str) -> None:
        """Use `light` or `dark` whatever the system says; "" follows the system again."""
        self._forced = name
        self._refresh()

    @contextmanager
    def laid_later(self) -> Iterator[None]:
        """Put a window together without the style sheet, and lay it on the whole at the end.

        With it Qt styles a part and all that is in it again whenever it is put into another: three quarters of the
        time that a window took.
        """
        self._app.setStyleSheet("")
        try:
            yield
        finally:
            self._lay()

    def _wanted(self) -> Theme:
        if self._forced in ("light", "dark"):
            return DARK if self._forced == "dark" else LIGHT
        dark = self._app.styleHints().colorScheme() == Qt.ColorScheme.Dark
        return DARK if dark else LIGHT

    def _refresh(self) -> None:
        wanted = self._wanted()
        if wanted is not self.theme:
            self.theme = wanted
            self._apply()

    def _apply(self) -> None:
        self._app.setPalette(palette(self.theme))
        self._lay()
        self.changed.emit(self.theme)

    def _lay(self) -> None:
        # Qt keeps, by address, what it has styled, and forgets a window at the beginning of its end; what a child asks
        # for while it goes puts the window back. A new sheet in place of another then styles freed memory: a crash in
        # one of seven changes of theme after a window was deleted (Qt 6.11). Without a sheet it forgets everything.
        self._app.setStyleSheet("")
        self._app.setStyleSheet(stylesheet(self.theme))
        for widget in self._app.allWidgets():
            widget.updateGeometry()  # what was measured in between was measured without a sheet
        self.laid.emit()

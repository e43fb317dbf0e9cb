"""Both palettes are legible by computation, follow the system, and can be forced."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QApplication

from desktop.stylesheet import stylesheet
from desktop.theme import DARK, LIGHT, THEME_VARIABLE, Theme, ThemeSource, contrast, fixed_font, tabular

AA_TEXT = 4.5  # WCAG 2.1, 1.4.3
AA_PARTS = 3.0  # WCAG 2.1, 1.4.11: outlines of controls, icons


class Watched:
    """The application, and the sheets that it was given."""

    def __init__(self, app: QApplication, sheets: list[str]) -> None:
        self._app, self._sheets = app, sheets

    def setStyleSheet(self, sheet: str) -> None:
        self._sheets.append(sheet)

    def __getattr__(self, name: str) -> object:
        return getattr(self._app, name)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=lambda theme: theme.name)
@pytest.mark.parametrize("ink", ["text", "muted", "accent", "good", "info", "warn", "bad"])
@pytest.mark.parametrize("paper", ["window", "surface", "raised", "tint"])
def test_text_is_legible(theme: Theme, ink: str, paper: str) -> None:
    assert contrast(getattr(theme, ink), getattr(theme, paper)) >= AA_TEXT


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=lambda theme: theme.name)
def test_controls_stand_out(theme: Theme) -> None:
    assert contrast(theme.on_accent, theme.accent) >= AA_TEXT
    assert contrast(theme.on_accent, theme.accent_hover) >= AA_TEXT
    for paper in (theme.window, theme.surface):
        assert contrast(theme.edge, paper) >= AA_PARTS
        assert contrast(theme.accent, paper) >= AA_PARTS


def test_contrast_agrees_with_wcags_own_examples() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.478, abs=0.001)
    assert contrast("#ffffff", "#ffffff") == 1.0


def test_the_old_sheet_is_taken_away_before_the_new_one_comes(
    qapp: QApplication, theme: ThemeSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Qt would style what it remembers by address, also what is deleted. A crash of one in seven is no test."""
    theme.force("light")
    sheets: list[str] = []
    monkeypatch.setattr(theme, "_app", Watched(qapp, sheets))
    theme.force("dark")
    assert sheets == ["", stylesheet(DARK)]


def test_the_sheet_leaves_no_blank(qapp: QApplication) -> None:
    for theme in (LIGHT, DARK):
        sheet = stylesheet(theme)
        assert "$" not in sheet
        assert theme.accent in sheet


def test_forcing_changes_the_palette_and_tells(qapp: QApplication) -> None:
    source = ThemeSource(qapp, "light")
    heard: list[Theme] = []
    source.changed.connect(heard.append)
    source.force("dark")
    source.force("dark")
    assert heard == [DARK]
    assert qapp.palette().color(QPalette.ColorRole.Window) == QColor(DARK.window)
    assert source.theme is DARK
    source.force("light")
    source.deleteLater()


def test_the_variable_wins_over_the_system(qapp: QApplication, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(THEME_VARIABLE, "dark")
    source = ThemeSource(qapp)
    assert source.theme is DARK
    source.force("light")
    source.deleteLater()


def test_the_system_is_followed(qapp: QApplication, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(THEME_VARIABLE, raising=False)

    class Hints:
        scheme = Qt.ColorScheme.Dark
        colorSchemeChanged = qapp.styleHints().colorSchemeChanged

        def colorScheme(self) -> Qt.ColorScheme:
            return self.scheme

    hints = Hints()
    monkeypatch.setattr(QApplication, "styleHints", lambda _app: hints)
    source = ThemeSource(qapp)
    assert source.theme is DARK
    hints.scheme = Qt.ColorScheme.Light
    hints.colorSchemeChanged.emit(Qt.ColorScheme.Light)
    assert source.theme is LIGHT
    hints.scheme = Qt.ColorScheme.Unknown  # a bare X server knows nothing: stay light
    hints.colorSchemeChanged.emit(Qt.ColorScheme.Unknown)
    assert source.theme is LIGHT
    source.deleteLater()


def test_figures_keep_their_width(qapp: QApplication) -> None:
    font = tabular(qapp.font())
    assert font.family() == qapp.font().family()
    assert fixed_font(13.0).pointSizeF() == 13.0

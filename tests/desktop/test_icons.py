"""Icons exist, differ in shape and not only in colour, and are legible on light and on dark panels."""

import itertools
import re

import pytest
from PySide6.QtGui import QIcon, QImage
from PySide6.QtWidgets import QApplication

from desktop import icons
from desktop.icons import APP_SIZES, TRAY_SIZES, TRAY_STATES, app_icon, icon, path, pixmap, tray_icon
from desktop.theme import contrast

PANELS = ("#ffffff", "#f2f2f2", "#2b2b2b", "#1e1e1e", "#000000")
OPAQUE = 128  # of 255; a pixel more opaque belongs to the shape


def image(name: str, pixels: int, colour: str = "") -> QImage:
    return pixmap(name, pixels, colour).toImage().convertToFormat(QImage.Format.Format_ARGB32)


def silhouette(name: str, pixels: int) -> set[tuple[int, int]]:
    """Return the pixels of an icon's shape: opaque ones, the white cut-outs left out."""
    picture = image(name, pixels)
    found = set()
    for x, y in itertools.product(range(pixels), repeat=2):
        colour = picture.pixelColor(x, y)
        if colour.alpha() >= OPAQUE and contrast(colour.name(), "#ffffff") > 2:
            found.add((x, y))
    return found


@pytest.mark.parametrize("pixels", [16, 22, 48])
def test_tray_states_differ_in_shape(qapp: QApplication, pixels: int) -> None:
    shapes = {state: silhouette(f"tray-{state}", pixels) for state in TRAY_STATES}
    for first, second in itertools.combinations(TRAY_STATES, 2):
        union = shapes[first] | shapes[second]
        overlap = len(shapes[first] & shapes[second]) / len(union)
        assert overlap < 0.8, f"{first} and {second} look alike at {pixels} px: {overlap:.0%}"


@pytest.mark.parametrize("state", TRAY_STATES)
def test_tray_colours_are_legible_on_any_panel(state: str) -> None:
    colours = {c for c in re.findall(r"#[0-9a-f]{6}", path(f"tray-{state}").read_text()) if c != "#ffffff"}
    (colour,) = colours
    for panel in PANELS:
        assert contrast(colour, panel) >= 3.0


def test_tray_colours_differ() -> None:
    found = [re.findall(r'color="(#[0-9a-f]{6})"', path(f"tray-{state}").read_text())[0] for state in TRAY_STATES]
    assert len(set(found)) == len(TRAY_STATES)


@pytest.mark.parametrize("state", TRAY_STATES)
@pytest.mark.parametrize("pixels", [16, 24, 48])
def test_tray_icons_fill_their_square(qapp: QApplication, state: str, pixels: int) -> None:
    columns = {x for x, _ in silhouette(f"tray-{state}", pixels)}
    assert max(columns) - min(columns) >= 0.7 * pixels


def test_every_size_is_there(qapp: QApplication) -> None:
    for state in TRAY_STATES:
        assert {size.width() for size in tray_icon(state).availableSizes()} == set(TRAY_SIZES)
    assert {size.width() for size in app_icon().availableSizes()} == set(APP_SIZES)


def test_an_unknown_state_or_name_is_an_error(qapp: QApplication) -> None:
    with pytest.raises(ValueError, match="sharing"):
        tray_icon("sleeping")
    with pytest.raises(ValueError, match="no-such"):
        pixmap("no-such", 16)


def test_window_icons_take_the_colour_asked_for(qapp: QApplication) -> None:
    picture = image("path-open", 32, "#123456")
    assert picture.pixelColor(16, 16).name() == "#123456"
    assert (
        icon("copy", "#123456", "#888888").pixmap(16, QIcon.Mode.Disabled).toImage()
        != icon("copy", "#123456", "#888888").pixmap(16).toImage()
    )


def test_every_file_draws_something(qapp: QApplication) -> None:
    files = sorted(path("copy").parent.glob("*.svg"))
    assert len(files) > 25
    for file in files:
        drawn = image(file.stem, 32, "#000000")
        assert any(drawn.pixelColor(x, y).alpha() for x, y in itertools.product(range(32), repeat=2)), file.name


def test_icons_are_drawn_once(qapp: QApplication) -> None:
    assert tray_icon("ready") is tray_icon("ready")
    assert icons.icon("copy", "#000000") is icons.icon("copy", "#000000")

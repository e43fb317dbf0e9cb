"""Once for real: window manager, tray, mouse, keyboard and the real core, on an X server nobody sees."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtGui import QImage

from tests.desktop.polling import await_true
from tests.desktop.xvfb import ROOT, START_SECONDS, Screen, app, environment, running, xvfb

pytestmark = [pytest.mark.xvfb, pytest.mark.skipif(sys.platform != "linux", reason="needs an X server of its own")]

PROFILE = "seen"
TITLE = f"Grapevine ({PROFILE})"
MIN_COLOURS = 40  # in a shot with the window on it; an empty screen has a handful
TRAYER = ("trayer", "--edge", "bottom", "--align", "right", "--widthtype", "pixel", "--width", "120", "--height", "32")


@pytest.fixture
def display() -> Iterator[str]:
    """A screen with a window manager and a tray."""
    with xvfb() as name:
        env = {**os.environ, "DISPLAY": name}
        with running("openbox", env=env), running(*TRAYER, env=env):
            asked = ["wmctrl", "-m"]  # fails until there is a window manager
            await_true(
                lambda: subprocess.run(asked, env=env, capture_output=True, check=False).returncode == 0, START_SECONDS
            )
            yield name


def colours(shot: Path) -> int:
    """Return how many colours a picture has, looked at in every fourth pixel."""
    image = QImage(str(shot))
    return len({image.pixel(x, y) for x in range(0, image.width(), 4) for y in range(0, image.height(), 4)})


def test_mouse_keyboard_and_tray(tmp_path: Path, display: str) -> None:
    env = environment(tmp_path, DISPLAY=display, QT_QPA_PLATFORM="xcb", DBUS_SESSION_BUS_ADDRESS="disabled:")
    screen = Screen(display, tmp_path)
    empty = colours(screen.shot("empty"))
    with app(PROFILE, env=env) as program:
        ready = program.until(visible=True, active=True, tray=True, tray_state="ready")
        window = screen.shot("window")
        assert colours(window) > max(empty, MIN_COLOURS)

        screen.click(ready["share_at"])  # mouse
        program.until(sharing=True)
        screen.key("Tab", "Tab", "space")  # keyboard: past who may call, the switch beside it
        program.until(consuming=True)
        program.until(tray_state="sharing")  # it is nobody to itself
        assert colours(screen.shot("sharing")) > MIN_COLOURS

        icon = program.state()["tray_at"]
        assert icon != [0, 0]
        screen.click(icon, button=3)  # tray: its menu, second line
        await_true(lambda: program.state()["menu_open"])
        screen.shot("menu")
        screen.key("Down", "Return")
        program.until(sharing=False, consuming=True)

        screen.close_window(TITLE)
        asked = program.until(visible=True, questions=1)
        assert asked["visible"]
        screen.shot("question")
        screen.key("Return")  # the default: keep sharing in the tray
        program.until(visible=False)

        second = subprocess.run(
            [sys.executable, "-m", "desktop", "--profile", PROFILE],
            env=env, cwd=ROOT, capture_output=True, text=True, timeout=30, check=True,
        )  # fmt: skip
        assert "its window is shown now" in second.stdout
        assert second.stderr == ""
        program.until(visible=True, active=True)

        screen.click(icon)  # left: brings the window, and does not take it away
        assert program.until(visible=True)["visible"]
        screen.xdo("search", "--onlyvisible", "--name", f"^{TITLE.replace('(', '.').replace(')', '.')}$", "windowfocus")
        program.until(active=True)
        screen.key("ctrl+q")
        assert program.ended() == (0, "")
    assert colours(screen.shot("gone")) < colours(window)

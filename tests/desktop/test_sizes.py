"""Every page and dialog fits every screen, by keyboard too, and is legible: measured on what is drawn (issue 11, E3).

Each case is a process of its own: Qt takes a screen and a scale once.
"""

import itertools
import json
import os
import subprocess
import sys

import pytest

from tests.support.samples import some

SIZES = ((800, 480), (1024, 600), (1366, 768), (1920, 1080), (3840, 2160))  # device pixels
SCALES = (1, 1.25, 1.5, 2)
GRID = [(*size, scale) for size, scale in itertools.product(SIZES, SCALES)]
# without the slow half: the least room there is; the laptop whose window was cut is in it
SAMPLE = [((800, 480, 2), "dark"), ((1366, 768, 1.5), "light")]
SILENT = ("This plugin does not support ",)  # what the offscreen platform says about what only a screen can do
SECONDS = 180  # of a child; 5 on a machine that does nothing else


def faults(width: int, height: int, scale: float, *themes: str) -> list[str]:
    """Return what is wrong on such a screen, and what Qt complained about."""
    environment = {**os.environ, "QT_SCALE_FACTOR": str(scale), "QT_API": "pyside6"}
    child = subprocess.run(
        [sys.executable, "-m", "tests.desktop.sizing", str(width), str(height), *themes],
        capture_output=True, text=True, timeout=SECONDS, check=False, env=environment,
    )  # fmt: skip
    said = [line for line in child.stderr.splitlines() if not line.startswith(SILENT)]
    assert child.returncode == 0, "\n".join(said)
    return [*json.loads(child.stdout), *said]


@pytest.mark.parametrize(("screen", "theme"), some(SAMPLE, 2))
def test_every_page_and_dialog_fits(screen: tuple[int, int, float], theme: str) -> None:
    assert faults(*screen, theme) == []


@pytest.mark.slow
@pytest.mark.parametrize("screen", GRID, ids=lambda screen: "{}x{}@{}".format(*screen))
def test_every_page_and_dialog_fits_every_screen(screen: tuple[int, int, float]) -> None:
    assert faults(*screen, "light", "dark") == []

"""Programs killed while they write everything, and full disks: nothing is lost, opened or left over."""

import subprocess
import sys

import pytest

from tests.support.tools import ROOT

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="it forks")


def torture(runs: int, seed: int, seconds: float) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.files.torture", str(runs), str(seed)], cwd=ROOT, capture_output=True, text=True,
        timeout=seconds, check=False,
    )  # fmt: skip
    assert done.stdout == f"{runs} runs\n", done.stderr[-3000:]


def test_a_sample_of_killed_writers_loses_and_opens_nothing() -> None:
    torture(20, 1, 100)


@pytest.mark.slow
def test_five_hundred_killed_writers_lose_and_open_nothing() -> None:
    torture(500, 2, 900)

"""The programs in examples/ do what their first lines say, run as a reader would run them."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.tools import ROOT

EXAMPLES = ROOT / "examples"
PATIENCE = 60.0  # seconds for what takes one on a machine that is not busy


def run(name: str) -> str:
    """Run an example to its end and return what it printed."""
    command = [sys.executable, str(EXAMPLES / name)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@contextmanager
def started(name: str) -> Iterator["subprocess.Popen[str]"]:
    """Run an example as long as the block lasts."""
    command = [sys.executable, str(EXAMPLES / name)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
        try:
            yield program
        finally:
            program.kill()


def test_a_service_of_ones_own() -> None:
    assert run("greeting.py") == "Hello, Ada!\n"


def test_sharing_without_a_screen_and_consuming() -> None:
    with started("share.py") as program:
        assert program.stdout is not None
        assert program.stdout.readline().startswith("fibonacci_worker is announced at ")
        answer = run("consume.py")
        assert answer.endswith(" answered [1, 1, 2, 3, 5, 8, 13, 21, 34, 55]\n")
        program.send_signal(signal.SIGINT)
        rest, errors = program.communicate(timeout=PATIENCE)
    assert (program.returncode, errors) == (0, "")
    assert " called fibonacci_worker\n" in rest


def test_every_example_is_run_here() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == {"greeting.py", "share.py", "consume.py"}

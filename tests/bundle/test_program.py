"""Window, tray, command line and end of the program, from outside: the same for the source and for the bundle."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.bundle.conftest import Kind
from tests.desktop.fake_sni import Panel
from tests.desktop.polling import await_true
from tests.desktop.xvfb import Screen, environment, offscreen
from tests.support.tools import ROOT

pytestmark = [pytest.mark.xvfb, pytest.mark.skipif(sys.platform != "linux", reason="Xvfb, D-Bus and /proc")]

SEQUENCE = [1, 1, 2, 3, 5, 8, 13, 21, 34, 55]
PATIENCE = 90.0  # seconds, for what takes one on a machine that is not busy
STAGES = ("starting", "window painted", "core imported", "peer open")  # as the log has them
SHARE = "Share fibonacci"


@contextmanager
def running(tested: Kind, *arguments: str, env: dict[str, str]) -> Iterator["subprocess.Popen[str]"]:
    """Run the program as long as the block lasts."""
    program = tested.start(*arguments, env=env)
    try:
        yield program
    finally:
        program.kill()
        program.communicate()


def log(env: dict[str, str], profile: str = "default") -> str:
    """Return what a profile's log has so far."""
    path = Path(env["XDG_STATE_HOME"], "grapevine", "log", f"{profile}.log")
    return path.read_text() if path.exists() else ""


def ended(program: "subprocess.Popen[str]") -> tuple[int, str]:
    """Ask the program to end; return its exit code (1 when its backstop had to) and what it said of errors."""
    program.send_signal(signal.SIGTERM)
    _, errors = program.communicate(timeout=20)
    return program.returncode, errors


@pytest.mark.slow
def test_the_command_line_answers_without_qt(tested: Kind, tmp_path: Path) -> None:
    env = offscreen(tmp_path)
    said = tested.run("--version", env=env).stdout.strip()
    assert said in ("0.1.0 (compiled engines)", "0.1.0 (pure Python)")
    shown = tested.run("--help", env=env)
    assert (shown.returncode, "share" in shown.stdout) == (0, True)
    assert tested.run("nonsense", env=env).returncode == 2
    nobody = tested.run("lookup", "nobody_here", "--bootstrap", "", env=env)
    assert (nobody.returncode, nobody.stderr.partition(":")[0]) == (3, "ERR_GRAPE_LOOKUP_EMPTY")

    with running(tested, "share", "fibonacci", "--json", env=env) as worker:
        lines = worker.stdout
        assert lines is not None
        await_true(lambda: '"announced"' in lines.readline(), PATIENCE)
        maps = Path(f"/proc/{worker.pid}/maps").read_text()
        assert "libpython" in maps or "python" in maps
        assert "Qt6" not in maps
        assert "PySide6" not in maps
        asked = tested.run("--profile", "other", "consume", "fibonacci", "--once", env=env)
        assert json.loads(asked.stdout) == SEQUENCE
        assert ended(worker)[0] == -signal.SIGTERM  # which a shell calls 143


def test_without_a_display_it_says_so(tested: Kind, tmp_path: Path) -> None:
    env = environment(tmp_path)
    done = tested.run(env=env)
    assert done.returncode == 2
    assert "display" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_window_and_tray(tested: Kind, desk: dict[str, str], tmp_path: Path) -> None:
    screen = Screen(desk["DISPLAY"], tmp_path)
    with Panel(desk["DBUS_SESSION_BUS_ADDRESS"]) as panel, running(tested, env=desk) as program:
        await_true(lambda: bool(panel.items), PATIENCE)
        await_true(lambda: "peer open" in log(desk), PATIENCE)
        assert screen.xdo("search", "--onlyvisible", "--name", "^Grapevine").split()

        def ticked() -> bool | None:
            return next(item.ticked for item in panel.menu() if item.label.startswith(SHARE))

        assert ticked() is False
        before = panel.icon()
        panel.click(next(item.label for item in panel.menu() if item.label.startswith(SHARE)))
        await_true(lambda: ticked() is True, PATIENCE)
        await_true(lambda: panel.icon() != before, PATIENCE)  # the state is seen in the icon

        asked = tested.run("--profile", "asker", "consume", "fibonacci", "--once", env=desk)  # another program finds it
        assert json.loads(asked.stdout) == SEQUENCE

        again = tested.run(env=desk)  # a second start shows the first one's window
        assert (again.returncode, "its window is shown now" in again.stdout) == (0, True)
        assert ended(program) == (0, "")


@pytest.mark.slow
def test_two_of_them_find_each_other(tested: Kind, desk: dict[str, str]) -> None:
    """Two profiles with a window each: one shares, the other asks, as their settings say."""
    with Panel(desk["DBUS_SESSION_BUS_ADDRESS"]) as panel, running(tested, "--profile", "one", env=desk) as one:
        await_true(lambda: "peer open" in log(desk, "one") and bool(panel.items), PATIENCE)
        panel.click(next(item.label for item in panel.menu() if item.label.startswith(SHARE)))
        with running(tested, "--profile", "two", env=desk) as two:
            await_true(lambda: "peer open" in log(desk, "two") and len(panel.items) == 2, PATIENCE)
            asks = next(item.label for item in panel.menu() if item.label.startswith("Consume"))
            panel.click(asks)
            panel.items.reverse()  # the double speaks with the newest: now the one that shares
            await_true(lambda: "with 1 peer" in panel.tooltip(), PATIENCE)  # it was punched, or asked
            assert ended(two) == (0, "")
        assert ended(one) == (0, "")


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
def test_a_signal_ends_it_at_every_stage(tested: Kind, tmp_path: Path, stage: str) -> None:
    def quit_number(number: int) -> tuple[int, str]:
        (home := tmp_path / str(number)).mkdir()
        env = offscreen(home)
        with running(tested, "--profile", "quit", env=env) as program:
            await_true(lambda: stage in log(env, "quit"), PATIENCE, step=0.001)
            return ended(program)

    # one of three: its backstop ends it after 3 s, and other work may hold it up for longer
    assert any(quit_number(number) == (0, "") for number in range(3))


@pytest.mark.slow
def test_the_bundle_brings_what_it_needs(built: Path) -> None:
    names = {path.name for path in built.rglob("*")}
    assert {"grapevine.svg", "grapevine-256.png", "libqxcb.so", "LGPL-3", "LICENSE"} <= names
    assert not [name for name in names if name.startswith(("libgtk", "libQt6Qml", "uvloop", "pytest"))]
    archives = list((ROOT / "dist").glob("grapevine-*.tar.gz"))
    assert len(archives) == 1

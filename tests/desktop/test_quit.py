"""Quitting ends the program at every stage of its start, with exit code 0 and nothing printed.

Code 0 is a program that ended by itself. One that needs longer than QUIT_SECONDS is ended by its own backstop, with
code 1: a test sees that it is armed. Here it has patience, since on a loaded machine Qt alone loads for longer.
"""

import itertools
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from desktop.quitter import QUIT_SECONDS, Quitter
from tests.desktop.polling import await_true
from tests.desktop.xvfb import ROOT, App, app, offscreen
from tests.support.samples import some

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")


def importing_qt(program: subprocess.Popen[str], log: Path) -> bool:
    """Qt's first library is mapped: the signals are caught already, and nothing of Qt runs yet."""
    maps = Path(f"/proc/{program.pid}/maps")
    return not maps.exists() or "libQt6Core" in maps.read_text()


def logged(words: str) -> Callable[[subprocess.Popen[str], Path], bool]:
    return lambda _, log: log.exists() and words in log.read_text()


STAGES: dict[str, Callable[[subprocess.Popen[str], Path], bool]] = {
    "importing Qt": importing_qt,
    "no window yet": logged("starting"),
    "window painted": logged("window painted"),
    "core imported": logged("core imported"),
    "peer open": logged("peer open"),
}


PATIENT = """
import runpy, desktop.quitter
desktop.quitter.QUIT_SECONDS = 60.0
runpy.run_module("desktop", run_name="__main__", alter_sys=True)
"""


def start(home: Path, *arguments: str) -> tuple[subprocess.Popen[str], Path]:
    env = offscreen(home)
    command = [sys.executable, "-c", PATIENT, "--profile", "quit", *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    program = subprocess.Popen(command, env=env, cwd=ROOT, text=True, stdin=subprocess.DEVNULL, **pipes)  # type: ignore[call-overload]
    return program, home / "state" / "grapevine" / "log" / "quit.log"


def end(program: subprocess.Popen[str], *signals: int) -> tuple[int, str, str]:
    for each in signals:
        program.send_signal(each)
    out, errors = program.communicate(timeout=80)
    return program.returncode, out, errors


def ended(home: Path, stage: str, signals: tuple[int, ...], arguments: tuple[str, ...]) -> tuple[int, str, str]:
    home.mkdir()
    program, log = start(home, *arguments)
    await_true(lambda: STAGES[stage](program, log), step=0.001)
    return end(program, *signals)


def quits(home: Path, stage: str, *signals: int, arguments: tuple[str, ...] = ()) -> None:
    """See a program end well from a stage of its start; one of three, since other work may hold one up for seconds."""
    tries = (ended(home / str(number), stage, signals, arguments) for number in range(3))
    seen = list(itertools.takewhile(lambda each: each != (0, "", ""), tries))
    assert len(seen) < 3, seen


@pytest.mark.parametrize("stage", some(STAGES, 3))
@pytest.mark.parametrize(
    "number",
    [pytest.param(signal.SIGTERM, id="SIGTERM"), pytest.param(signal.SIGINT, id="SIGINT", marks=pytest.mark.slow)],
)
def test_a_signal_ends_it_at_every_stage(tmp_path: Path, stage: str, number: int) -> None:
    quits(tmp_path, stage, number)


def test_a_second_signal_changes_nothing(tmp_path: Path) -> None:
    quits(tmp_path, "window painted", signal.SIGINT, signal.SIGTERM, signal.SIGINT)


def test_a_grape_that_does_not_answer_and_a_name_that_does_not_resolve(tmp_path: Path) -> None:
    grapes = ("--grape", "http://127.0.0.1:9", "--grape", "http://no.such.name.invalid:30001")
    quits(tmp_path, "peer open", signal.SIGTERM, arguments=grapes)


def check(program: App, ask: str | None = None) -> None:
    if ask is not None:
        program.ask(ask)
        assert program.ended() == (0, "")
    else:
        assert program.end() == (0, "")


def test_the_session_s_end_is_a_request_to_quit(tmp_path: Path) -> None:
    with app("--scripted", "a", env=offscreen(tmp_path)) as program:
        program.until(grape="connected")
        check(program, "quit")


def test_closing_the_window_with_no_tray_and_nothing_at_work_quits(tmp_path: Path) -> None:
    with app("--scripted", "a", env=offscreen(tmp_path)) as program:
        program.until(grape="connected")
        check(program, "close and quit")


def test_while_sharing_and_consuming_with_the_real_core(tmp_path: Path) -> None:
    with app("a", env=offscreen(tmp_path)) as program:
        program.ask("share")
        program.ask("consume")
        program.until(sharing=True, consuming=True, tray_state="sharing")  # it is nobody to itself
        check(program)


def test_a_thread_that_hangs_does_not_hold_it_up(tmp_path: Path) -> None:
    with app("--scripted", "a", env=offscreen(tmp_path)) as program:
        program.ask("hang thread")
        check(program)
        assert "beside a thread" in program.log()


def test_whatever_hangs_the_promise_is_kept_and_the_exit_code_tells(tmp_path: Path) -> None:
    with app("--scripted", "a", env=offscreen(tmp_path)) as program:
        program.ask("hang loop")
        assert program.end() == (1, "")
        assert "without cleaning up" in program.log()


def test_the_backstop_is_not_armed_before_quitting_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    armed: list[float] = []

    class Timer:
        daemon = False

        def __init__(self, seconds: float, act: Callable[[], None]) -> None:
            armed.append(seconds)

        def start(self) -> None: ...

        def cancel(self) -> None:
            armed.clear()

    monkeypatch.setattr("desktop.quitter.threading.Timer", Timer)
    monkeypatch.setattr("desktop.quitter.signal.signal", lambda *_: None)
    quitter = Quitter()
    assert not armed
    quitter.ask()
    quitter.ask()
    assert armed == [QUIT_SECONDS]
    assert quitter.asked
    quitter.done()
    assert not armed

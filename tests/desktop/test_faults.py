"""Errors become a sentence in the window and lines in a log file; the terminal stays silent."""

import logging
from pathlib import Path

import pytest
from PySide6.QtCore import QtMsgType

from core.errors import LocalError
from desktop import faults as faults_module
from desktop.faults import Faults
from tests.desktop.polling import await_true
from tests.desktop.xvfb import app, offscreen


@pytest.fixture
def faults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Faults, list[str]]:
    monkeypatch.setattr(faults_module, "log_path", lambda profile: tmp_path / f"{profile}.log")
    shown: list[str] = []
    faults = Faults("test")
    faults.show = shown.append
    return faults, shown


def test_errors_become_sentences_and_are_not_repeated(
    faults: tuple[Faults, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    taker, shown = faults
    taker.say(LocalError("port 4 is in use"))
    for _ in range(3):
        taker.say(ValueError("a detail"))
    assert shown[0] == "port 4 is in use"
    assert len(shown) == 2
    assert "ValueError" in shown[1]
    assert "test.log" in shown[1]
    monkeypatch.setattr(faults_module, "REPEAT_SECONDS", 0.0)
    taker.say(ValueError("a detail"))
    assert len(shown) == 3
    taker.show = None
    taker.say(ValueError("too early for a window"))


def test_qt_s_messages_go_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        faults_module._on_qt_message(QtMsgType.QtWarningMsg, None, "a warning of Qt")  # type: ignore[arg-type]
    assert ("qt", logging.WARNING, "a warning of Qt") in caplog.record_tuples


def test_nothing_that_goes_wrong_reaches_the_terminal(tmp_path: Path) -> None:
    with app("--scripted", "a", env=offscreen(tmp_path)) as program:
        program.until(grape="connected")
        program.ask("fail")
        await_true(lambda: "ZeroDivisionError" in program.state()["message"])
        await_true(lambda: program.log().count("ZeroDivisionError") >= 3)
        assert "a warning for nobody" in program.log()
        assert "an error for the log" in program.log()
        code, errors = program.end()
        assert (code, errors) == (0, "")

"""The log file: bounded, and never a reason to fail or to print."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

import core.profile.logs
from core.profile.logs import LOG_BYTES, LOG_FILES, set_up_logging


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch) -> Iterator[logging.Logger]:
    """The root logger, with its handlers and level put back afterwards."""
    logger = logging.getLogger()
    handlers, level = list(logger.handlers), logger.level
    monkeypatch.setattr(logging, "raiseExceptions", True)
    yield logger
    for handler in set(logger.handlers) - set(handlers):
        logger.removeHandler(handler)
        handler.close()
    logger.setLevel(level)


def at(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core.profile.logs, "log_path", lambda profile: path)


def test_it_writes_to_the_profiles_file_and_not_to_stderr(
    root: logging.Logger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    at(tmp_path / "new" / "home.log", monkeypatch)
    set_up_logging("home")
    logging.getLogger("core").info("something happened")
    assert "something happened" in (tmp_path / "new" / "home.log").read_text()
    assert capsys.readouterr().err == ""


def test_verbose_is_for_stderr_too(
    root: logging.Logger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    at(tmp_path / "home.log", monkeypatch)
    set_up_logging("home", verbose=True)
    logging.getLogger("core").debug("a detail")
    assert "a detail" in capsys.readouterr().err


@pytest.mark.parametrize("where", ["file/home.log", "folder.log"])
def test_a_place_that_cannot_be_written_costs_only_the_file(
    root: logging.Logger,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    where: str,
) -> None:
    (tmp_path / "file").write_text("not a folder")
    (tmp_path / "folder.log").mkdir()
    at(tmp_path / where, monkeypatch)
    set_up_logging("home", verbose=True)
    logging.getLogger("core").warning("still told")
    shown = capsys.readouterr().err
    assert shown.count("still told") == 1
    assert "Traceback" not in shown


def test_the_files_are_bounded(root: logging.Logger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at(tmp_path / "home.log", monkeypatch)
    set_up_logging("home")
    for _ in range((LOG_FILES + 2) * LOG_BYTES // 60_000):
        logging.getLogger("core").info("x" * 60_000)
    sizes = [path.stat().st_size for path in tmp_path.iterdir()]
    assert len(sizes) == LOG_FILES + 1
    assert max(sizes) <= LOG_BYTES


def test_setting_up_twice_writes_each_line_once(
    root: logging.Logger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at(tmp_path / "home.log", monkeypatch)
    set_up_logging("home")
    set_up_logging("home")
    logging.getLogger("core").info("only once")
    assert (tmp_path / "home.log").read_text().count("only once") == 1

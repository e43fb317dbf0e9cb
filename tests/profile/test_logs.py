"""The log file: bounded, and never a reason to fail or to print."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import core.profile.logs
from core.files.lock import locked
from core.profile.logs import LOG_BYTES, LOG_FILES, OURS, lock_path, set_up_logging


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


def handler(path: Path) -> logging.Handler:
    """Return what another program of the profile writes by."""
    made = core.profile.logs._PrivateFile(path, 4096, LOG_FILES)
    made.setFormatter(logging.Formatter("%(message)s"))
    return made


def test_two_programs_of_a_profile_lose_no_line_to_the_others_new_file(tmp_path: Path) -> None:
    path = tmp_path / "home.log"
    window, command = handler(path), handler(path)
    for number in range(300):
        for name, writer in (("window", window), ("command", command)):
            writer.emit(logging.LogRecord(name, logging.INFO, "", 0, f"{name} {number:04} " + "x" * 20, None, None))
    window.close()
    command.close()
    files = [path.with_name(f"home.log.{number}") for number in (2, 1)] + [path]
    written = [line.rpartition(" ")[0] for each in files for line in each.read_text().splitlines()]
    both = [f"{name} {number:04}" for number in range(300) for name in ("window", "command")]
    assert written == both[-len(written) :], "in order, each once, and the newest are all there"
    assert len(written) > 200
    assert all(each.stat().st_size <= 4096 for each in files)


def test_a_log_that_another_program_moves_at_this_moment_grows_by_a_line(tmp_path: Path) -> None:
    path = tmp_path / "home.log"
    writer = handler(path)
    record = logging.LogRecord("core", logging.INFO, "", 0, "y" * 3000, None, None)
    with locked(lock_path(path)):
        writer.emit(record)
        writer.emit(record)
    assert path.stat().st_size > 6000
    writer.emit(record)
    writer.close()
    assert path.stat().st_size == 3001


def test_setting_up_twice_writes_each_line_once(
    root: logging.Logger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at(tmp_path / "home.log", monkeypatch)
    set_up_logging("home")
    set_up_logging("home")
    logging.getLogger("core").info("only once")
    assert (tmp_path / "home.log").read_text().count("only once") == 1


def test_a_log_that_could_not_be_opened_goes_on_when_it_can(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", False)
    path = tmp_path / "home.log"
    path.mkdir()
    writer = handler(path)
    record = logging.LogRecord("core", logging.INFO, "", 0, "y" * 3000, None, None)
    writer.emit(record)
    path.rmdir()
    writer.emit(record)
    path.unlink()  # by its owner, or a program that makes room
    writer.emit(record)
    writer.emit(record)
    writer.close()
    assert [each.stat().st_size for each in (path, path.with_name("home.log.1"))] == [3001, 3001]


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_only_its_owner_can_read_it(root: logging.Logger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at(tmp_path / "new" / "home.log", monkeypatch)
    before = os.umask(0)
    try:
        set_up_logging("home")
        logging.getLogger("core").info("x")
    finally:
        os.umask(before)
    log = tmp_path / "new" / "home.log"
    assert (log.stat().st_mode & 0o777, log.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    log.chmod(0o666)
    set_up_logging("home")
    logging.getLogger("core").info("x")
    assert log.stat().st_mode & 0o777 == 0o600


def test_text_from_outside_forges_no_line(
    root: logging.Logger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at(tmp_path / "home.log", monkeypatch)
    set_up_logging("home")
    [ours] = [handler for handler in root.handlers if handler.name == OURS]
    forged = "x\n2026-01-01 INFO core: forged"

    def log(message: str, *arguments: object, error: Exception | None = None) -> None:
        info = None if error is None else (type(error), error, error.__traceback__)
        ours.handle(logging.LogRecord("core", logging.INFO, __file__, 1, message, arguments, info))

    log("a peer said %s", f"{forged}\x1b[2J\u202e\ud800")
    log("100 %% %s", "z", error=ValueError(forged))
    log("%d", "no number")
    lines = (tmp_path / "home.log").read_text().splitlines()
    assert "\\n2026-01-01 INFO core: forged\\x1b[2J\\u202e\\ud800" in lines[0]
    assert not [line for line in lines if line.startswith("2026-01-01")]
    assert all(line.isprintable() for line in lines)
    assert "100 % z" in lines[1]
    assert "no number" in lines[-1]

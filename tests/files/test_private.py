"""Private files: written whole or not at all, closed to others, and never in anybody's way."""

import errno
import os
import stat
from pathlib import Path

import pytest

from core.files.kept import keep_damaged
from core.files.leftovers import OLD, remove_leftovers
from core.files.private import (
    close_to_others,
    make_private_directory,
    private_file,
    read_private,
    write_private,
)

posix = pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@posix
def test_files_and_directories_are_their_owners(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        make_private_directory(tmp_path / "a" / "b")
        write_private(tmp_path / "a" / "b" / "file", b"x")
    finally:
        os.umask(before)
    assert mode(tmp_path / "a" / "b") == 0o700
    assert mode(tmp_path / "a" / "b" / "file") == 0o600
    (tmp_path / "a" / "b").chmod(0o777)
    make_private_directory(tmp_path / "a" / "b")
    assert mode(tmp_path / "a" / "b") == 0o700


@posix
@pytest.mark.parametrize(("given", "secret", "said"), [
    (0o600, True, 0), (0o400, True, 0), (0o644, False, 0), (0o644, True, 1), (0o666, False, 1), (0o620, False, 1),
])  # fmt: skip
def test_what_others_can_read_is_closed_to_them(tmp_path: Path, given: int, secret: bool, said: int) -> None:
    path, heard = tmp_path / "file", list[str]()
    path.write_bytes(b"12345")
    path.chmod(given)
    assert read_private(path, 3, heard.append, secret=secret) == b"1234"
    assert len(heard) == said
    assert mode(path) & 0o077 == 0
    path.chmod(0o666)
    assert str(path) in (close_to_others(path) or "")
    assert close_to_others(path) is None


@posix
def test_what_is_no_file_holds_nobody_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for name in ("fifo", "."):
        with pytest.raises(OSError, match="not a file"):
            read_private(tmp_path / name, 10)


@posix
def test_a_link_of_ours_leads_to_what_is_written_and_one_of_others_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, target = tmp_path / "link", tmp_path / "target"
    target.write_bytes(b"old")
    path.symlink_to(target)
    write_private(path, b"new")
    assert (path.is_symlink(), target.read_bytes(), mode(target)) == (True, b"new", 0o600)
    own = os.geteuid()
    monkeypatch.setattr("core.files.private.os.geteuid", lambda: own + 1)
    write_private(path, b"newer")
    assert (path.is_symlink(), path.read_bytes(), target.read_bytes()) == (False, b"newer", b"new")


@pytest.mark.parametrize("step", ["os.fsync", "Path.replace", "write"])
def test_a_full_disk_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "file"
    write_private(path, b"old")
    if step != "write":
        monkeypatch.setattr(f"core.files.private.{step}", full)

    def write() -> None:
        with private_file(path, "wb") as file:
            file.write(b"new")
            if step == "write":
                full()

    with pytest.raises(OSError, match="No space left"):
        write()
    assert [each.name for each in tmp_path.iterdir()] == ["file"]
    assert path.read_bytes() == b"old"


def test_leftovers_of_the_dead_go_and_others_stay(tmp_path: Path) -> None:
    dead = 2**22 + 1  # over the kernel's greatest process number
    kept = ["default.json", f"default.json.{os.getpid()}-3.tmp", "notes.tmp", "x.7.tmp.txt"]
    gone = [f"default.json.{dead}-3.tmp", f"default.trust.json.{dead}.tmp", "default.json.1-1.tmp"]
    for name in [*kept, *gone]:
        (tmp_path / name).write_text("x")
    os.utime(tmp_path / gone[2], (0, 0))  # its number is another program's by now
    assert remove_leftovers(tmp_path) == len(gone)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(kept)
    assert remove_leftovers(tmp_path / "nowhere") == 0
    assert OLD > 60


def test_writing_removes_what_a_dead_program_left_of_the_same_file(tmp_path: Path) -> None:
    for name in ("export.csv", "other.csv"):
        (tmp_path / f"{name}.{2**22 + 1}-0.tmp").write_text("x")
    write_private(tmp_path / "export.csv", b"x")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["export.csv", f"other.csv.{2**22 + 1}-0.tmp"]


def test_what_is_kept_has_a_name_of_its_own_also_without_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    for number, links in ((1, True), (2, False)):
        if not links:
            monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError(errno.EPERM, "no links here")))
        path.write_text(f"damage {number}")
        assert keep_damaged(path) == tmp_path / f"file.damaged-{number}"
        assert keep_damaged(path) == tmp_path / f"file.damaged-{number}", "the same once"
        assert path.exists(), "there is no moment without a file"
        write_private(path, b"sound")
        assert (tmp_path / f"file.damaged-{number}").read_text() == f"damage {number}"

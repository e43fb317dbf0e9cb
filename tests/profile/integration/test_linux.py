"""Menu entry, icons and the start at login on a Linux desktop: what is written, and what is really so."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import LocalError
from core.profile.integration.base import State
from core.profile.integration.linux import SIZES, LinuxIntegration, quote, split
from tests.support.tools import unavailable

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="paths and modes of POSIX")


@pytest.fixture(autouse=True)
def _no_desktop_of_the_developer(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A program whose path has all that must be quoted."""
    path = tmp_path / 'my "programs" & $more' / "100% grape`vine"
    path.parent.mkdir()
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def made(tmp_path: Path, program: Path, profile: str = "default") -> LinuxIntegration:
    return LinuxIntegration(profile, [str(program)], home=tmp_path / "home")


def everything(tmp_path: Path) -> set[str]:
    home = tmp_path / "home"
    return {str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()}


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=20), max_size=4))
def test_a_command_is_read_back_as_it_was(arguments: list[str]) -> None:
    line = " ".join(map(quote, arguments))
    assert "\n" not in line
    if not any("\\" in each for each in arguments):  # "\\n" in a path is what no desktop agrees on
        assert split(line) == arguments


def test_the_tick_is_what_is_really_so(tmp_path: Path, program: Path) -> None:
    ours = made(tmp_path, program)
    assert ours.autostart() == State(False)
    ours.set_autostart(True)
    assert ours.autostart() == State(True)
    (entry,) = (tmp_path / "home" / ".config" / "autostart").iterdir()
    written = entry.read_text()
    assert "--hidden" in written
    assert "--profile" not in written
    entry.write_text(written + "Hidden=true\n")  # as another program switches it off
    assert ours.autostart() == State(False)
    entry.write_text(written.replace("enabled=true", "enabled=false"))
    assert ours.autostart() == State(False)
    entry.write_text(written)
    program.unlink()
    gone = ours.autostart()
    assert not gone.on
    assert "not there any more" in gone.problem
    ours.set_autostart(False)
    assert ours.autostart() == State(False)
    ours.set_autostart(False)


def test_each_profile_has_its_own_start(tmp_path: Path, program: Path) -> None:
    default, work = made(tmp_path, program), made(tmp_path, program, "work")
    work.set_autostart(True)
    assert (default.autostart().on, work.autostart().on) == (False, True)
    assert "--profile work --hidden" in (tmp_path / "home/.config/autostart/grapevine-work.desktop").read_text()


def test_what_is_installed_is_gone_after_uninstalling_and_nothing_else(tmp_path: Path, program: Path) -> None:
    foreign = tmp_path / "home/.config/autostart/grapevine-fan-club.desktop"
    foreign.parent.mkdir(parents=True)
    foreign.write_text("[Desktop Entry]\nName=Fans\nIcon=fans\n")
    ours = made(tmp_path, program)
    files = ours.install()
    ours.set_autostart(True)
    made(tmp_path, program, "work").set_autostart(True)
    assert len(files) == len(SIZES) + 3
    assert all(path.stat().st_size > 100 for path in files)
    assert ours.install() == files
    gone = ours.uninstall()
    assert len(gone) == len(files) + 2
    assert everything(tmp_path) == {".config/autostart/grapevine-fan-club.desktop"}
    assert ours.uninstall() == []


def test_links_of_invitations_come_to_us(tmp_path: Path, program: Path) -> None:
    menu, entry, *_ = made(tmp_path, program, "work").install()
    text = entry.read_text()
    assert "MimeType=x-scheme-handler/grapevine;\n" in text
    assert "NoDisplay=true\n" in text
    command = next(line for line in text.splitlines() if line.startswith("Exec="))
    assert command.endswith(" --profile work link %u")
    assert "%u" not in menu.read_text()


def test_the_files_are_what_the_specification_wants(tmp_path: Path, program: Path) -> None:
    if shutil.which("desktop-file-validate") is None:
        unavailable("desktop-file-validate is missing: install desktop-file-utils")
    ours = made(tmp_path, program)
    entry = ours.install()[0]
    ours.set_autostart(True)
    for path in (
        entry,
        entry.with_name("grapevine-link.desktop"),
        tmp_path / "home/.config/autostart/grapevine.desktop",
    ):
        done = subprocess.run(["desktop-file-validate", str(path)], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (0, "")


def test_a_disk_that_refuses_is_said(tmp_path: Path, program: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / ".config").write_text("in the way")
    with pytest.raises(LocalError, match="could not be written"):
        made(tmp_path, program).set_autostart(True)

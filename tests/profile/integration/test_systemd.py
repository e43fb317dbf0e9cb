"""The unit for a board without a screen."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from core.profile.integration.systemd import SystemdService, quote

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="systemd is Linux's")


@pytest.fixture(autouse=True)
def _no_settings_of_the_developer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)


def made(home: Path, profile: str = "default", program: str = "/usr/bin/grapevine") -> SystemdService:
    return SystemdService(profile, [program], home=home)


def test_it_is_written_enabled_and_removed(tmp_path: Path) -> None:
    units = tmp_path / ".config" / "systemd" / "user"
    (path,) = made(tmp_path, "garden").install()
    assert made(tmp_path, "garden").install() == [path]
    assert path == units / "grapevine-garden.service"
    assert "ExecStart=/usr/bin/grapevine share --all --quiet --profile garden\n" in path.read_text()
    assert (units / "default.target.wants" / path.name).resolve() == path
    theirs = units / "grapevine-mine.service"
    theirs.write_text("[Service]\nExecStart=/bin/true\n")
    assert made(tmp_path).uninstall() == [path]
    assert made(tmp_path).uninstall() == []
    assert [each.name for each in units.rglob("*.service")] == [theirs.name]


def test_a_path_of_any_kind_is_quoted() -> None:
    assert quote("/usr/bin/grapevine") == "/usr/bin/grapevine"
    assert quote("/a b/c") == '"/a b/c"'
    assert quote('/a"b\\c') == '"/a\\"b\\\\c"'
    assert quote("100%/$HOME") == '"100%%/$$HOME"'
    assert quote("a\nb") == '"a\\x0ab"'
    assert quote("") == '""'


@pytest.mark.parametrize("folder", ["plain", "with spaces 100%", "my \"pro$grams\" & 'more'"])
def test_systemd_reads_it_where_it_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str) -> None:
    verifier = shutil.which("systemd-analyze")
    if verifier is None:
        pytest.skip("systemd-analyze is not installed")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    program = tmp_path / folder / "grapevine"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    (path,) = made(tmp_path, program=str(program)).install()
    command = [verifier, "verify", "--user", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")

"""Whether there may be a keyring is told without loading the package `keyring`."""

import subprocess
import sys
from pathlib import Path

import pytest

from core.identity.keyrings import NoKeyring, may_be_there, system_keyring

LINUX = "linux"


@pytest.fixture
def board(tmp_path: Path) -> dict[str, str]:
    """The environment of a board without a desktop."""
    return {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path / "run")}


def test_a_board_without_a_desktop_has_none(board: dict[str, str]) -> None:
    assert not may_be_there(board, LINUX)
    assert not may_be_there({}, LINUX)


@pytest.mark.parametrize("name", ["DBUS_SESSION_BUS_ADDRESS", "DISPLAY", "WAYLAND_DISPLAY"])
def test_where_a_session_bus_may_be_there_may_be_one(name: str, board: dict[str, str]) -> None:
    assert may_be_there({**board, name: ":0"}, LINUX)


@pytest.mark.parametrize("file", [".config/python_keyring/keyringrc.cfg", "run/bus"])
def test_what_lies_in_a_folder_leads_to_one(file: str, board: dict[str, str], tmp_path: Path) -> None:
    place = tmp_path / file
    place.parent.mkdir(parents=True)
    place.touch()
    assert may_be_there(board, LINUX)


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_other_systems_always_have_one(platform: str, board: dict[str, str]) -> None:
    assert may_be_there(board, platform)


@pytest.mark.parametrize(("named", "there"), [("keyring.backends.fail.Keyring", False), ("keyrings.alt.file", True)])
def test_one_that_is_named_counts(named: str, there: bool, board: dict[str, str]) -> None:
    for platform in (LINUX, "darwin"):
        assert may_be_there({**board, "DISPLAY": ":0", "PYTHON_KEYRING_BACKEND": named}, platform) is there


def test_where_there_is_none_nothing_can_be_kept_and_nothing_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
    found = system_keyring()
    assert isinstance(found, NoKeyring)
    with pytest.raises(LookupError):
        found.get_password("a", "b")
    with pytest.raises(LookupError):
        found.set_password("a", "b", "c")
    code = (
        "import sys; from core.identity.keyrings import system_keyring as find; find(); print('keyring' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"False\n"

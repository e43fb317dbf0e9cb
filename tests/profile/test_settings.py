"""Settings: they come back as saved, and wrong values are refused. `test_damage.py` has bad files."""

import dataclasses
import json
from pathlib import Path

import pytest

from core.errors import LocalError
from core.profile.settings import MAX_AUDIENCES, Settings, SettingsStore, WindowState
from core.trust.audience import Audience

FULL = Settings(
    grapes=("http://192.0.2.7:30001", "https://grape.example:443"),
    bootstrap=("192.0.2.7:20001",),
    dht_port=20011,
    api_port=0,
    udp_port=1337,
    share_at_start=("fibonacci",),
    audiences={"fibonacci": Audience.OFF, "one of another version": Audience.IDENTIFIED},
    notify_new_peers=False,
    close_action="tray",
    window=WindowState("AAAA", "BBBB"),
)


def test_settings_come_back_as_saved(tmp_path: Path) -> None:
    SettingsStore("a", root=tmp_path).save(FULL)
    assert SettingsStore("a", root=tmp_path).load() == FULL
    assert SettingsStore("b", root=tmp_path).load() == Settings()


def test_saved_file_is_private_and_leaves_no_temporary_behind(tmp_path: Path) -> None:
    store = SettingsStore(root=tmp_path / "new" / "folder")
    store.save(FULL)
    assert sorted(path.name for path in store.path.parent.iterdir()) == ["default.json", "default.lock"]
    assert store.path.stat().st_mode & 0o077 == 0


def test_unknown_keys_are_ignored(tmp_path: Path) -> None:
    store = SettingsStore(root=tmp_path)
    store.path.write_text(json.dumps({"schema": 1, "udp_port": 5, "later": {"x": 1}}))
    assert store.load() == dataclasses.replace(Settings(), udp_port=5)
    assert store.problem is None


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("grapes", ("127.0.0.1:30001",), "http://192.0.2.7:30001"),
        ("grapes", ("http://h",), "30001"),
        ("grapes", ("http://h:99999",), "not a grape"),
        ("bootstrap", ("nowhere",), "host:port"),
        ("bootstrap", ("h:0",), "1 to 65535"),
        ("api_port", -1, "api_port"),
        ("bootstrap", ("h:1",) * 33, "32"),
        ("audiences", {str(n): Audience.OFF for n in range(MAX_AUDIENCES + 1)}, "1024 services"),
    ],
)
def test_a_wrong_value_is_refused_with_what_to_write(tmp_path: Path, field: str, value: object, said: str) -> None:
    wrong = dataclasses.replace(Settings(), **{field: value})  # type: ignore[arg-type]
    with pytest.raises(LocalError, match=said):
        SettingsStore(root=tmp_path).save(wrong)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["", "../x", "a b", "x" * 33])
def test_a_profile_name_never_leaves_its_folder(name: str) -> None:
    with pytest.raises(LocalError, match="profile"):
        SettingsStore(name)


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LocalError, match="could not be saved"):
        SettingsStore(root=tmp_path / "file").save(Settings())

"""The start at login on Windows and macOS, as far as it can be tried here: on a registry and a home of our own."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from core.profile.integration.base import State, program
from core.profile.integration.macos import MacIntegration
from core.profile.integration.windows import WindowsIntegration


class Registry(SimpleNamespace):
    """As the module `winreg`, with one key."""

    HKEY_CURRENT_USER, KEY_SET_VALUE, REG_SZ = 1, 2, 1

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, str] = {}
        self.path = ""  # of the key that was made last
        self.keys: dict[str, dict[str, str]] = {}

    def OpenKey(self, *_: Any) -> "Registry":  # noqa: ANN401
        return self

    def CreateKey(self, _root: object, path: str) -> "Registry":
        self.path = path
        self.keys.setdefault(path, {})
        return self

    def DeleteKey(self, _root: object, path: str) -> None:
        if self.keys.pop(path, None) is None:
            raise FileNotFoundError(path)

    def __enter__(self) -> "Registry":
        return self

    def __exit__(self, *_: object) -> None: ...

    def QueryValueEx(self, _key: object, name: str) -> tuple[str, int]:
        if name not in self.values:
            raise FileNotFoundError(name)
        return self.values[name], 1

    def SetValueEx(self, _key: object, name: str, _: int, _kind: int, value: str) -> None:
        (self.keys[self.path] if self.path else self.values)[name] = value

    def DeleteValue(self, _key: object, name: str) -> None:
        if self.values.pop(name, None) is None:
            raise FileNotFoundError(name)


def test_windows(tmp_path: Path) -> None:
    path = tmp_path / "Program Files" / "grapevine.exe"
    path.parent.mkdir()
    path.touch()
    registry = Registry()
    ours = WindowsIntegration("work", [str(path)], registry=registry)
    assert ours.autostart() == State(False)
    ours.set_autostart(True)
    assert registry.values == {"Grapevine work": f'"{path}" --profile work --hidden'}
    assert ours.autostart() == State(True)
    path.unlink()
    assert "not there any more" in ours.autostart().problem
    ours.uninstall()
    ours.set_autostart(False)
    assert registry.values == {}


def test_macos(tmp_path: Path) -> None:
    path = tmp_path / "grapevine"
    path.touch()
    ours = MacIntegration("default", [str(path)], home=tmp_path)
    assert ours.autostart() == State(False)
    ours.set_autostart(True)
    assert ours.autostart() == State(True)
    path.unlink()
    assert not ours.autostart().on
    assert [each.name for each in ours.uninstall()] == ["org.grapevine.Grapevine.plist"]
    assert ours.autostart() == State(False)


def test_the_program_is_one_that_is_there() -> None:
    assert Path(program()[0]).exists()


def test_links_start_the_program_on_windows() -> None:
    registry = Registry()
    ours = WindowsIntegration("work", [r"C:\Program Files\grapevine.exe"], registry=registry)
    assert ours.install() == []
    scheme = r"Software\Classes\grapevine"
    assert registry.keys[scheme] == {"": "URL:Grapevine", "URL Protocol": ""}
    command = registry.keys[scheme + r"\shell\open\command"][""]
    assert command == r'"C:\Program Files\grapevine.exe" --profile work link "%1"'
    ours.uninstall()
    assert registry.keys == {}

"""Windows: the Run key of the registry for the start at login, and a shortcut-free start from the bundle's folder."""

import importlib
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core.errors import LocalError
from core.profile.integration.base import State, arguments

RUN = r"Software\Microsoft\Windows\CurrentVersion\Run"


class WindowsIntegration:
    """Of one profile. Not tried on Windows yet: see the README. `registry` is the module `winreg`."""

    def __init__(self, profile: str, command: Sequence[str], *, registry: Any = None) -> None:  # noqa: ANN401
        self._profile = profile
        self._command = list(command)
        self._name = "Grapevine" if profile == "default" else f"Grapevine {profile}"
        self._registry = registry if registry is not None else importlib.import_module("winreg")

    def autostart(self) -> State:
        """See Integration."""
        winreg = self._registry
        try:
            with winreg.OpenKey(winreg.HKEY_CURRENT_USER, RUN) as key:
                command = str(winreg.QueryValueEx(key, self._name)[0])
        except OSError:
            return State(False)
        started = command.split('"')[1] if command.startswith('"') else command.partition(" ")[0]
        if not Path(started).exists():
            return State(False, f"The Run key starts {started}, which is not there any more.")
        return State(True)

    def set_autostart(self, on: bool) -> None:
        """See Integration."""
        winreg = self._registry
        try:
            with winreg.OpenKey(winreg.HKEY_CURRENT_USER, RUN, 0, winreg.KEY_SET_VALUE) as key:
                if on:
                    command = subprocess.list2cmdline([*self._command, *arguments(self._profile)])
                    winreg.SetValueEx(key, self._name, 0, winreg.REG_SZ, command)
                else:
                    winreg.DeleteValue(key, self._name)
        except FileNotFoundError:
            return
        except OSError as error:
            raise LocalError(f"the registry could not be changed: {error.strerror or error}") from error

    def install(self) -> list[Path]:
        """See Integration. There is nothing to do."""
        return []

    def uninstall(self) -> list[Path]:
        """See Integration."""
        self.set_autostart(False)
        return []

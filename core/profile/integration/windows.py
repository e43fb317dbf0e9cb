"""Windows: the registry has the start at login, and what links start; the rest is a start from the bundle's folder."""

import contextlib
import importlib
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core.errors import LocalError
from core.profile.integration.base import LINK_SCHEME, State, arguments

RUN = r"Software\Microsoft\Windows\CurrentVersion\Run"

CLASSES = r"Software\Classes"
OPEN = r"\shell\open\command"


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
        """See Integration. Links of invitations start this program, for this user; no file is written."""
        winreg = self._registry
        named = [] if self._profile == "default" else ["--profile", self._profile]
        # the browser hands over a link without quotes in it: it has percent signs in their place
        command = f'{subprocess.list2cmdline([*self._command, *named, "link"])} "%1"'
        scheme = rf"{CLASSES}\{LINK_SCHEME}"
        values = ((scheme, "", "URL:Grapevine"), (scheme, "URL Protocol", ""), (scheme + OPEN, "", command))
        try:
            for path, name, value in values:
                with winreg.CreateKey(winreg.HKEY_CURRENT_USER, path) as key:
                    winreg.SetValueEx(key, name, 0, winreg.REG_SZ, value)
        except OSError as error:
            raise LocalError(f"the registry could not be changed: {error.strerror or error}") from error
        return []

    def uninstall(self) -> list[Path]:
        """See Integration."""
        self.set_autostart(False)
        winreg = self._registry
        for path in (OPEN, r"\shell\open", r"\shell", ""):  # from the inside out: a key with others in it stays
            with contextlib.suppress(FileNotFoundError):
                winreg.DeleteKey(winreg.HKEY_CURRENT_USER, rf"{CLASSES}\{LINK_SCHEME}{path}")
        return []

"""macOS: a LaunchAgent for the start at login; the menu is the Applications folder, where a user puts the .app."""

import plistlib
from collections.abc import Sequence
from pathlib import Path

from core.errors import LocalError
from core.files.private import private_file
from core.profile.integration.base import State, arguments

LABEL = "org.grapevine.Grapevine"


class MacIntegration:
    """Of one profile. Not tried on a Mac yet: see the README."""

    def __init__(self, profile: str, command: Sequence[str], *, home: Path | None = None) -> None:
        self._profile = profile
        self._command = list(command)
        self._agents = (home or Path.home()) / "Library" / "LaunchAgents"
        label = LABEL if profile == "default" else f"{LABEL}.{profile}"
        self._label = label
        self._agent = self._agents / f"{label}.plist"

    def autostart(self) -> State:
        """See Integration."""
        try:
            entry = plistlib.loads(self._agent.read_bytes())
            command = [str(each) for each in entry["ProgramArguments"]]
        except (OSError, ValueError, KeyError, TypeError, plistlib.InvalidFileException):
            return State(False)
        if not entry.get("RunAtLoad"):
            return State(False)
        if not command or not Path(command[0]).exists():
            return State(False, f"{self._agent} starts {command[:1]}, which is not there any more.")
        return State(True)

    def set_autostart(self, on: bool) -> None:
        """See Integration."""
        try:
            if not on:
                self._agent.unlink(missing_ok=True)
                return
            command = [*self._command, *arguments(self._profile)]
            entry = {"Label": self._label, "ProgramArguments": command, "RunAtLoad": True}
            self._agents.mkdir(parents=True, exist_ok=True)
            with private_file(self._agent, "wb", permissions=0o644) as file:
                file.write(plistlib.dumps(entry))
        except OSError as error:
            raise LocalError(f"{self._agent} could not be changed: {error.strerror or error}") from error

    def install(self) -> list[Path]:
        """See Integration. There is nothing to do."""
        return []

    def uninstall(self) -> list[Path]:
        """See Integration."""
        gone = list(self._agents.glob(f"{LABEL}*.plist"))
        for path in gone:
            path.unlink(missing_ok=True)
        return gone

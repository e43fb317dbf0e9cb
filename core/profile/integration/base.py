"""What every system's integration is, and how this very program is started again."""

import sys
from pathlib import Path
from typing import Final, Protocol

from core.frozen import frozen

LINK_SCHEME: Final = "grapevine"  # of the links of invitations (`core.invitations.link`)


@frozen
class State:
    """Whether the program starts at login, as the system has it now; `problem` says why it will not although it should.

    For example because the program was moved since.
    """

    on: bool
    problem: str = ""


class Integration(Protocol):
    """Raises LocalError, with a sentence, where the system refuses."""

    def autostart(self) -> State:
        """Return the real state, read each time: other programs change it too."""

    def set_autostart(self, on: bool) -> None:
        """Start at login, hidden in the tray where there is one, or stop that."""

    def install(self) -> list[Path]:
        """Put an entry into the system's menu; return the files that are there now."""

    def uninstall(self) -> list[Path]:
        """Take menu entry, icons and autostart away, of every profile; return the files that are gone."""


def program() -> list[str]:
    """Return the command that starts this program: the bundle's, an installation's script, or Python."""
    if getattr(sys, "frozen", False):
        return [sys.executable]
    script = Path(sys.executable).with_name("grapevine.exe" if sys.platform == "win32" else "grapevine")
    if script.is_file():
        return [str(script)]
    return [sys.executable, "-m", "core.cli"]


def arguments(profile: str) -> list[str]:
    """Return what is behind the command at login."""
    named = [] if profile == "default" else ["--profile", profile]
    return [*named, "--hidden"]

"""A systemd user unit that shares what a profile keeps, on a board without a screen: from boot on, if its user lingers.

It is written and enabled as `systemctl --user enable` does it, so that it works where no user manager runs yet.
"""

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from core.errors import LocalError
from core.profile.integration.linux import remove_file, write_file, xdg

RESTART: Final = 10  # seconds before it is started again; the network of a board is often late
_SPECIAL: Final = frozenset("\"'\\$;|&<>*?`#()\n\t")
_MARK: Final = "X-Grapevine="  # systemd.unit(5): keys with X- are the application's own


class SystemdService:
    """The unit of one profile; `command` starts the program."""

    def __init__(self, profile: str, command: Sequence[str], *, home: Path | None = None) -> None:
        self._profile = profile
        self._command = list(command)
        self._units = xdg("XDG_CONFIG_HOME", (home or Path.home()) / ".config") / "systemd" / "user"
        self.name = "grapevine" if profile == "default" else f"grapevine-{profile}"
        self.path = self._units / f"{self.name}.service"

    @property
    def _wanted(self) -> Path:
        return self._units / "default.target.wants"

    def install(self) -> list[Path]:
        """Write and enable the unit; return its file. Raises LocalError."""
        write_file(self.path, self.text().encode())
        link = self._wanted / self.path.name
        try:
            self._wanted.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):
                link.unlink()
            link.symlink_to(self.path)
        except OSError as error:
            raise LocalError(f"{link} could not be written: {error.strerror or error}") from error
        return [self.path]

    def uninstall(self) -> list[Path]:
        """Remove our units, of every profile; return the files that are gone. What runs goes on until it is stopped."""
        gone = []
        for path in sorted(self._units.glob("grapevine*.service")):
            if _is_ours(path):
                remove_file(self._wanted / path.name)
                gone += [path] if remove_file(path) else []
        return gone

    def text(self) -> str:
        """Return the unit."""
        named = [] if self._profile == "default" else ["--profile", self._profile]
        # systemd takes no quotes and the like in the name of a program, and does not undo "$$" there
        through = [] if set(self._command[0]).isdisjoint(_SPECIAL) else ["/usr/bin/env"]
        command = " ".join(map(quote, (*through, *self._command, "share", "--all", "--quiet", *named)))
        return (
            f"[Unit]\nDescription=Grapevine: what the profile {self._profile} shares\nStartLimitIntervalSec=0\n"
            f"{_MARK}{self._profile}\n\n"
            f"[Service]\nExecStart={command}\nRestart=on-failure\nRestartSec={RESTART}\n\n"
            "[Install]\nWantedBy=default.target\n"
        )


def quote(argument: str) -> str:
    """Return an argument for ExecStart= (systemd.syntax(7), and systemd.service(5) on `$`; `%` is a specifier)."""
    text = argument.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    text = "".join(
        each if each.isprintable() else "".join(f"\\x{byte:02x}" for byte in os.fsencode(each)) for each in text
    )
    return f'"{text}"' if text != argument or not argument or set(argument) & set(" ';#") else text


def _escaped(text: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in os.fsencode(text))


def _is_ours(path: Path) -> bool:
    try:
        return _MARK in path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False

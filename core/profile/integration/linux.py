"""Linux and BSD desktops: .desktop files and icons where freedesktop.org has them, for this user only."""

import os
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Final

from core.errors import LocalError
from core.files.private import private_file
from core.profile.integration.base import LINK_SCHEME, State, arguments

SIZES: Final = (16, 24, 32, 48, 64, 128, 256, 512)  # pixels, of the icons in resources/app
COMMENT: Final = "Share a small service from behind your home router"
# Desktop Entry Specification, "The Exec key": what makes quotes needed, and what is escaped within them.
_RESERVED: Final = frozenset(" \t\n\"'\\><~|&;$*?#()`")
_ESCAPED: Final = ('"', "`", "$")


class LinuxIntegration:
    """Of one profile; `command` starts the program."""

    def __init__(self, profile: str, command: Sequence[str], *, home: Path | None = None) -> None:
        root = home or Path.home()
        self._profile = profile
        self._command = list(command)
        self._data = xdg("XDG_DATA_HOME", root / ".local" / "share")
        self._autostarts = xdg("XDG_CONFIG_HOME", root / ".config") / "autostart"
        name = "grapevine" if profile == "default" else f"grapevine-{profile}"
        self._autostart = self._autostarts / f"{name}.desktop"

    # -- at login --------------------------------------------------------------------------------------------------

    def autostart(self) -> State:
        """See Integration."""
        try:
            text = self._autostart.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return State(False)
        entry = dict(_entries(text))
        if entry.get("Hidden", "").lower() == "true" or entry.get("X-GNOME-Autostart-enabled", "").lower() == "false":
            return State(False)
        started = split(entry.get("Exec", ""))
        if not started or not _is_program(started[0]):
            missing = started[0] if started else "nothing"
            return State(False, f"{self._autostart} starts {missing}, which is not there any more.")
        return State(True)

    def set_autostart(self, on: bool) -> None:
        """See Integration."""
        if not on:
            remove_file(self._autostart)
            return
        write_file(self._autostart, self._entry(arguments(self._profile), "X-GNOME-Autostart-enabled=true\n"))

    # -- in the menu -----------------------------------------------------------------------------------------------

    def install(self) -> list[Path]:
        """See Integration."""
        named = [] if self._profile == "default" else ["--profile", self._profile]
        write_file(self._menu_entry(), self._entry(named, "StartupNotify=true\n"))
        # an entry of its own: in the menu's, %u would become nothing, or a link where a command is expected
        link = self._entry([*named, "link"], f"NoDisplay=true\nMimeType=x-scheme-handler/{LINK_SCHEME};\n", " %u")
        write_file(self._link_entry(), link)
        for path, data in self._icons():
            write_file(path, data)
        return [self._menu_entry(), self._link_entry(), *(path for path, _ in self._icons())]

    def uninstall(self) -> list[Path]:
        """See Integration."""
        ours = [path for path in self._autostarts.glob("grapevine*.desktop") if _starts_us(path)]
        candidates = [*ours, self._menu_entry(), self._link_entry(), *(path for path, _ in self._icons())]
        return [path for path in candidates if remove_file(path)]

    def _menu_entry(self) -> Path:
        return self._data / "applications" / "grapevine.desktop"

    def _link_entry(self) -> Path:
        return self._data / "applications" / "grapevine-link.desktop"

    def _icons(self) -> Iterator[tuple[Path, bytes]]:
        themes = self._data / "icons" / "hicolor"
        for size in SIZES:
            data = (files("resources") / "app" / f"grapevine-{size}.png").read_bytes()
            yield themes / f"{size}x{size}" / "apps" / "grapevine.png", data
        drawing = (files("resources") / "icons" / "grapevine.svg").read_bytes()
        yield themes / "scalable" / "apps" / "grapevine.svg", drawing

    def _entry(self, behind: Sequence[str], more: str, field: str = "") -> bytes:
        """Return an entry; `field` is a field code of the Exec key, which is not quoted."""
        command = " ".join(quote(each) for each in (*self._command, *behind)) + field
        text = (
            "[Desktop Entry]\nType=Application\nName=Grapevine\n"
            f"Comment={COMMENT}\nExec={command}\nIcon=grapevine\nTerminal=false\n"
            f"Categories=Network;P2P;\nKeywords=grenache;peer;share;punch;\n{more}"
        )
        return text.encode()


def quote(argument: str) -> str:
    """Return an argument as the Exec key wants it. The value is a string too, so a backslash is doubled once more."""
    text = argument.replace("%", "%%")
    if not argument or _RESERVED & set(argument):
        text = text.replace("\\", "\\\\")
        for each in _ESCAPED:
            text = text.replace(each, f"\\{each}")
        text = f'"{text}"'
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t")


def split(value: str) -> list[str]:
    """Return the arguments of an Exec value; what makes no sense ends it."""
    text = value.replace("\\n", "\n").replace("\\t", "\t").replace("\\\\", "\\")
    found: list[str] = []
    current, quoted, begun, at = "", False, False, 0
    while at < len(text):
        each = text[at]
        if quoted and each == "\\" and at + 1 < len(text):
            at += 1
            current += text[at]
        elif each == '"':
            quoted, begun = not quoted, True
        elif each in " \t" and not quoted:
            found += [current] if begun else []
            current, begun = "", False
        else:
            current, begun = current + each, True
        at += 1
    found += [current] if begun else []
    return [each.replace("%%", "%") for each in found]


def _entries(text: str) -> Iterator[tuple[str, str]]:
    """Give the keys of the group Desktop Entry."""
    group = ""
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("["):
            group = stripped
        elif group == "[Desktop Entry]" and "=" in stripped and not stripped.startswith("#"):
            key, _, value = stripped.partition("=")
            yield key.strip(), value.strip()


def _starts_us(path: Path) -> bool:
    try:
        entry = dict(_entries(path.read_text(encoding="utf-8", errors="replace")))
    except OSError:
        return False
    return entry.get("Icon") == "grapevine"


def _is_program(path: str) -> bool:
    if "/" in path:
        return os.access(path, os.X_OK)
    places = os.environ.get("PATH", "").split(os.pathsep)
    return any(os.access(os.path.join(place, path), os.X_OK) for place in places if place)


def xdg(variable: str, default: Path) -> Path:
    """Return one of the XDG base directories."""
    value = os.environ.get(variable, "")
    return Path(value) if os.path.isabs(value) else default  # the specification: a relative one is ignored


def write_file(path: Path, data: bytes) -> None:
    """Write a file that others may read, whole or not at all. Raises LocalError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with private_file(path, "wb", permissions=0o644) as file:
            file.write(data)
    except OSError as error:
        raise LocalError(f"{path} could not be written: {error.strerror or error}") from error


def remove_file(path: Path) -> bool:
    """Remove a file; return whether it was there. Raises LocalError."""
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise LocalError(f"{path} could not be removed: {error.strerror or error}") from error
    return True

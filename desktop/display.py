"""Can a window be shown here at all? No Qt import: the command line asks this before it loads anything heavy."""

import importlib.util
import sys
from collections.abc import Mapping

HEADLESS_HINT = "Without a screen, use the command line: grapevine share fibonacci"
# platform plugins of Qt that need a display server; any other one named in QT_QPA_PLATFORM draws by itself
_NEED_SERVER = ("xcb", "wayland")


def display_problem(environment: Mapping[str, str], platform: str = sys.platform) -> str | None:
    """Return why no window can be shown, as a sentence for people, or None when one can be.

    `environment` is `os.environ`; `platform` is `sys.platform`. Windows and macOS always have a display.
    """
    if platform in ("win32", "darwin", "cygwin"):
        return None
    chosen = environment.get("QT_QPA_PLATFORM", "").split(";")[0].split(":")[0].strip()
    if chosen and not chosen.startswith(_NEED_SERVER):
        return None
    if environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"):
        return None
    return f"Grapevine found no display to show its window on. {HEADLESS_HINT}"


def qt_problem() -> str | None:
    """Return why the window's libraries cannot be used, as a sentence, or None when they are installed."""
    missing = [name for name in ("PySide6", "qasync") if importlib.util.find_spec(name) is None]
    if not missing:
        return None
    names = " and ".join(missing)
    return f"Grapevine's window needs {names}: pip install 'grapevine[desktop]'. {HEADLESS_HINT}"

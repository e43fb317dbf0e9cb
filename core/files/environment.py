"""The environment for programs that are not ours: without what the bundle sets for itself."""

import os
import sys
from collections.abc import Mapping, MutableMapping
from typing import Final

_OWN: Final = ("_PYI_", "_MEIPASS")  # how PyInstaller begins the names of its own variables
_ORIGINAL: Final = "_ORIG"  # it keeps what the user had in NAME_ORIG
_PATHS: Final = ("LD_LIBRARY_PATH", "LIBPATH", "DYLD_LIBRARY_PATH")  # which it puts its libraries in front of


def for_others(environment: Mapping[str, str], inside: str | None = None) -> dict[str, str]:
    """Return the variables for a program that we start. `inside`: the bundle's folder; "": we are no bundle.

    A program that loads Qt's plugins or a library from the bundle in the place of the system's does not start.
    """
    inside = str(getattr(sys, "_MEIPASS", "")) if inside is None else inside
    found = dict(environment)
    if not inside:
        return found
    for name in _PATHS:
        was = found.pop(f"{name}{_ORIGINAL}", None)
        if was is not None:
            found[name] = was
    return {
        name: value
        for name, value in found.items()
        if not name.startswith(_OWN) and not any(_is_inside(part, inside) for part in value.split(os.pathsep))
    }


def leave_bundle(environment: MutableMapping[str, str], inside: str | None = None) -> None:
    """Change our own environment to that for others: what of ours needed the variables has read them."""
    kept = for_others(environment, inside)
    for name in environment.keys() - kept.keys():
        del environment[name]
    environment.update(kept)


def _is_inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)

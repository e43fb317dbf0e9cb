"""The compiled engines, where they were built: machine code of modules of ours, made by mypyc from their source.

One library has all of them: a file for each would take 28 KB of memory, 4 MB in all, and 0.1 ms at each start. It has
a door for each, by the module's whole name, where Python looks for one by the last part of it.

They are found in a directory of their own, `core/_engines/<interpreter>/`, never beside the source, and only while
every source that they were made of is still as it was: `install` looks at each file's size and time, and at its hash
when those differ. Else all of them are left alone, and Python runs the source: it is the reference, and never stale.

GRAPEVINE_ENGINES=python does without; GRAPEVINE_ENGINES=compiled is an error where they are missing or stale.
"""

import importlib
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib.machinery import ExtensionFileLoader, ModuleSpec
from types import ModuleType
from typing import Final

HERE: Final = os.path.dirname(os.path.abspath(__file__))
VARIABLE: Final = "GRAPEVINE_ENGINES"
LIBRARY: Final = "grapevine__mypyc"  # has the code of all modules
SUFFIX: Final = ".pyd" if sys.platform == "win32" else ".so"
MANIFEST: Final = "manifest.json"  # {"modules": [name], "sources": {file: [bytes, nanoseconds, hash]}}
PURE, COMPILED = "pure Python", "compiled engines"
_state: list[str] = [PURE, "they were not built"]  # what runs, and why it is not compiled


def door(module: str) -> str:
    """Return the name by which the library opens a module: `PyInit_` and this is the function that does it."""
    return module.replace(".", "__")


class Finder:
    """Finds the library and the modules in it, and loads them (`sys.meta_path`)."""

    def __init__(self, library: str, modules: Iterable[str]) -> None:
        """`library`: the path of its file."""
        self._library = library
        self._modules = {LIBRARY, *modules}

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """See `importlib.abc.MetaPathFinder`."""
        if name not in self._modules:
            return None
        found = ModuleSpec(name, self, origin=self._library)  # type: ignore[arg-type]  # in typeshed, a class of its own
        found.has_location = True
        return found

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """See `importlib.abc.Loader`. The body of the module has run when this returns."""
        name = door(spec.name)
        module = ExtensionFileLoader(name, self._library).create_module(ModuleSpec(name, None, origin=self._library))
        if name != spec.name:
            sys.modules.pop(name, None)  # where Python has put it as well
        return module

    def exec_module(self, module: ModuleType) -> None:
        """See `importlib.abc.Loader`."""


def directory(core: str = HERE) -> str:
    """Return where the compiled engines of this interpreter are, or would be, beside the package `core`."""
    return os.path.join(core, "_engines", sys.implementation.cache_tag or "unknown")


def engines() -> str:
    """Return what runs: "compiled engines" or "pure Python"."""
    return _state[0]


def reason() -> str:
    """Return why it is pure Python, as part of a sentence; "" when it is not."""
    return _state[1]


def install() -> None:
    """Have the compiled modules be imported instead of their source, if they may. Raises ImportError if they must."""
    wanted = os.environ.get(VARIABLE, "")
    if wanted == "python":
        _state[:] = [PURE, f"{VARIABLE}=python is set"]
        return
    why = _install()
    _state[:] = [PURE if why else COMPILED, why]
    if why and wanted == "compiled":
        raise ImportError(f"{VARIABLE}=compiled is set, and there are no compiled engines: {why}")


def _install() -> str:
    """Do it, or return why not."""
    here = directory()
    try:
        with open(os.path.join(here, MANIFEST), encoding="utf-8") as file:
            manifest = json.load(file)
        modules: list[str] = manifest["modules"]
        sources: dict[str, list[object]] = manifest["sources"]
        finder = Finder(os.path.join(here, LIBRARY + SUFFIX), modules)
    except FileNotFoundError:
        return "they were not built"
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return "their manifest cannot be read"
    if not getattr(sys, "frozen", False):  # a bundle has no sources, and cannot change
        stale = first_stale(os.path.dirname(HERE), sources)
        if stale:
            return f"they are older than {stale}"
    sys.meta_path.insert(0, finder)
    try:
        importlib.import_module(LIBRARY)
    except ImportError as error:  # of another machine, or half copied
        sys.meta_path.remove(finder)
        return f"they cannot be loaded ({error})"
    return ""


def first_stale(root: str, sources: Mapping[str, Sequence[object]]) -> str:
    """Return the first of the source files below `root` that is not as it was when they were compiled, or ""."""
    for name, (size, time, digest) in sources.items():
        path = os.path.join(root, name)
        try:
            found = os.stat(path)
            if (found.st_size, found.st_mtime_ns) != (size, time) and (
                found.st_size != size or digest_of(path) != digest
            ):
                return name
        except OSError:
            return name
    return ""


def digest_of(path: str) -> str:
    """Return the hash of a file, of the kind by which Python itself knows a source (PEP 552). Raises OSError."""
    from importlib.util import source_hash  # only where a time differs; `hashlib` would load OpenSSL, 4 MB in 12 ms

    with open(path, "rb") as file:
        return source_hash(file.read()).hex()

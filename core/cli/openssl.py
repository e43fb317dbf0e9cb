"""The system's OpenSSL is loaded when somebody needs it: without it a peer at rest has 5 MB less, and starts sooner.

What encrypts between peers is another OpenSSL, which `cryptography` brings. The system's came because asyncio imports
`ssl`, and `hashlib` and `hmac` import `_hashlib`. All three do without where those are missing, and here they are
imported as if those were. An `import ssl` later, of aiohttp for example, loads the real one. In that moment what was
imported without it is put right, so that it is as it would have been. Before, nobody can have an object of `ssl`.
"""

import importlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:  # it is 2 ms of each start
    from importlib.abc import Loader

MISSING: Final = {"asyncio": "ssl", "hashlib": "_hashlib", "hmac": "_hashlib"}  # who is imported as if what was missing
AGAIN: Final = ("asyncio.sslproto", "hashlib", "hmac")  # they use it while they are imported: once more then
SHA2: Final = ("_sha2",) if sys.version_info >= (3, 12) else ("_sha256", "_sha512")
# Python's own; some systems build it without.
HASHES: Final = ("_blake2", "_md5", "_sha1", *SHA2, "_sha3")


def wait_for_need() -> None:
    """Load it not before `ssl` is imported. Changes nothing where that has been imported already."""
    if "ssl" not in sys.modules:
        sys.meta_path.insert(0, _Finder())


class _Finder:
    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """See `importlib.abc.MetaPathFinder`. Others find these four modules; our loader is put around theirs."""
        if name != "ssl" and name not in MISSING:
            return None
        for other in sys.meta_path[sys.meta_path.index(self) + 1 :]:
            found = other.find_spec(name, path, target)
            if found is not None and found.loader is not None:
                found.loader = _Loader(found.loader, self)  # type: ignore[assignment]  # in typeshed, a class of its own
                return found
        return None


class _Loader:
    def __init__(self, real: "Loader", finder: _Finder) -> None:
        self._real, self._finder = real, finder

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """See `importlib.abc.Loader`."""
        return self._real.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """See `importlib.abc.Loader`: run it as if something was missing, or put right what has run so."""
        module.__loader__ = self._real
        if module.__spec__ is not None:
            module.__spec__.loader = self._real
        if module.__name__ != "ssl":
            with _missing(MISSING[module.__name__]):
                self._real.exec_module(module)
            return
        self._real.exec_module(module)
        if self._finder in sys.meta_path:
            sys.meta_path.remove(self._finder)
            _put_right(module)


@contextmanager
def _missing(name: str) -> Iterator[None]:
    """Have each import of this module fail, unless it was imported before, or would be missed."""
    if name in sys.modules or (name == "_hashlib" and not _has_hashes()):
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]  # as the import system has it for what is not there
    try:
        yield
    finally:
        del sys.modules[name]


def _has_hashes() -> bool:
    try:
        for name in HASHES:
            importlib.import_module(name)
    except ImportError:
        return False
    return True


def _put_right(ssl: ModuleType) -> None:
    for name, module in list(sys.modules.items()):
        if name.startswith("asyncio.") and getattr(module, "ssl", ssl) is None:
            module.ssl = ssl  # type: ignore[attr-defined]
    for name in AGAIN:
        if name in sys.modules:
            importlib.reload(sys.modules[name])

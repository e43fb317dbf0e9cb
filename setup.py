"""What pyproject.toml cannot say: with GRAPEVINE_COMPILE=1 the engines are compiled (scripts/engines.py)."""

import os
import sys
import tomllib
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

HERE = Path(__file__).resolve().parent
TYPED_BY = ("aiohttp", "bencode2", "cryptography", "pyOpenSSL")  # whose types what is compiled is checked against
WANTED = os.environ.get("GRAPEVINE_COMPILE") == "1"


class BuildEngines(build_ext):
    """Puts the compiled engines into their directory: in the checkout when it is installed as editable."""

    def run(self) -> None:
        """Compile, or fail: who asks for it by name wants to know."""
        sys.path.insert(0, str(HERE))
        os.environ["GRAPEVINE_ENGINES"] = "python"
        from core.compiled import directory
        from scripts.engines import build, missing

        if reason := missing():
            raise SystemExit(f"GRAPEVINE_COMPILE=1: {reason}")
        self._target = Path(directory(str((HERE if self._in_place() else Path(self.build_lib).resolve()) / "core")))
        self._made = build(self._target, HERE)

    def _in_place(self) -> bool:
        return bool(self.inplace or getattr(self, "editable_mode", False))

    def get_outputs(self) -> list[str]:
        """Return what an installation consists of, which an uninstallation removes."""
        made: list[str] = getattr(self, "_made", [])
        return [] if self._in_place() else [str(self._target / name) for name in made]

    def get_output_mapping(self) -> dict[str, str]:
        """Return nothing: no file stands for another."""
        return {}


def needed() -> list[str]:
    """Return what compiling takes: mypy, and the libraries that the modules use."""
    project = tomllib.loads((HERE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return ["mypy[mypyc]>=1.15", *(each for each in project["dependencies"] if each.startswith(TYPED_BY))]


if WANTED:
    setup(
        setup_requires=needed(),
        ext_modules=[Extension("core.compiled_engines", [])],  # a name for setuptools: this wheel is for one machine
        cmdclass={"build_ext": BuildEngines},
    )
else:
    setup()

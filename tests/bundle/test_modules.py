"""What is imported by name is in the bundle: PyInstaller reads `import` statements only."""

import ast
import importlib.util
import re
from pathlib import Path

import pytest

from core.kinds.table import KINDS
from tests.support.imports import imports, module_name
from tests.support.tools import ROOT

FILES = sorted(path for folder in ("core", "desktop") for path in (ROOT / folder).rglob("*.py"))
NOT_BUNDLED = {"uvloop", "winreg"}  # build.spec leaves one out; the other is Python's own, on Windows


def collected() -> set[str]:
    """Return what build.spec names, by running the few lines that make its list."""
    tree = ast.parse((ROOT / "build.spec").read_text(encoding="utf-8"))
    names: dict[str, object] = {"SPECPATH": str(ROOT), "Path": Path}
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in {"ROOT", "OURS"}:
            exec(compile(ast.Module([node], []), "build.spec", "exec"), names)
    (analysis,) = (n for n in ast.walk(tree) if isinstance(n, ast.Call) and ast.unparse(n.func) == "Analysis")
    hidden = next(word.value for word in analysis.keywords if word.arg == "hiddenimports")
    return set(eval(compile(ast.Expression(hidden), "build.spec", "eval"), names))


def strings(path: Path) -> set[str]:
    """Return the texts of a file that are names of modules there are."""
    source = path.read_text(encoding="utf-8")
    if re.search(r"""["'](core|desktop)\.""", source) is None:
        return set()
    found = {node.value for node in ast.walk(ast.parse(source))
             if isinstance(node, ast.Constant) and isinstance(node.value, str)}  # fmt: skip
    return {text for text in found if text.startswith(("core.", "desktop.")) and text[-1] != "." and _is_module(text)}


def _is_module(text: str) -> bool:
    path = ROOT.joinpath(*text.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def test_the_list_is_of_modules_that_are_there() -> None:
    for name in collected():
        assert importlib.util.find_spec(name) is not None, name


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_collected(kind: str) -> None:
    assert KINDS[kind].module in collected()


def test_every_module_that_is_named_is_collected() -> None:
    named = {text for path in FILES for text in strings(path)}
    assert "core.kinds.http" in named, "the look finds what is known to be there"
    assert named <= collected()


def test_what_is_imported_late_is_collected() -> None:
    sources = [path.read_text(encoding="utf-8") for path in FILES]
    indented = [source for source in sources if re.search(r"^\s+(from|import) (core|desktop)\b", source, re.MULTILINE)]
    late = {each.module for source in indented for each in imports(source) if each.lazy}
    ours = {name for name in late if name.partition(".")[0] in {"core", "desktop"}}
    assert {"core.using.http", "core.using.fetch"} <= ours
    assert ours <= collected()


def test_every_module_of_ours_is_collected() -> None:
    assert {module_name(path) for path in FILES} <= collected()


def test_nothing_else_is_imported_by_a_text() -> None:
    """A library that is loaded by name has to be named in build.spec, or be left out on purpose."""
    named = {
        ast.literal_eval(call.args[0])
        for source in (path.read_text(encoding="utf-8") for path in FILES)
        if "import_module" in source or "__import__" in source
        for call in ast.walk(ast.parse(source))
        if isinstance(call, ast.Call) and ast.unparse(call.func).endswith(("import_module", "__import__"))
        if call.args and isinstance(call.args[0], ast.Constant)
    }
    assert named - collected() <= NOT_BUNDLED

"""What a Python file imports, read from its syntax tree: nothing is executed."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.tools import ROOT


@dataclass(frozen=True, slots=True)
class Import:
    """One imported name: `module` as written ("core.values"), and what was taken out of it ("Address"), if anything.

    `lazy` means inside a function; `relative` that it starts with a dot.
    """

    module: str
    name: str | None
    line: int
    lazy: bool = False
    relative: bool = False

    @property
    def target(self) -> str:
        """The dotted path of what is imported: a module, or a name in one."""
        return f"{self.module}.{self.name}" if self.name else self.module


def imports(source: str) -> list[Import]:
    """Return every import of a file, those inside functions and `if TYPE_CHECKING` included."""
    return list(_imports(ast.parse(source), lazy=False))


def nested(node: ast.AST) -> Iterator[ast.AST]:
    """Return the statements, handlers and cases directly within a node. Most of a tree is expressions."""
    for name in ("body", "handlers", "orelse", "finalbody", "cases"):
        found = getattr(node, name, ())
        yield from found if isinstance(found, list) else ()  # a lambda's body is one expression


def _imports(node: ast.AST, *, lazy: bool) -> Iterator[Import]:
    for child in nested(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(alias.name, None, child.lineno, lazy)
        elif isinstance(child, ast.ImportFrom):
            for alias in child.names:
                yield Import(child.module or "", alias.name, child.lineno, lazy, relative=child.level > 0)
        else:
            inside = lazy or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
            yield from _imports(child, lazy=inside)


def module_name(path: Path) -> str:
    """Return the dotted name of a file of ours: core/utp/mux.py is core.utp.mux, core/utp/__init__.py core.utp."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def is_under(module: str, package: str) -> bool:
    """Say whether `module` is `package` or inside it."""
    return module == package or module.startswith(f"{package}.")

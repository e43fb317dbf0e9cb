"""The modules of the engines import one another in one direction, those of type checking included.

So each can be read, tested and compiled (mypyc) by itself.
"""

from collections.abc import Iterable

import pytest

from tests.support.imports import imports, module_name
from tests.support.tools import ROOT


def graph(package: str) -> dict[str, set[str]]:
    """Return which module of a package imports which of it."""
    sources = {module_name(path): path.read_text() for path in ROOT.glob(package.replace(".", "/") + "/*.py")}
    known: dict[str, set[str]] = {}
    for module, source in sources.items():
        targets = {name for found in imports(source) for name in (found.module, found.target)}
        known[module] = {target for target in targets if target in sources and target != module}
    return known


def cycle(known: dict[str, set[str]]) -> list[str]:
    """Return a circle of imports, nothing when there is none."""
    done: set[str] = set()

    def visit(module: str, way: list[str]) -> list[str]:
        if module in way:
            return [*way[way.index(module) :], module]
        if module in done:
            return []
        found = first(visit(other, [*way, module]) for other in sorted(known[module]))
        done.add(module)
        return found

    def first(found: Iterable[list[str]]) -> list[str]:
        return next((each for each in found if each), [])

    return first(visit(module, []) for module in sorted(known))


@pytest.mark.parametrize("package", ["core.wire", "core.utp", "core.streams", "core.dht", "core.punch", "core.net"])
def test_there_is_no_circle(package: str) -> None:
    known = graph(package)
    assert len(known) > 3
    assert sum(map(len, known.values())) > 0, "the imports were found"
    assert cycle(known) == []


def test_a_circle_is_seen() -> None:
    assert cycle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]

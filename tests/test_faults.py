"""The table of faults (docs/faults.md) names commits and tests that there are, and every row that was filed."""

import ast
import re
import subprocess
from functools import lru_cache
from pathlib import Path

from tests.support.tools import ROOT

PAGE = (ROOT / "docs" / "faults.md").read_text()
FILED = {"A": 5, "B": 1, "C": 5, "D": 6, "E": 19, "F": 14, "G": 19}  # rows of each kind


@lru_cache
def functions_of(path: Path) -> frozenset[str]:
    """Return the names of the functions of a module of tests, those of its classes too."""
    return frozenset(
        node.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )


def missing(page: str) -> list[str]:
    """Return the tests that a page names and that there are not."""
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", page)
    return [f"{path}::{name}" for path, name in named if not _has(ROOT / path, name)]


def _has(path: Path, name: str) -> bool:
    return path.is_file() and name in functions_of(path)


def rows(page: str) -> list[list[str]]:
    return [line.strip("| ").split(" | ") for line in page.splitlines() if re.match(r"\| [A-G]\d+ ", line)]


def test_every_fault_has_its_row_with_a_commit_and_a_test() -> None:
    found = rows(PAGE)
    filed = [f"{kind}{number}" for kind, count in FILED.items() for number in range(1, count + 1)]
    assert [cells[0].split(" ")[0] for cells in found if len(cells) == 4] == [*filed]
    for _, commits, sisters, tests in found:
        assert re.fullmatch(r'[0-9a-f]{8}(, [0-9a-f]{8})*|"[^"]+"', commits), commits
        assert sisters
        assert "::test_" in tests


def test_the_tests_are_there() -> None:
    assert missing(PAGE) == []
    assert missing("`tests/test_faults.py::test_nothing`, `tests/none.py::test_x`") == [
        "tests/test_faults.py::test_nothing", "tests/none.py::test_x",
    ]  # fmt: skip


def test_the_commits_are_there() -> None:
    """In a checkout with its history: an archive has none, and a shallow one only the newest."""

    def git(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=30)

    if git("rev-parse", "--is-shallow-repository").stdout.strip() != "false":
        return
    named = sorted(set(re.findall(r"\b[0-9a-f]{8}\b", PAGE)))
    subjects = set(git("log", "--format=%s").stdout.splitlines())
    assert set(re.findall(r'"(\w[\w, ]+: [^"]+)"', PAGE)) <= subjects
    asked = subprocess.run(
        ["git", "cat-file", "--batch-check=%(objecttype)"], cwd=ROOT, input="\n".join(named), capture_output=True,
        text=True, timeout=30, check=True,
    )  # fmt: skip
    assert dict(zip(named, asked.stdout.split("\n"), strict=False)) == dict.fromkeys(named, "commit")

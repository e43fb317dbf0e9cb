"""What holds for every committed file: sizes, docstrings, and nothing of one machine in what all machines get."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.imports import nested
from tests.support.tools import ROOT

FILE_LINES = 400
FUNCTION_LINES = 60  # a hard bound; under 40 is the aim


def tracked() -> list[Path]:
    """Return every file under version control, as absolute paths."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, timeout=30, check=True)
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


SOURCES = [path for package in ("core", "desktop") for path in sorted((ROOT / package).rglob("*.py"))]
FOLDERS = sorted({path.parent for path in SOURCES})


def long_functions(tree: ast.AST) -> Iterator[str]:
    """Name every function that is longer than the bound, its docstring included."""
    for node in nested(tree):
        yield from long_functions(node)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_LINES:
                yield f"{node.name}: {lines} lines"


def modal_calls(source: str) -> Iterator[int]:
    """Give the line of every `.exec()`: it would start a loop inside the loop. A menu's `popup` and `open` do not."""
    if ".exec" not in source:
        return
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("exec", "exec_"):
            yield node.lineno


# The composition root names each part once, in the order in which it opens; pieces of it would pass everything on.
TABLES_OF_CONTENTS = {"core/compose.py": ("compose",)}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(ROOT)))
def test_files_are_short_and_say_what_they_are(folder: Path) -> None:
    for path in (path for path in SOURCES if path.parent == folder):
        source = path.read_text()
        assert len(source.splitlines()) <= FILE_LINES, path
        tree = ast.parse(source)
        assert not source.strip() or ast.get_docstring(tree), f"{path} has no docstring"
        tables = TABLES_OF_CONTENTS.get(str(path.relative_to(ROOT)), ())
        assert [each for each in long_functions(tree) if each.partition(":")[0] not in tables] == [], path


def test_no_dialog_starts_a_loop_of_its_own() -> None:
    found = {
        path.name: list(modal_calls(path.read_text())) for path in SOURCES if path.is_relative_to(ROOT / "desktop")
    }
    assert {name: lines for name, lines in found.items() if lines} == {}


# Addresses of package registries, and of private mirrors, belong in a user's configuration. Homes and checkouts of one
# machine belong nowhere; "me" and "user" are examples. Written so that this file does not match itself.
OF_ONE_MACHINE = re.compile(
    rb"registry\.npm"
    rb"js|registry\.yarn"
    rb"pkg|py"
    rb"pi\.org/simple|files\.python"
    rb"hosted"
    rb"|/ho"
    rb"me/(?!me\b|user\b)\w|/Us"
    rb"ers/\w|/ro"
    rb"ot/|/wo"
    rb"rk/|C:\\\\Us"
    rb"ers"
)


def of_one_machine(content: bytes) -> list[bytes]:
    """Return what a file says that is true on one machine only."""
    return [] if b"\0" in content else OF_ONE_MACHINE.findall(content)


def test_no_file_names_one_machine_or_a_registry() -> None:
    found = {str(path.relative_to(ROOT)): of_one_machine(path.read_bytes()) for path in tracked()}
    assert {name: matches for name, matches in found.items() if matches} == {}


def test_no_lock_file_and_nothing_generated_is_committed() -> None:
    unwanted = re.compile(r"(^|/)(package-lock\.json|node_modules|__pycache__|\.venv|[^/]*\.egg-info|[^/]*\.log)(/|$)")
    names = [str(path.relative_to(ROOT)) for path in tracked()]
    assert [name for name in names if unwanted.search(name)] == []
    assert "Makefile" in names, "the list of files must not be empty"


def dead_links(document: Path) -> list[str]:
    """Return the relative links and pictures of a Markdown file that lead nowhere."""
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)|(?:src|href)=\"([^\"#]+)", document.read_text())
    targets = [one or other for one, other in links]
    return [t for t in targets if "://" not in t and not (document.parent / t).exists()]


@pytest.mark.parametrize("path", [p for p in tracked() if p.suffix == ".md"], ids=lambda path: str(path.name))
def test_documents_link_to_what_exists(path: Path) -> None:
    assert dead_links(path) == []


def test_a_dead_link_is_found(tmp_path: Path) -> None:
    (tmp_path / "here.md").write_text("")
    document = tmp_path / "a.md"
    document.write_text('[x](here.md#part) ![y](gone.png) [z](https://example.org) <img src="lost.svg">')
    assert dead_links(document) == ["gone.png", "lost.svg"]


def test_the_checks_find_what_they_look_for() -> None:
    body = "\n".join("    pass" for _ in range(FUNCTION_LINES))
    assert list(long_functions(ast.parse(f"def f() -> None:\n{body}\n"))) == [f"f: {FUNCTION_LINES + 1} lines"]
    assert list(modal_calls("dialog = D()\ndialog.exec()\n")) == [2]
    home, registry = b"/ho" + b"me/s", b"registry.npm" + b"js"
    assert of_one_machine(b"see " + home + b"omebody/x") == [home]
    assert of_one_machine(b"https://" + registry + b".org/x") == [registry]
    assert of_one_machine(b"\x89PNG\0 /ro" + b"ot/") == []


TOP_LEVEL = {
    ".ci", ".editorconfig", ".github", ".gitignore", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "Makefile",
    "README.md", "SECURITY.md", "benchmarks", "build.spec", "core", "desktop", "docs", "examples", "pyproject.toml",
    "resources", "scripts", "setup.py", "tests",
}  # fmt: skip


def test_nothing_lies_at_the_top_that_a_program_left_there() -> None:
    """A key that a test had written, and pictures in a folder named --help, were committed once."""
    assert {path.relative_to(ROOT).parts[0] for path in tracked()} - TOP_LEVEL == set()

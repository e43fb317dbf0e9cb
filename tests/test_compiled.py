"""The compiled engines are found while their sources are as they were, and never else; pure Python is the reference."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from core.compiled import COMPILED, LIBRARY, MANIFEST, PURE, digest_of, directory, engines, first_stale
from scripts.engines import modules, path_of, sources
from tests.support.tools import ROOT

SAYS = "from core.compiled import engines, reason; print(engines(), reason(), sep='|'); import core.wire.punch_packet"


def says(root: Path, wanted: str | None = None) -> tuple[int, str, str]:
    """Return how a program of this checkout ended, and what it said of its engines."""
    env = {name: value for name, value in os.environ.items() if name != "GRAPEVINE_ENGINES"}
    if wanted is not None:
        env["GRAPEVINE_ENGINES"] = wanted
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(root)!r}); {SAYS}"]
    done = subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout.strip(), done.stderr


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with two modules, and what looks like their compiled form: a file in Python's own format."""
    core = tmp_path / "core"
    (core / "wire").mkdir(parents=True)
    for name in ("__init__.py", "compiled.py", "wire/__init__.py", "wire/punch_packet.py"):
        shutil.copy2(ROOT / "core" / name, core / name)
    return tmp_path


def write_manifest(root: Path, **changes: Any) -> Path:  # noqa: ANN401 - JSON
    source = root / "core/wire/punch_packet.py"
    stat = source.stat()
    content = {
        "modules": ["core.wire.punch_packet"],
        "sources": {"core/wire/punch_packet.py": [stat.st_size, stat.st_mtime_ns, "0" * 64]},
    }
    where = Path(directory(str(root / "core")))
    where.mkdir(parents=True)
    (where / MANIFEST).write_text(json.dumps({**content, **changes}))
    return where


def test_without_compiled_engines_it_is_pure_python(checkout: Path) -> None:
    assert says(checkout)[:2] == (0, "pure Python|they were not built")
    code, _, error = says(checkout, "compiled")
    assert code == 1
    assert "there are no compiled engines: they were not built" in error


def test_an_edited_source_is_never_hidden_by_its_compiled_form(checkout: Path) -> None:
    write_manifest(checkout)
    with (checkout / "core/wire/punch_packet.py").open("a") as source:
        source.write("\n")
    assert says(checkout)[:2] == (0, "pure Python|they are older than core/wire/punch_packet.py")


def test_an_edit_that_keeps_the_size_is_noticed_too(checkout: Path) -> None:
    write_manifest(checkout)
    source = checkout / "core/wire/punch_packet.py"
    source.write_text(source.read_text().replace("c3 bf", "c3 be"))
    os.utime(source, ns=(1, 1))
    assert says(checkout)[1] == "pure Python|they are older than core/wire/punch_packet.py"


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"modules": 3, "sources": {}}', "\0"])
def test_a_manifest_that_cannot_be_read_means_pure_python(checkout: Path, content: str) -> None:
    (write_manifest(checkout) / MANIFEST).write_text(content)
    assert says(checkout)[0] == 0
    assert says(checkout)[1].startswith("pure Python|")


def test_what_cannot_be_loaded_means_pure_python(checkout: Path) -> None:
    where = write_manifest(checkout)
    (where / f"{LIBRARY}.so").write_bytes(b"half a library")
    code, said, _ = says(checkout)
    assert (code, said.startswith("pure Python|they cannot be loaded (")) == (0, True)


def test_who_asks_for_python_gets_it_whatever_is_there(checkout: Path) -> None:
    write_manifest(checkout)
    assert says(checkout, "python")[1] == "pure Python|GRAPEVINE_ENGINES=python is set"


def test_a_touched_source_with_the_same_content_is_the_same(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\n")
    digest = digest_of(str(tmp_path / "a.py"))
    assert first_stale(str(tmp_path), {"a.py": [6, 1, digest]}) == ""
    assert first_stale(str(tmp_path), {"a.py": [6, 1, "other"]}) == "a.py"
    assert first_stale(str(tmp_path), {"gone.py": [6, 1, digest]}) == "gone.py"
    (tmp_path / "a.py").write_text("x = 2\n")
    assert first_stale(str(tmp_path), {"a.py": [6, 1, digest]}) == "a.py"


def test_a_touched_source_does_not_load_openssl(tmp_path: Path) -> None:
    """Sources that `pip` has installed have other times than those that were compiled: each start looks at hashes."""
    (tmp_path / "a.py").write_text("x = 1\n")
    code = (
        "import sys; from core.compiled import first_stale; "
        f"print(first_stale({str(tmp_path)!r}, {{'a.py': [6, 1, 'other']}}), '_hashlib' in sys.modules)"
    )
    env = {**os.environ, "GRAPEVINE_ENGINES": "python"}
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    assert run.stdout == "a.py False\n"


def test_this_run_has_what_it_asked_for() -> None:
    wanted = os.environ.get("GRAPEVINE_ENGINES")
    assert engines() == {"python": PURE, "compiled": COMPILED}.get(wanted or "", engines())
    if engines() == COMPILED:
        import core.utp.mux

        assert str(core.utp.mux.__file__).endswith((".so", ".pyd"))


def test_the_sources_are_those_that_are_compiled_and_what_they_are_made_of() -> None:
    names = modules()
    assert "core.utp.mux" in names
    assert "core.news.events" not in names  # its circle of imports is open for Python only
    found = sources(names)
    assert {path_of(name) for name in names} <= set(found)
    assert "core/errors.py" in found  # not compiled itself, but known to what is


def test_no_compiled_file_lies_beside_a_source() -> None:
    beside = [path for suffix in ("*.so", "*.pyd") for path in (ROOT / "core").rglob(suffix)]
    assert [path for path in beside if "_engines" not in path.parts] == []

"""What failed in a whole run is looked at once more, alone; what fails twice fails the run."""

from pathlib import Path

import pytest

from tests.support import second_look
from tests.support.samples import some

TESTS = """
import pathlib
from tests.support.samples import some

def test_steady_fault():
    assert False

def test_unsteady():
    seen = pathlib.Path(__file__).with_suffix(".seen")
    first = not seen.exists()
    seen.touch()
    assert not first
"""


@pytest.fixture(name="tests")
def _tests(tmp_path: Path) -> Path:
    file = tmp_path / "test_some.py"
    file.write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")  # or it would be looked for in the folders around, even /tmp
    return file


@pytest.mark.parametrize(
    ("names", "seen", "ends"),
    some(
        [
            (["test_unsteady"], True, 0),
            (["test_unsteady"], False, 1),
            ([], True, 1),
            (["test_unsteady", "test_steady_fault"], True, 1),
            (["test_steady_fault"], True, 1),
            (["test_unsteady"] * 6, True, 0),  # the same one six times: once in the list
        ],
        3,
    ),
)
def test_a_run_passes_when_all_that_failed_pass_alone(
    tmp_path: Path, tests: Path, names: list[str], seen: bool, ends: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # Qt alone takes longer to load than the rest
    if seen:
        tests.with_suffix(".seen").touch()
    record = tmp_path / "failed.txt"
    second_look.failed([f"{tests}::{name}" for name in names], record=record)
    assert (
        second_look.look(1, ["-p", "xdist", "-p", "no:cacheprovider", f"--rootdir={tmp_path}"], record=record) == ends
    )


def test_too_many_failures_and_other_ends_are_not_looked_at(tmp_path: Path, tests: Path) -> None:
    tests.with_suffix(".seen").touch()
    record = tmp_path / "failed.txt"
    assert second_look.look(1, record=record) == 1  # nothing was noted
    second_look.failed([f"{tests}::test_unsteady"], record=record)
    assert second_look.look(3, record=record) == 3  # an internal error
    second_look.failed([f"{tests}::test_unsteady[{number}]" for number in range(6)], record=record)
    assert second_look.look(1, record=record) == 1

"""A second look at the few tests that failed in a whole run: once more, alone, one after the other.

`make test` runs eight programs on each core, so a window or a network of real programs can be starved there without a
fault in the code. CPython's own suite does the same (`regrtest --rerun`). What fails twice fails the run. What passes
alone is named at the end of the run as unsteady: that is a fault to be mended, of the test or of the code.

    python -m tests.support.second_look EXIT_STATUS      after a run that ended with this status
"""

import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

RECORD = Path(sys.prefix, "failed-tests.txt")  # in the environment: not in the source tree
MOST = 5  # failures of a run that may be unsteady tests; more of them are a fault of the code


def failed(nodes: Iterable[str], *, record: Path = RECORD) -> None:
    """Note the tests that failed in the run that has just ended, by their pytest node ids."""
    record.write_text("".join(f"{node}\n" for node in dict.fromkeys(nodes)))


def look(status: int, arguments: Sequence[str] = (), *, record: Path = RECORD) -> int:
    """Run what failed once more, alone; return the exit status for the whole. `status` is the first run's."""
    nodes = record.read_text().splitlines() if record.exists() else []
    if status != pytest.ExitCode.TESTS_FAILED or not 0 < len(nodes) <= MOST:
        return status
    _say(f"{len(nodes)} failed beside the others. Each runs once more, alone.")
    again = [sys.executable, "-m", "pytest", "-n", "0", "-q", *arguments]
    for node in nodes:
        if subprocess.run([*again, node], check=False).returncode != 0:
            _say(f"failed twice: {node}")
            return status
    _say("\n  ".join(["unsteady: failed beside the others, and passed alone. Please mend:", *nodes]))
    return 0


def _say(text: str) -> None:
    sys.stdout.write(f"\n{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(look(int(sys.argv[1]), sys.argv[2:]))

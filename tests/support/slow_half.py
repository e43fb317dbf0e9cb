"""When `make test-slow` last ran here and what it found, so that nobody forgets it: one line in every run's header."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from tests.support.tools import ROOT

MARKS = "slow or hypothesis"  # of the slow half; what Hypothesis draws for is in both, with fewer examples in this:
ALL_BUT = "not slow"
RECORD = Path(sys.prefix, "slow-tests.json")  # in the environment, so `make clean` forgets it too
_COUNTED = ("passed", "failed", "error", "skipped")


def ran(counts: Mapping[str, int], *, record: Path = RECORD) -> None:
    """Note a run of the slow half that has just ended; `counts` are outcomes by pytest's names."""
    made = {"at": time.time(), "commit": _commit(), "counts": {name: counts.get(name, 0) for name in _COUNTED}}
    beside = record.with_suffix(f".{os.getpid()}")
    beside.write_text(json.dumps(made))
    beside.replace(record)


def told(*, record: Path = RECORD, now: float | None = None) -> str:
    """Say when the slow half last ran and what came of it."""
    try:
        kept = json.loads(record.read_text())
        at, commit, counts = float(kept["at"]), str(kept["commit"]), dict(kept["counts"])
    except (OSError, ValueError, KeyError, TypeError):
        return "slow half: it never ran here (`make test-slow`; docs/testing.md says when)"
    days = int(((time.time() if now is None else now) - at) // 86_400)
    found = ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "nothing ran"
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(at))
    return f"slow half: last run {when}, {days} days ago, at {commit}: {found} (`make test-slow`)"


def _commit() -> str:
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
    )
    return done.stdout.strip() or "no commit"

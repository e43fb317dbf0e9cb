"""What a run leaves: a table on the terminal, ratios first, and a JSON file."""

import hashlib
import json
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from benchmarks.figures import NOTE, Figure
from benchmarks.runner import BIGGER_IS_BETTER, UNITS, Results, Series, Settings
from core.compiled import engines
from tests.support.tools import ROOT

ADDITIONS = 10_000_000  # a third of a second on a quiet machine of 2026


def number(value: float) -> str:
    """Three digits are all that rounds of some seconds can tell."""
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value else "0"


def _line(series: Series, baseline: str) -> str:
    ratio = "-" if series.ratio is None else "1" if series.variant == baseline else f"{series.ratio:.2f} x"
    spread = "" if len(series.values) == 1 else f"{number(min(series.values))} .. {number(max(series.values))}"
    better = "" if series.metric in BIGGER_IS_BETTER else " (less is better)"
    unit = f"{UNITS[series.metric]}{better}"
    return f"  {ratio:>9}  {number(series.median):>9}  {spread:<19}  {series.variant:<18}  {unit}"


def table(results: Results) -> Iterator[str]:
    """Yield the lines: for each case, row and metric the variants with their ratio to the baseline."""
    groups: dict[tuple[str, str, str], list[Series]] = {}
    for series in results.all():
        groups.setdefault((series.case, series.row, series.metric), []).append(series)
    case = ""
    quiet = {key for key, members in groups.items() if key[2] == "failed" and not any(s.median for s in members)}
    for (name, row, metric), members in sorted(groups.items(), key=lambda item: _order(results, item[0])):
        if (name, row, metric) in quiet:
            continue
        if name != case:
            case = name
            baseline = results.baselines[name]
            yield f"\n== {name}: ratio to {baseline}, median, least .. most of the rounds"
        yield f"{row}, {metric}"
        yield from (_line(series, results.baselines[name]) for series in members)
    yield from (f"\ntrouble: {error}" for error in results.errors)


def _order(results: Results, key: tuple[str, str, str]) -> tuple[int, str]:
    """Keep the cases in the order they were run; within one, rows in order of appearance (the sort is stable)."""
    return list(results.baselines).index(key[0]), ""


def verdicts(found: list[Figure]) -> Iterator[str]:
    """Yield a line per figure."""
    words = {True: "reached", False: "MISSED", None: "-"}  # -: not or only partly measured
    yield "\n== figures"
    yield from (f"  {words[figure.reached]:8} {figure.measured:>16}  {figure.text}" for figure in found)
    judged = [figure.reached for figure in found if figure.reached is not None]
    yield f"{sum(judged)} of {len(judged)} measured figures reached\n{NOTE}"


def code() -> str:
    """Return the commit, and a digest of what is in core/ now: others may edit it while a run goes on."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    digest = hashlib.sha256()
    for path in sorted((ROOT / "core").rglob("*.py")):
        digest.update(path.read_bytes())
    return f"{commit.stdout.strip() or 'no commit'}, core {digest.hexdigest()[:8]}"


def loop_seconds() -> float:
    """Return how long a program takes here, now, for so many additions: the machine's speed, with its load."""
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        number = 0
        while number < ADDITIONS:
            number += 1
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def machine() -> dict[str, object]:
    """Say where a run took place; `load` and `loop` (`loop_seconds`) tell whether the machine was quiet before it."""
    node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False).stdout.strip()
    return {
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "node": node,
        "engines": engines(),
        "load": round(os.getloadavg()[0], 2),
        "loop": round(loop_seconds(), 3),
        "code": code(),
    }


def save(path: Path, results: Results, found: list[Figure], settings: Settings, where: dict[str, object]) -> None:
    """Write everything, every round's value too, as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    series = [
        {**asdict(each), "median": each.median, "unit": UNITS[each.metric], "baseline": results.baselines[each.case]}
        for each in results.all()
    ]
    content = {
        "machine": where,
        "settings": asdict(settings),
        "series": series,
        "figures": [asdict(figure) for figure in found],
        "note": NOTE,
        "errors": results.errors,
    }
    path.write_text(json.dumps(content, indent=1) + "\n")

"""Results over time: `make bench ARGS=--keep` puts the medians of a run into benchmarks/history/, with its commit.

    python -m benchmarks.history PNG [CASE]        draws every rate that is kept, over time; needs matplotlib

No host's name is kept: cores, kernel, Python, Node and the load before the run say enough.
"""

import importlib
import json
import sys
import time
from pathlib import Path

from benchmarks.runner import BIGGER_IS_BETTER, Results

KEPT = Path(__file__).resolve().parent / "history"


def keep(results: Results, where: dict[str, object], folder: Path = KEPT) -> Path:
    """Write the medians of a run, and return to which file."""
    folder.mkdir(exist_ok=True)
    now = time.gmtime()
    commit = str(where["code"]).partition(",")[0].replace(" ", "-")
    path = folder / f"{time.strftime('%Y-%m-%d-%H%M%S', now)}-{commit}.json"
    rows = [
        {"case": each.case, "row": each.row, "metric": each.metric, "variant": each.variant,
         "median": round(each.median, 3), "ratio": None if each.ratio is None else round(each.ratio, 3)}
        for each in results.all()
    ]  # fmt: skip
    content = {"at": time.strftime("%Y-%m-%dT%H:%M:%SZ", now), "machine": where, "rows": rows, "errors": results.errors}
    path.write_text(json.dumps(content, indent=1) + "\n")
    return path


def over_time(folder: Path = KEPT, case: str = "product") -> dict[str, list[tuple[str, float]]]:
    """Return, for each row and variant of a case whose metric is better when bigger, (time, median), oldest first."""
    lines: dict[str, list[tuple[str, float]]] = {}
    for path in sorted(folder.glob("*.json")):
        kept = json.loads(path.read_text())
        for row in kept["rows"]:
            if row["case"] == case and row["metric"] in BIGGER_IS_BETTER:
                name = f"{row['row']}, {row['variant']}"
                lines.setdefault(name, []).append((str(kept["at"]), float(row["median"])))
    return lines


def plot(path: Path, case: str = "product") -> str:
    """Draw a case over time and say so, or say why not."""
    lines = over_time(case=case)
    if not lines:
        return f"no plot: nothing of {case} is kept in {KEPT.name}/"
    try:
        matplotlib = importlib.import_module("matplotlib")
        matplotlib.use("Agg")
        pyplot = importlib.import_module("matplotlib.pyplot")
    except ImportError:
        return "no plot: matplotlib is not installed (pip install -e '.[bench]')"
    figure, axes = pyplot.subplots(figsize=(9, 5))
    for name, points in lines.items():
        axes.plot([at for at, _ in points], [value for _, value in points], marker="o", label=name)
    axes.set_yscale("log")
    axes.legend(fontsize=6, frameon=False)
    figure.autofmt_xdate()
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    return f"plot: {path}"


if __name__ == "__main__":
    print(plot(Path(sys.argv[1]), *sys.argv[2:3]))

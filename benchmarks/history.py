"""Results over time: `make bench ARGS=--keep` puts the medians of a run into benchmarks/history/, with its commit.

    python -m benchmarks.history PNG [CASE] [WORD]     draws the rates that are kept, over time; needs matplotlib

Of a case, the rows with this word only: without one, all of them.

No host's name is kept: cores, kernel, Python, Node, the load before the run and how long a loop took say enough. The
picture divides by the machine's speed then, by that loop, so that days and machines compare.
"""

import importlib
import json
import sys
import time
from pathlib import Path

from benchmarks.runner import BIGGER_IS_BETTER, Results

KEPT = Path(__file__).resolve().parent / "history"
LOOP = 0.3  # seconds that the loop of `report.loop_seconds` takes on the machine to which the picture refers


def keep(results: Results, where: dict[str, object], folder: Path = KEPT) -> Path:
    """Write the medians of a run, and return to which file."""
    folder.mkdir(exist_ok=True)
    now = time.gmtime()
    commit = str(where["code"]).partition(",")[0].replace(" ", "-")
    path = folder / f"{time.strftime('%Y-%m-%d-%H%M%S', now)}-{commit}.json"
    rows = ",\n  ".join(
        json.dumps({"case": each.case, "row": each.row, "metric": each.metric, "variant": each.variant,
         "median": round(each.median, 3), "ratio": None if each.ratio is None else round(each.ratio, 3)})
        for each in results.all()
    )  # fmt: skip
    head = json.dumps({"at": time.strftime("%Y-%m-%dT%H:%M:%SZ", now), "machine": where, "errors": results.errors})
    path.write_text(f'{head[:-1]},\n "rows": [\n  {rows}\n ]}}\n')
    return path


def over_time(folder: Path = KEPT, case: str = "product", word: str = "") -> dict[str, list[tuple[str, float]]]:
    """Return (run, median), oldest first, for each row and variant of a case whose metric is better when bigger.

    The medians are those of a machine that takes `LOOP` for the loop.
    """
    lines: dict[str, list[tuple[str, float]]] = {}
    for path in sorted(folder.glob("*.json")):
        kept = json.loads(path.read_text())
        where = kept["machine"]
        run = f"{kept['at'][:10]}, {str(where['code']).partition(',')[0]}\nload {where['load']}"
        for row in kept["rows"]:
            if row["case"] == case and word in row["row"] and row["metric"] in BIGGER_IS_BETTER:
                name = f"{row['row']}, {row['variant']}"
                speed = float(where.get("loop", LOOP)) / LOOP
                lines.setdefault(name, []).append((run, float(row["median"]) * speed))
    return lines


def plot(path: Path, case: str = "product", word: str = "") -> str:
    """Draw a case over time and say so, or say why not."""
    lines = over_time(case=case, word=word)
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
        axes.plot([run for run, _ in points], [value for _, value in points], marker="o", label=name)
    axes.set_yscale("log")
    axes.set_ylabel(f"a second, where 10 million additions take {LOOP} s")
    axes.legend(fontsize=8, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    return f"plot: {path}"


if __name__ == "__main__":
    print(plot(Path(sys.argv[1]), *sys.argv[2:4]))

"""A picture of a run's ratios for the README; needs matplotlib, and does without it in one sentence.

Also on its own, from a run's file: `python -m benchmarks.plot build/bench.json build/bench.png`.
"""

import importlib
import json
import sys
from pathlib import Path

# (case, row, metric, variant, label): what tells most; the bar is how many times better than Node to Node
BARS = (
    ("bulk data", "1 stream", "speed", "ours->ours", "one stream, ours to ours"),
    ("bulk data", "1 stream", "speed", "ours->Node", "one stream, ours to Node"),
    ("bulk data", "1 stream", "speed", "Node->ours", "one stream, Node to ours"),
    ("bulk data", "8 streams", "speed", "ours->ours", "8 streams, ours to ours"),
    ("RPC on one connection", "sequential", "rate", "ours->ours", "sequential RPC, ours to ours"),
    ("connections per second", "8 at a time", "rate", "ours->ours", "connections per second"),
    ("grape", "lookup, 8 connections", "rate", "ours", "grape lookup, 8 connections"),
    ("grape", "announce, 8 connections", "rate", "ours", "grape announce, 8 connections"),
    ("grape", "put, 8 connections", "rate", "ours", "grape put, 8 connections"),
    ("grape", "get, 8 connections", "rate", "ours", "grape get, 8 connections"),
)
FASTER, SLOWER = "#2e7d32", "#b26a00"


def plot(source: Path, path: Path) -> str:
    """Draw what the JSON file `source` says to `path` and say so, or say why not."""
    try:
        matplotlib = importlib.import_module("matplotlib")
        matplotlib.use("Agg")
        pyplot = importlib.import_module("matplotlib.pyplot")
    except ImportError:
        return "no plot: matplotlib is not installed (pip install -e '.[bench]')"
    series = json.loads(source.read_text())["series"]
    ratios: dict[tuple[str, ...], float | None]
    ratios = {(s["case"], s["row"], s["metric"], s["variant"]): s["ratio"] for s in series}
    bars = [(label, ratio) for *key, label in BARS if (ratio := ratios.get(tuple(key)))]
    if not bars:
        return "no plot: nothing of what it shows was measured"
    figure, axes = pyplot.subplots(figsize=(8, 0.4 * len(bars) + 1.2))
    labels, values = zip(*reversed(bars), strict=True)
    colors = [FASTER if value >= 1 else SLOWER for value in values]
    # from 1 to the ratio: on a logarithmic scale there is no zero to start from
    drawn = axes.barh(labels, [value - 1 for value in values], left=1, color=colors)
    axes.bar_label(drawn, labels=[f"{value:.{3 if value >= 100 else 2}g} x" for value in values], padding=3)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xlabel("times the Node peer's, in the same run (1 = as fast)")
    axes.margins(x=0.15)
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, dpi=150)
    pyplot.close(figure)
    return f"plot: {path}"


if __name__ == "__main__":
    print(plot(Path(sys.argv[1]), Path(sys.argv[2])))

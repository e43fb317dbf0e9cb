"""Show what part of the code the last `make coverage` ran, by package, and how much in all."""

import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def package(path: str) -> str:
    """Return the package that a file is counted for: core/utp/mux.py is core/utp, core/peer.py is core."""
    return "/".join(Path(path).parts[:2]) if len(Path(path).parts) > 2 else Path(path).parts[0]


def main() -> None:
    """Print a line for each package, those with the least part first."""
    command = [sys.executable, "-m", "coverage"]
    subprocess.run([*command, "combine", "--quiet", "--append"], cwd=ROOT, check=False, capture_output=True)
    report = ROOT / ".coverage.json"
    subprocess.run([*command, "json", "--quiet", "-o", str(report)], cwd=ROOT, check=True)
    found = json.loads(report.read_text())
    report.unlink()
    lines: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for path, file in found["files"].items():
        lines[package(path)][0] += file["summary"]["covered_lines"]
        lines[package(path)][1] += file["summary"]["num_statements"]
    for name, (run, all_of_them) in sorted(lines.items(), key=lambda item: item[1][0] / max(1, item[1][1])):
        print(f"{name:<22}{run:>7} of {all_of_them:>6} lines{100 * run / max(1, all_of_them):>8.1f} %")
    totals = found["totals"]
    print(f"{'all':<22}{totals['covered_lines']:>7} of {totals['num_statements']:>6} lines"
          f"{totals['percent_covered']:>8.1f} %")  # fmt: skip


if __name__ == "__main__":
    main()

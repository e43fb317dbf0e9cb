"""`make bench`: ours and the Node peer side by side in one run, several rounds; see `--help`.

Loopback only. Ratios tell more than figures, and a quiet machine more than a busy one. The table goes to the terminal,
every round's values to build/bench.json, and a picture to build/bench.png where matplotlib is installed.
"""

import argparse
import asyncio
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from benchmarks.connections import ConnectionRate, IdleConnections
from benchmarks.figures import figures
from benchmarks.grapes import Grapes
from benchmarks.history import keep
from benchmarks.idle import IdlePeer
from benchmarks.link import LinkGrid
from benchmarks.packets import PacketCost
from benchmarks.plot import plot
from benchmarks.product import Product
from benchmarks.report import code, machine, save, table, verdicts
from benchmarks.rpc import Rpc
from benchmarks.runner import FULL, Case, Settings, run
from benchmarks.secure import Secure
from benchmarks.streams import Streams
from benchmarks.transports import Transports
from benchmarks.window import Window
from tests.support.tools import ROOT, problem

CASES: dict[str, Callable[[Settings], Case]] = {
    "rpc": Rpc,
    "streams": Streams,
    "grapes": Grapes,
    "connections": ConnectionRate,
    "memory": IdleConnections,
    "idle": IdlePeer,
    "link": LinkGrid,
    "packets": PacketCost,
    "secure": Secure,
    "window": Window,
    "product": Product,
    "transports": Transports,
}


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="make bench", description="Ours and the Node peer, side by side.")
    parser.add_argument("cases", nargs="*", help=f"some of {', '.join(CASES)}; all without")
    parser.add_argument("--full", action="store_true", help="as the issue asks, for an hour; else under 5 minutes")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--megabytes", type=int, help="of one transfer")
    parser.add_argument("--keep", action="store_true", help="put the medians into benchmarks/history/, to be committed")
    parser.add_argument("--json", type=Path, default=ROOT / "build" / "bench.json")
    given = parser.parse_args()
    unknown = set(given.cases) - set(CASES)
    if unknown:
        parser.error(f"no such case: {', '.join(sorted(unknown))}")
    return given


def main() -> int:
    """Measure and report; 1 when something could not be measured."""
    given = arguments()
    if reason := problem("interop"):
        print(reason, file=sys.stderr)
        return 1
    settings = FULL if given.full else Settings()
    settings = replace(
        settings,
        rounds=given.rounds or settings.rounds,
        megabytes=given.megabytes or settings.megabytes,
    )
    where = machine()
    cases = [CASES[name](settings) for name in CASES if not given.cases or name in given.cases]
    results = asyncio.run(run(cases, settings, lambda text: print(text, file=sys.stderr, flush=True)))
    if code() != where["code"]:
        results.errors.append(f"core/ changed during the run ({where['code']} to {code()}): it measured a mixture")
    found = figures(results)
    save(given.json, results, found, settings, where)
    if given.keep:
        print(f"kept: {keep(results, where)}")
    print(f"\n{where}", *table(results), *verdicts(found), sep="\n")
    print(f"values: {given.json}", plot(given.json, given.json.with_suffix(".png")), sep="\n")
    return 1 if results.errors else 0


if __name__ == "__main__":
    sys.exit(main())

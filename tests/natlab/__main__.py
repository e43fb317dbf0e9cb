"""`make natlab`: try every pair of networks with the real command line, and write docs/nat-matrix.md.

    python -m tests.natlab [--only 'linux-race x *']... [--repeat 3] [--lanes 6] [--output FILE]

Exit code 1 when a cell that has to be green is red. A run with --only writes nothing unless it is told where.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.natlab.beside_words import kept
from tests.natlab.cells import cells, in_lanes
from tests.natlab.internet import internet
from tests.natlab.matrix import Outcome
from tests.natlab.relayed import ON_ROUGH_LINES, all_of, times, unmeetable
from tests.natlab.report import page, summary, with_relayed
from tests.support.tools import ROOT, problem

PAGE = ROOT / "docs" / "nat-matrix.md"
LANES = 6  # cells at once: one takes some 2 s of processor time in 5 to 12 s


def _tell(number: int, total: int, outcome: Outcome) -> None:
    if outcome.seconds is not None:
        words = f"{outcome.seconds:.2f} s, {outcome.reason}"
    else:
        words = outcome.reason or "without a word"
    print(f"[{number}/{total}] {'' if outcome.good else 'RED '}{outcome.cell}: {words}", flush=True)  # noqa: T201
    if not outcome.good:
        print(outcome.transcript, flush=True)  # noqa: T201


def main(arguments: Sequence[str]) -> int:
    """Run what the command line says; return the exit code."""
    parser = argparse.ArgumentParser(prog="make natlab", description="Try every pair of networks.")
    parser.add_argument("--only", action="append", default=[], metavar="PATTERN", help="cells, as 'linux x open*'")
    parser.add_argument("--repeat", type=int, default=1, help="times that each is tried")
    parser.add_argument("--lanes", type=int, default=LANES, help="cells at once")
    parser.add_argument("--output", type=Path, default=None, help="the page to write")
    options = parser.parse_args(arguments)
    if reason := problem("natlab"):
        print(f"natlab: {reason}", file=sys.stderr)  # noqa: T201
        return 2
    wanted = cells(options.only) * options.repeat
    started = time.monotonic()
    with internet() as world:
        outcomes = asyncio.run(in_lanes(world, wanted, options.lanes, told=_tell))
        relayed = [] if options.only else asyncio.run(all_of(world, [*unmeetable(), *ON_ROUGH_LINES]))
    took = time.monotonic() - started
    output = options.output or (None if options.only else PAGE)
    if output is not None:
        text = page(outcomes, took, kept(output.read_text()) if output.exists() else "")
        output.write_text(with_relayed(text, times(relayed)))
    print(summary(outcomes, took))  # noqa: T201
    red = sorted({str(outcome.cell) for outcome in outcomes if not outcome.good})
    for cell in red:
        print(f"RED: {cell}")  # noqa: T201
    return 1 if red else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""`make natlab`: try every pair of networks with the real command line, and write docs/nat-matrix.md.

    python -m tests.natlab [--only 'linux-race x *']... [--repeat 3] [--lanes 6] [--output FILE]

Exit code 1 when a cell that has to be green is red. A run with --only writes nothing unless it is told where.
"""

import argparse
import asyncio
import fnmatch
import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.natlab.internet import Internet, internet
from tests.natlab.kinds import Kind
from tests.natlab.matrix import Cell, Order, Outcome, meet
from tests.natlab.report import page, summary
from tests.support.process import ProgramFailed
from tests.support.tools import ROOT, problem

PAGE = ROOT / "docs" / "nat-matrix.md"
LANES = 6  # cells at once: one takes some 2 s of processor time in 5 to 12 s
ATTEMPTS = 2  # to get grape and broker up on a machine that is busy; no second one for a pair that did not meet


def cells(patterns: Sequence[str]) -> list[Cell]:
    """Return all cells: the required pairs in every order, the others once; with patterns those that match one."""
    every = [Cell(worker, consumer, order) for worker in Kind for consumer in Kind for order in Order]
    wanted = [cell for cell in every if cell.required or cell.order is Order.STEADY]
    if patterns:
        wanted = [cell for cell in wanted if any(fnmatch.fnmatch(str(cell), pattern) for pattern in patterns)]
    return wanted


async def attempt(world: Internet, cell: Cell) -> Outcome:
    """Try a cell; when not even its surroundings start, once more."""
    for last in (False, True):
        try:
            return await meet(world, cell)
        except (ProgramFailed, OSError) as error:
            trouble = str(error)
            if last:
                break
    return Outcome(cell, None, False, "", f"the lab itself failed: {trouble}")


async def run(world: Internet, wanted: Sequence[Cell], lanes: int) -> list[Outcome]:
    """Try all, so many at a time, and print each as it ends."""
    waiting, done = list(wanted), []
    random.Random(1).shuffle(waiting)  # so that the slow, failing ones are spread

    async def lane() -> None:
        while waiting:
            outcome = await attempt(world, waiting.pop())
            done.append(outcome)
            _tell(len(done), len(wanted), outcome)

    async with asyncio.TaskGroup() as group:
        for _ in range(lanes):
            group.create_task(lane())
    return done


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
        outcomes = asyncio.run(run(world, wanted, options.lanes))
    took = time.monotonic() - started
    output = options.output or (None if options.only else PAGE)
    if output is not None:
        output.write_text(page(outcomes, took))
    print(summary(outcomes, took))  # noqa: T201
    red = sorted({str(outcome.cell) for outcome in outcomes if not outcome.good})
    for cell in red:
        print(f"RED: {cell}")  # noqa: T201
    return 1 if red else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

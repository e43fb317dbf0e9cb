"""Which cells the matrix has, and how many of them are tried at once."""

import asyncio
import fnmatch
import itertools
import random
from collections.abc import Callable, Sequence

from tests.natlab.internet import Internet
from tests.natlab.kinds import Kind
from tests.natlab.matrix import EASY, OURS, Cell, Nodes, Order, Outcome, meet
from tests.support.process import ProgramFailed

# A sample for the seven combinations with Node's programs.
_NODE_WORKERS = (Kind.PORT_RESTRICTED, Kind.LINUX, Kind.LINUX_RACE, Kind.CGNAT, Kind.SYM_RANDOM)
_NODE_CONSUMERS = (Kind.OPEN, Kind.FULL_CONE, Kind.RESTRICTED, Kind.PORT_RESTRICTED, Kind.LINUX_RACE, Kind.CGNAT)
_ON_ROUGH_LINES = (Kind.RESTRICTED, Kind.PORT_RESTRICTED, Kind.LINUX_RACE, Kind.CGNAT, Kind.SYM_RANDOM)
_OPEN_DOORS = (Kind.OPEN, Kind.FULL_CONE)  # where Node's client works: it sends nothing before it is punched


def cells(patterns: Sequence[str] = ()) -> list[Cell]:
    """Return all cells: the required pairs in every order, the others once; with patterns those that match one.

    Of the pairs on rough lines, and of those with Node's programs, there is a sample.
    """
    orders = [order for order in Order if order is not Order.ROUGH]
    every = [Cell(one, other, order) for one in Kind for other in Kind for order in orders]
    every += [Cell(one, other, Order.ROUGH) for one in _ON_ROUGH_LINES for other in _ON_ROUGH_LINES]
    wanted = [cell for cell in every if cell.required or cell.order is Order.STEADY]
    wanted += node_cells()
    if patterns:
        wanted = [cell for cell in wanted if any(fnmatch.fnmatch(str(cell), pattern) for pattern in patterns)]
    return wanted


def node_cells() -> list[Cell]:
    """Return those in which Node's programs take part, where their own network allows it."""
    found = []
    for broker, worker, consumer in itertools.product((False, True), repeat=3):
        nodes = Nodes(broker, worker, consumer)
        for one, other in itertools.product(_NODE_WORKERS, _OPEN_DOORS if consumer else _NODE_CONSUMERS):
            cell = Cell(one, other, nodes=nodes)
            # Node's worker knows no openers: behind the trap, or against it, who sends first is luck
            trapped = worker and Kind.LINUX_RACE in (one, other) and other not in EASY
            if nodes != OURS and cell.required and not trapped:
                found.append(cell)
    return found


async def attempt(world: Internet, cell: Cell) -> Outcome:
    """Try a cell; whatever happens becomes its outcome."""
    try:
        return await meet(world, cell)
    except (ProgramFailed, OSError) as error:
        return Outcome(cell, None, False, "", str(error))


async def in_lanes(
    world: Internet, wanted: Sequence[Cell], lanes: int, *, told: Callable[[int, int, Outcome], None] | None = None
) -> list[Outcome]:
    """Try all, so many at a time; `told(number, total, outcome)` hears of each as it ends."""
    waiting: list[Cell] = list(wanted)
    done: list[Outcome] = []
    random.Random(1).shuffle(waiting)  # so that the slow, failing ones are spread

    async def lane() -> None:
        while waiting:
            done.append(await attempt(world, waiting.pop()))
            if told is not None:
                told(len(done), len(wanted), done[-1])

    async with asyncio.TaskGroup() as group:
        for _ in range(lanes):
            group.create_task(lane())
    return done

"""A sample of `make natlab`: pairs of networks that stand for the rest, with the real command line and with Node's."""

import asyncio
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from tests.natlab.cells import cells, in_lanes
from tests.natlab.internet import internet
from tests.natlab.kinds import Kind
from tests.natlab.matrix import PLAIN, SYMMETRIC, Cell, Nodes, Order, Outcome
from tests.natlab.report import page, summary, with_relayed
from tests.support.selection import chosen

pytestmark = pytest.mark.natlab

LANES = 4

MEETING = (
    Cell(Kind.LINUX_RACE, Kind.LINUX_RACE),
    Cell(Kind.LINUX_RACE, Kind.LINUX_RACE, Order.WORKER_LATE),
    Cell(Kind.LINUX_RACE, Kind.LINUX_RACE, Order.CONSUMER_LATE),
    Cell(Kind.PORT_RESTRICTED, Kind.PORT_RESTRICTED),
    Cell(Kind.CGNAT, Kind.LINUX),
    Cell(Kind.FIREWALL, Kind.CGNAT, Order.WORKER_LATE),
    Cell(Kind.SYM_RANDOM, Kind.RESTRICTED),
    Cell(Kind.RESTRICTED, Kind.SYM_SEQ, Order.CONSUMER_LATE),
    Cell(Kind.PORT_RESTRICTED, Kind.CGNAT, Order.ROUGH),
)
WITH_NODE = (
    Cell(Kind.PORT_RESTRICTED, Kind.LINUX, nodes=Nodes(broker=True)),
    Cell(Kind.LINUX, Kind.PORT_RESTRICTED, nodes=Nodes(worker=True)),
    Cell(Kind.SYM_RANDOM, Kind.FULL_CONE, nodes=Nodes(consumer=True)),
    Cell(Kind.CGNAT, Kind.PORT_RESTRICTED, nodes=Nodes(broker=True, worker=True)),
    Cell(Kind.PORT_RESTRICTED, Kind.OPEN, nodes=Nodes(broker=True, consumer=True)),
    Cell(Kind.LINUX, Kind.FULL_CONE, nodes=Nodes(worker=True, consumer=True)),
)
CLIMBED = {  # and the rung that does it
    Cell(Kind.SYM_SEQ, Kind.LINUX): "predicted port",
    Cell(Kind.PORT_RESTRICTED, Kind.SYM_RANDOM): "birthday",
    Cell(Kind.SYM_BLOCK, Kind.LINUX_RACE): "birthday",
    Cell(Kind.FIREWALL, Kind.SYM_ADDR): "birthday",
    Cell(Kind.CGNAT, Kind.CGNAT_SYM): "birthday",
    Cell(Kind.SYM_SEQ, Kind.SYM_SEQ): "predicted ports",
    Cell(Kind.SYM_BLOCK, Kind.SYM_BLOCK): "port blocks",
    Cell(Kind.SYM_SEQ, Kind.SYM_BLOCK): "port blocks",
}
HOPELESS = {
    Cell(Kind.SYM_RANDOM, Kind.SYM_ADDR): "no answer within 2.0 s",
    Cell(Kind.LINUX, Kind.NO_UDP): "did not answer",
}
# The trap, Node's programs behind a carrier's NAT, a predicted port, and nothing to be done.
QUICK = {*MEETING[1:2], *WITH_NODE[3:4], *list(HOPELESS)[:1], *list(CLIMBED)[:1]}


def cell_params(wanted: Iterable[Cell]) -> list[Any]:
    """Mark the cells that `make test-slow` tries."""
    return [pytest.param(cell, id=str(cell), marks=() if cell in QUICK else pytest.mark.slow) for cell in wanted]


@pytest.fixture(scope="module")
def outcomes(request: pytest.FixtureRequest) -> Iterator[dict[Cell, Outcome]]:
    """What came of all that this run is about, tried several at a time."""
    wanted = chosen(request, "cell")
    with internet() as world:
        yield {each.cell: each for each in asyncio.run(in_lanes(world, wanted, LANES))}


@pytest.mark.parametrize("cell", cell_params([*MEETING, *WITH_NODE]))
def test_both_meet(outcomes: dict[Cell, Outcome], cell: Cell) -> None:
    outcome = outcomes[cell]
    assert outcome.seconds is not None, f"{outcome.reason}\n{outcome.transcript}"
    if cell in MEETING:
        symmetric = cell.worker in SYMMETRIC or cell.consumer in SYMMETRIC
        assert outcome.moved is symmetric, "who is met at another port than the broker saw"


@pytest.mark.parametrize("cell", cell_params(CLIMBED))
def test_the_ladder_opens_what_plain_punching_cannot(outcomes: dict[Cell, Outcome], cell: Cell) -> None:
    outcome = outcomes[cell]
    assert outcome.seconds is not None, f"{outcome.reason}\n{outcome.transcript}"
    assert f"open by {CLIMBED[cell]}," in outcome.transcript


@pytest.mark.parametrize("cell", cell_params(HOPELESS))
def test_who_cannot_meet_is_told_why_in_time(outcomes: dict[Cell, Outcome], cell: Cell) -> None:
    assert outcomes[cell].seconds is None
    assert HOPELESS[cell] in outcomes[cell].reason, outcomes[cell].transcript


def test_the_matrix_has_every_pair_that_has_to_meet() -> None:
    every = cells()
    assert len({(cell.worker, cell.consumer) for cell in every}) == len(Kind) ** 2
    plain = {(cell.worker, cell.consumer, cell.order) for cell in every if cell.required}
    orders = (Order.STEADY, Order.WORKER_LATE, Order.CONSUMER_LATE)
    assert plain >= {(one, other, order) for one in PLAIN for other in PLAIN for order in orders}
    assert cells(["open x cgnat"]) == [Cell(Kind.OPEN, Kind.CGNAT)]


def test_the_page_says_what_is_red() -> None:
    cell, lost = Cell(Kind.OPEN, Kind.LINUX), Cell(Kind.LINUX, Kind.NO_UDP)
    said = "no answer within 2.0 s from 192.0.2.7:40000"
    outcomes = [
        Outcome(cell, 0.31, moved=True, reason="open", transcript=""),
        Outcome(cell, None, moved=False, reason="x", transcript=""),
        Outcome(lost, None, moved=False, reason=said, transcript=""),
    ]
    made = page(outcomes, 61.0)
    assert "| **open** | **RED** 1 of 2 |" in made
    assert "| **linux** |  | - |" in made
    assert "1 times: no answer within 2.0 s from HOST:PORT" in made
    assert "1 cells are red" in summary(outcomes, 61.0)
    assert "0.3*" in page(outcomes[:1], 61.0)
    climbed = Outcome(cell, 1.24, moved=True, reason="open", transcript="", rung="birthday", packets=812)
    assert "| 1.2B 812 |" in page([climbed], 61.0)


def test_the_page_has_the_times_of_pairs_that_a_friend_joins() -> None:
    lost = Outcome(Cell(Kind.LINUX, Kind.NO_UDP), None, moved=False, reason="no", transcript="")
    made = page([lost], 61.0)
    told = with_relayed(made, {(Kind.LINUX, Kind.NO_UDP, Order.STEADY): "0.4R"})
    assert "| **linux** | 0.4R |" in told
    assert "| **linux** | 0.5T |" in with_relayed(told, {(Kind.LINUX, Kind.NO_UDP, Order.STEADY): "0.5T"})
    assert "| **linux** | **RED** |" in with_relayed(told, {(Kind.LINUX, Kind.NO_UDP, Order.STEADY): None})
    assert with_relayed(made, {(Kind.LINUX, Kind.NO_UDP, Order.ROUGH): "0.4R"}) == made

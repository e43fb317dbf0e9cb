"""Seeded runs of two muxes over bad lines: data arrives exactly, or there is a named error; nothing is left behind.

`GRAPEVINE_SEEDS=5000 pytest tests/torture` runs as many seeds of every kind; a failure's message has the plan to make
it again: `reproduce(Plan(...))`.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from core.utp.config import UtpConfig
from tests.support.samples import some
from tests.torture.arena import Arena, reproduce
from tests.torture.plan import Habits, Line, Mishap, Plan, draw, with_corruption, with_mishaps

SEEDS = int(os.environ.get("GRAPEVINE_SEEDS", "75"))
BATCH = 25  # seeds in one test
KINDS: dict[str, Callable[[int], Plan]] = {
    "a bad line": draw,
    "mishaps": lambda seed: with_mishaps(draw(seed)),
    "damage that shows": lambda seed: with_corruption(draw(seed), anywhere=False),
    "any damage": lambda seed: with_corruption(draw(seed), anywhere=True),
}


def ends(arena: Arena) -> Iterator[str]:
    """Say how each connection ended, for every life of both sides."""
    for owner in arena.owners:
        for end in owner.ends.values():
            yield "well" if end.error is None else type(end.error).__name__


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "first", [pytest.param(first, marks=pytest.mark.slow if first else ()) for first in range(0, SEEDS, BATCH)]
)
def test_data_arrives_exactly_or_there_is_a_named_error(kind: str, first: int) -> None:
    outcomes = [outcome for seed in range(first, first + BATCH) for outcome in ends(reproduce(KINDS[kind](seed)))]
    assert outcomes.count("well") > len(outcomes) // 3, "most of what can work does"


def test_errors_are_rare_on_the_worst_lines() -> None:
    """At 40 % loss each way a connection may fail, by its error; most do not."""
    worst = (Line(loss=0.4), Line(loss=0.4))
    outcomes = [outcome for seed in range(40) for outcome in ends(reproduce(Plan(seed, worst)))]
    assert outcomes.count("well") >= 0.9 * len(outcomes)


@pytest.mark.parametrize(
    ("count", "loss"), [(100, 0.1), *(pytest.param(1000, loss, marks=pytest.mark.slow) for loss in (0.0, 0.1))]
)
def test_many_short_connections_leave_nothing(count: int, loss: float) -> None:
    habits = Habits(size=300)
    calls = tuple((number % 2, number * 0.005) for number in range(count))
    arena = reproduce(Plan(7, (Line(loss=loss),) * 2, habits=(habits, habits), calls=calls))
    assert list(ends(arena)) == ["well"] * (2 * count)
    config = UtpConfig()
    assert all(len(host.mux._closed) <= config.closed_kept for host in arena.hosts)


@pytest.mark.parametrize("side", some([0, 1], 2))
@pytest.mark.parametrize("kind", ["die", "restart", "suspend", "jump", "blackout", "rebind"])
def test_at_every_phase(kind: str, side: int) -> None:
    """A second of a connection in steps of 50 ms: SYN, answer, data, FIN, over; then nothing for three minutes."""
    habits = Habits(size=30_000, pause=0.2)
    for step in range(25 * side, 1000, 50):
        mishap = Mishap(kind, side, step / 1000, 180.0)
        reproduce(replace(Plan(step, habits=(habits, habits)), mishaps=(mishap,)))


def test_a_plan_that_cannot_go_well_is_noticed() -> None:
    """The judge judges: two owners that each wait for the other's end never end."""
    habits = Habits(closes="ended")
    with pytest.raises(AssertionError, match="it never ends"):
        reproduce(Plan(1, habits=(habits, habits)))

"""Big jobs share the loop with everything else: by a clock that each step moves."""

import asyncio
from collections.abc import Generator

import pytest

from core.aio.tasks import TaskSet
from core.rpc.slices import SLICE, Slices
from tests.support.virtual_time import settle

pytestmark = pytest.mark.virtual_time


class Work:
    """Jobs of steps that take `step` seconds each on a clock of their own; who did what in which turn of the loop."""

    def __init__(self, jobs: int = 4, step: float = SLICE / 7.99) -> None:  # eight fill a slice
        self.now = 0.0
        self.step = step
        self.slices = Slices(jobs, clock=lambda: self.now)
        self.tasks = TaskSet("work")
        self.turns: list[list[str]] = [[]]
        self.closed: list[str] = []

    def steps(self, name: str, count: int) -> Generator[None, None, str]:
        try:
            for _ in range(count):
                self.now += self.step
                self.turns[-1].append(name)
                yield
        finally:
            self.closed.append(name)
        return name

    def start(self, name: str, count: int = 100) -> "asyncio.Task[str]":
        return self.tasks.spawn(self.slices.run(self.steps(name, count)), name=name)

    async def turn(self, times: int = 1) -> None:
        for _ in range(times):
            self.turns.append([])
            await asyncio.sleep(0)


async def test_a_job_takes_one_slice_of_each_turn() -> None:
    work = Work()
    job = work.start("a", 20)
    await work.turn(6)
    assert job.result() == "a"
    assert [len(turn) for turn in work.turns if turn] == [8, 8, 4]


async def test_jobs_share_the_slice() -> None:
    work = Work()
    jobs = [work.start(name, 40) for name in "abcd"]
    await work.turn(60)
    assert all(job.done() for job in jobs)
    assert {len(turn) for turn in work.turns[2:6]} == {8}  # two steps of each, while all four run
    assert set(work.turns[4]) == set("abcd")


async def test_more_jobs_than_places_wait() -> None:
    work = Work(jobs=2)
    jobs = [work.start(name) for name in "abc"]
    await work.turn(5)
    assert "c" not in {name for turn in work.turns for name in turn}
    jobs[0].cancel()
    await work.turn(5)
    assert "c" in {name for turn in work.turns for name in turn}
    assert work.closed == ["a"]
    await work.tasks.aclose()
    assert sorted(work.closed) == ["a", "b", "c"]


async def test_a_cancelled_job_stops_and_is_closed_even_while_it_waits() -> None:
    work = Work(jobs=1)
    first, second = work.start("a"), work.start("b")
    await work.turn(3)
    done = sum(map(len, work.turns))
    second.cancel()
    first.cancel()
    await settle()
    assert sum(map(len, work.turns)) == done
    assert work.closed == ["a"]  # the other never began
    again = work.start("c", 3)
    await work.turn(3)
    assert again.result() == "c"


async def test_a_step_over_the_slice_still_leaves_a_turn_to_others() -> None:
    work = Work(step=SLICE * 3)
    job = work.start("a", 5)
    await work.turn(8)
    assert job.done()
    assert [len(turn) for turn in work.turns if turn] == [1] * 5


async def test_what_a_step_raises_is_raised_and_the_place_is_free() -> None:
    def broken() -> Generator[None, None, str]:
        yield
        raise KeyError("step")

    work = Work(jobs=1)
    for _ in range(2):
        with pytest.raises(KeyError, match="step"):
            await work.slices.run(broken())

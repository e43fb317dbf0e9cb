"""Work that many ask for takes its share of a turn of the loop, and the rest waits; trusted callers go first."""

import asyncio
import itertools

import pytest

from core.aio.turns import Turns

pytestmark = pytest.mark.asyncio


class Stage:
    """Work that takes time on a clock of the test's own; `done` has whose it was, by turn of the loop."""

    def __init__(self) -> None:
        self.now = 0.0
        self.turns = Turns(0.002, lambda: self.now)
        self.done: list[list[str]] = [[]]
        self.left = {"a": 0, "b": 0, "friend": 0}

    def work(self, who: str) -> None:
        began = self.turns.now()
        self.now += 0.001
        self.turns.charge(began)
        self.done[-1].append(who)
        self.left[who] -= 1
        if self.left[who] > 0:
            self.ask(who)

    def ask(self, who: str) -> None:
        self.turns.later(lambda: self.work(who), trusted=who == "friend")

    async def turn(self) -> None:
        await asyncio.sleep(0)
        self.done.append([])


async def test_a_turn_has_so_much_work_and_the_rest_waits() -> None:
    stage = Stage()
    stage.left["a"] = 3
    assert stage.turns.free()
    for _ in range(5):
        stage.ask("b")
    stage.ask("a")
    assert not stage.turns.free()  # others were first
    for _ in range(6):
        await stage.turn()
    assert [turn for turn in stage.done if turn] == [["b", "b"], ["b", "b"], ["b", "a"], ["a"], ["a"]]
    assert stage.turns.free()


async def test_trusted_callers_go_before_all_that_wait() -> None:
    stage = Stage()
    for _ in range(4):
        stage.ask("a")
    assert stage.turns.free(trusted=True)
    stage.ask("friend")
    assert not stage.turns.free(trusted=True)
    await stage.turn()
    assert stage.done[0] == ["friend", "a"]


async def test_who_has_spent_a_turn_waits_for_the_next() -> None:
    stage = Stage()
    stage.left["a"] = 1
    stage.work("a")
    assert stage.turns.free()
    stage.work("a")
    assert not stage.turns.free()
    await stage.turn()
    assert stage.turns.free()


async def test_those_who_wait_begin_as_many_in_a_turn_as_have_time() -> None:
    stage = Stage()
    begun: list[int] = []

    async def one(number: int) -> None:
        await stage.turns.wait(0.0015)
        begun.append(number)

    tasks = [asyncio.ensure_future(one(number)) for number in range(8)]  # noqa: TID251  gathered below
    tasks[5].cancel()
    counts = []
    for _ in range(12):
        await asyncio.sleep(0)
        counts.append(len(begun))
    assert begun == [0, 1, 2, 3, 4, 6, 7]
    assert max(later - earlier for earlier, later in itertools.pairwise(counts)) <= 2
    await asyncio.gather(*tasks, return_exceptions=True)

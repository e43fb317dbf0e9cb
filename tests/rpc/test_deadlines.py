"""Many time limits on one timer, in virtual time: exact, cheap to lift, and as asyncio.timeout within a task."""

import asyncio

import pytest

from core.rpc.deadlines import Deadlines, Limit
from tests.support.virtual_time import settle

pytestmark = pytest.mark.virtual_time


async def test_each_expires_at_its_own_time_whatever_was_set_before_and_after() -> None:
    loop = asyncio.get_running_loop()
    deadlines, expired = Deadlines(), list[tuple[float, float]]()
    for seconds in (60.0, 1.0, 5.0, 1.0, 0.25):
        deadlines.set(seconds, lambda seconds=seconds: expired.append((seconds, loop.time())), loop)  # type: ignore[misc]
        await asyncio.sleep(0.1)
    await asyncio.sleep(100)
    assert [(length, round(at, 6)) for length, at in expired] == [
        (0.25, 0.65),
        (1.0, 1.1),
        (1.0, 1.3),
        (5.0, 5.2),
        (60.0, 60.0),
    ]
    assert len(deadlines) == 0


async def test_what_is_lifted_never_expires_and_leaves_nothing_behind() -> None:
    loop = asyncio.get_running_loop()
    deadlines, expired = Deadlines(), list[int]()
    kept = [deadlines.set(10.0, lambda: expired.append(1), loop) for _ in range(3)]
    deadlines.lift(kept[0])
    deadlines.lift(kept[0])
    for _ in range(10_000):
        deadlines.lift(deadlines.set(10.0, lambda: expired.append(2), loop))
    assert len(deadlines) == 2
    assert len(loop._scheduled) == 1  # type: ignore[attr-defined]
    await asyncio.sleep(11)
    assert expired == [1, 1]
    assert not deadlines._of_length


async def test_lengths_that_nobody_waits_for_are_few() -> None:
    loop = asyncio.get_running_loop()
    deadlines, expired = Deadlines(), list[int]()
    deadlines.set(100.0, lambda: expired.append(1), loop)
    for number in range(1000):
        deadlines.lift(deadlines.set(10.0 + number / 1000, lambda: expired.append(2), loop))
        assert len(deadlines._of_length) < 20  # private: nothing else tells what is kept
    await asyncio.sleep(101)
    assert expired == [1]


async def test_one_that_expires_may_lift_another_and_set_a_new_one() -> None:
    loop = asyncio.get_running_loop()
    deadlines, expired = Deadlines(), list[str]()

    def first() -> None:
        expired.append("first")
        deadlines.lift(later)
        deadlines.set(0.5, lambda: expired.append(f"new {loop.time()}"), loop)

    deadlines.set(1.0, first, loop)
    later = deadlines.set(2.0, lambda: expired.append("later"), loop)
    await asyncio.sleep(5)
    assert expired == ["first", "new 1.5"]


async def test_a_limit_is_a_timeout_of_its_block_and_leaves_other_cancellations_alone() -> None:
    deadlines, loop = Deadlines(), asyncio.get_running_loop()
    with pytest.raises(TimeoutError), Limit(deadlines, 2.0) as limit:
        await asyncio.sleep(100)
    assert (limit.expired, loop.time()) == (True, 2.0)
    with Limit(deadlines, 2.0) as limit:
        await asyncio.sleep(1)
    assert not limit.expired
    assert len(deadlines) == 0
    with pytest.raises(ValueError, match="own"), Limit(deadlines, 2.0):
        raise ValueError("own")

    async def stuck() -> None:
        with Limit(deadlines, 50.0):
            await asyncio.sleep(100)

    async with asyncio.TaskGroup() as group:
        task = group.create_task(stuck())
        await settle()
        task.cancel()
    assert task.cancelled()
    await asyncio.sleep(10)
    task = asyncio.current_task()  # type: ignore[assignment]
    assert task.cancelling() == 0


async def test_close_forgets_all() -> None:
    deadlines, expired = Deadlines(), list[int]()
    deadlines.set(1.0, lambda: expired.append(1), asyncio.get_running_loop())
    deadlines.close()
    await asyncio.sleep(5)
    assert expired == []

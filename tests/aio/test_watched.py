"""A coroutine that is timed step by step behaves as it would without."""

import asyncio
import time

import pytest

from core.aio.watched import watched
from tests.net.waiting import eventually

pytestmark = pytest.mark.asyncio


async def test_its_result_its_error_and_its_steps_are_told() -> None:
    steps: list[float] = []

    async def works() -> int:
        await asyncio.sleep(0)
        time.sleep(0.02)  # noqa: ASYNC251  what is looked for
        await asyncio.sleep(0.001)
        return 5

    assert await watched(works(), steps.append) == 5
    assert len(steps) == 3
    assert max(range(3), key=steps.__getitem__) == 1
    assert steps[1] >= 0.02

    async def fails() -> None:
        await asyncio.sleep(0)
        raise KeyError("x")

    with pytest.raises(KeyError):
        await watched(fails(), steps.append)


async def test_it_is_cancelled_where_it_waits_and_may_catch_what_comes_there() -> None:
    seen: list[str] = []

    async def waits() -> str:
        try:
            async with asyncio.timeout(0.01):
                await asyncio.sleep(60)
        except TimeoutError:
            seen.append("timed out")
        try:
            await asyncio.sleep(60)
        finally:
            seen.append("cleaned up")
        return "never"

    async def wrapped() -> str:
        return await watched(waits(), lambda seconds: None)

    task = asyncio.get_running_loop().create_task(wrapped())
    await eventually(lambda: seen == ["timed out"])
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen == ["timed out", "cleaned up"]

"""The loop with jumping time."""

import asyncio
import time

import pytest

from tests.support.virtual_time import Deadlock, run, settle


def test_time_jumps_to_the_next_timer() -> None:
    async def scene() -> list[float]:
        loop = asyncio.get_running_loop()
        seen = [loop.time()]
        for seconds in (0.5, 3600.0):
            await asyncio.sleep(seconds)
            seen.append(loop.time())
        return seen

    began = time.process_time()
    assert run(scene()) == pytest.approx([0.0, 0.5, 3600.5])
    assert time.process_time() - began < 5.0


def test_time_outs_fire_in_virtual_time() -> None:
    async def scene() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(120):
                await asyncio.Event().wait()
        return asyncio.get_running_loop().time()

    assert run(scene()) == pytest.approx(120.0)


def test_time_stands_while_tasks_are_ready() -> None:
    async def scene() -> float:
        await settle(1000)
        return asyncio.get_running_loop().time()

    assert run(scene()) == 0.0


def test_a_deadlock_is_found_at_once() -> None:
    async def scene() -> None:
        await asyncio.Event().wait()

    with pytest.raises(Deadlock):
        run(scene())


def test_tasks_left_behind_are_found() -> None:
    async def scene() -> None:
        loop = asyncio.get_running_loop()
        kept.append(loop.create_task(asyncio.sleep(5), name="forgotten"))
        await settle()

    kept: list[asyncio.Task[None]] = []
    with pytest.raises(AssertionError, match="forgotten"):
        run(scene())


def test_failures_nobody_hears_are_found() -> None:
    def fail() -> None:
        raise RuntimeError("in a callback")

    async def scene() -> None:
        asyncio.get_running_loop().call_soon(fail)
        await settle()

    with pytest.raises(AssertionError, match="in a callback"):
        run(scene())

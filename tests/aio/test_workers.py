"""Calls that block in threads of their own: as many as may be, none lost, and nobody waits for those that never end."""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from core.aio.workers import Workers
from tests.net.waiting import eventually

pytestmark = pytest.mark.asyncio


@pytest.fixture
def workers() -> Iterator[Workers]:
    made = Workers("test disk", 2)
    yield made
    made.close()


async def test_results_and_errors_come_back_and_threads_are_as_many_as_are_needed(workers: Workers) -> None:
    assert await workers.run(lambda: threading.current_thread().name) == "test disk"
    with pytest.raises(FileNotFoundError):
        await workers.run(lambda: os.stat("/no such file"))
    gate = threading.Event()
    tasks = [asyncio.ensure_future(workers.run(gate.wait)) for _ in range(5)]  # noqa: TID251  gathered below
    await eventually(lambda: workers.under_way == 5)
    assert sum(each.name == "test disk" for each in threading.enumerate()) == 2
    gate.set()
    assert await asyncio.gather(*tasks) == [True] * 5
    assert workers.under_way == 0


async def test_calls_that_never_return_cost_their_threads_and_time_out_the_others(workers: Workers) -> None:
    gate, called = threading.Event(), list[int]()
    stuck = [asyncio.ensure_future(workers.run(gate.wait, 0.05)) for _ in range(2)]  # noqa: TID251  gathered below
    late = asyncio.ensure_future(workers.run(lambda: called.append(1), 0.05))  # noqa: TID251
    outcomes = await asyncio.gather(*stuck, late, return_exceptions=True)
    assert [type(each) for each in outcomes] == [TimeoutError] * 3
    assert await asyncio.to_thread(lambda: "elsewhere") == "elsewhere"  # the loop's own threads are free
    gate.set()
    await eventually(lambda: workers.under_way == 0)
    assert called == []  # nobody waited for it any longer
    assert await workers.run(lambda: 7) == 7


async def test_what_nobody_waits_for_any_longer_is_given_to_be_closed(workers: Workers) -> None:
    gate, unwanted = threading.Event(), list[int]()

    def opened() -> int:
        gate.wait()
        return 5

    with pytest.raises(TimeoutError):
        await workers.run(opened, 0.02, unwanted=unwanted.append)
    gate.set()
    await eventually(lambda: unwanted == [5])


async def test_closed_workers_end_and_can_be_used_again() -> None:
    workers = Workers("closing disk", 3)
    await workers.run(lambda: 1)
    workers.close()
    await eventually(lambda: all(each.name != "closing disk" for each in threading.enumerate()))
    assert await workers.run(lambda: 2) == 2
    workers.close()


async def test_a_program_ends_though_a_call_never_does() -> None:
    program = (
        "import asyncio, threading\n"
        "from core.aio.workers import Workers\n"
        "async def main():\n"
        "    try: await Workers('w', 1).run(threading.Event().wait, 0.01)\n"
        "    except TimeoutError: print('gave up')\n"
        "asyncio.run(main())\n"
    )
    ended = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True
    )
    assert ended.stdout == "gave up\n"

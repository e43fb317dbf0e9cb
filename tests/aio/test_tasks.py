"""TaskSet: names, failures, and an end for everybody."""

import asyncio
import gc
from collections.abc import Awaitable, Callable

import pytest

from core.aio import tasks
from core.aio.tasks import TaskSet
from core.errors import LocalError
from tests.net.waiting import eventually

pytestmark = pytest.mark.asyncio

Failures = list[dict[str, object]]


async def test_a_task_leaves_the_set_when_it_is_done(failures: Failures) -> None:
    owner = TaskSet()
    task = owner.spawn(asyncio.sleep(0, "value"), name="nap")
    assert len(owner) == 1
    assert task.get_name() == "nap"
    assert await task == "value"
    await eventually(lambda: len(owner) == 0)


async def test_a_failure_is_reported_by_name_at_once_and_does_not_stop_the_others(failures: Failures) -> None:
    owner = TaskSet("peer")
    forever = owner.spawn(asyncio.Event().wait(), name="forever")

    async def fail() -> None:
        raise ValueError("boom")

    owner.spawn(fail(), name="announce fibonacci")
    await eventually(lambda: bool(failures))
    gc.collect()  # "exception was never retrieved" would come from here
    (context,) = failures
    assert context["message"] == "background task 'announce fibonacci' of peer failed"
    assert isinstance(context["exception"], ValueError)
    assert not forever.done()
    await owner.aclose()
    failures.clear()


async def test_closing_cancels_and_awaits_all_and_forbids_more(failures: Failures) -> None:
    ended: list[str] = []

    async def work(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append(name)

    owner = TaskSet("peer")
    for name in ("a", "b"):
        owner.spawn(work(name), name=name)
    await asyncio.sleep(0)
    await asyncio.gather(owner.aclose(), owner.aclose())
    assert sorted(ended) == ["a", "b"]
    assert len(owner) == 0
    with pytest.raises(LocalError, match="peer is closed: late cannot start"):
        owner.spawn(work("late"), name="late")


async def test_a_task_may_close_its_own_set(failures: Failures) -> None:
    owner = TaskSet()
    other = owner.spawn(asyncio.Event().wait(), name="other")

    async def close() -> str:
        await owner.aclose()
        return "closed"

    assert await owner.spawn(close(), name="closer") == "closed"
    assert other.cancelled()


@pytest.mark.parametrize("catches", [2, 99])
async def test_a_stubborn_task_is_cancelled_again_and_then_reported(
    catches: int, failures: Failures, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "CANCEL_WAIT", 0.01)
    release = asyncio.Event()

    async def stubborn(wait: Callable[[], Awaitable[object]]) -> None:
        for _ in range(catches):
            try:
                await wait()
                return
            except asyncio.CancelledError:
                pass

    owner = TaskSet("peer")
    task = owner.spawn(stubborn(release.wait), name="stubborn")
    await asyncio.sleep(0)
    await owner.aclose()
    if catches == 2:
        assert task.done()
    else:
        assert [context["message"] for context in failures] == [
            "background task 'stubborn' of peer does not end when cancelled"
        ]
        failures.clear()
        release.set()
        await task

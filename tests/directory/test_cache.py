"""The lookup cache's age and bound; requests shared by callers who may be cancelled."""

import asyncio

import pytest

from core.aio.tasks import TaskSet
from core.directory.cache import AgedCache, InFlight
from core.errors import LocalError, RequestTimeout
from tests.support import virtual_time


def test_values_age() -> None:
    now = 0.0
    cache: AgedCache[int] = AgedCache(10, 10.0, lambda: now)
    cache.set("a", 1)
    now = 9.9
    assert cache.get("a") == 1
    now = 10.0
    assert cache.get("a") is None
    assert len(cache) == 0


def test_oldest_makes_room() -> None:
    cache: AgedCache[int] = AgedCache(2, 10.0, lambda: 0.0)
    for value, name in enumerate("abac"):
        cache.set(name, value)
    assert [cache.get(name) for name in "abc"] == [2, None, 3]
    cache.drop("a")
    assert cache.get("a") is None
    cache.clear()
    assert len(cache) == 0


class Requests:
    """Counts the requests really made; each takes a second and gives its number."""

    def __init__(self) -> None:
        self.begun = 0
        self.ended = 0

    async def __call__(self) -> int:
        self.begun += 1
        number = self.begun
        await asyncio.sleep(1)
        self.ended += 1
        return number


def test_equal_requests_are_made_once() -> None:
    async def main() -> None:
        request, in_flight = Requests(), InFlight(TaskSet())
        assert await asyncio.gather(*(in_flight.run("a", request) for _ in range(5))) == [1] * 5
        assert await in_flight.run("a", request) == 2
        assert len(in_flight) == 0

    virtual_time.run(main())


def test_cancelled_caller_leaves_the_others_alone() -> None:
    async def main() -> None:
        request, in_flight = Requests(), InFlight(TaskSet())
        async with asyncio.TaskGroup() as group:
            first, second = (group.create_task(in_flight.run("a", request)) for _ in range(2))
            await asyncio.sleep(0.5)
            first.cancel()
        assert first.cancelled()
        assert second.result() == 1

    virtual_time.run(main())


def test_last_cancelled_caller_ends_the_request() -> None:
    async def main() -> None:
        request, tasks = Requests(), TaskSet()
        in_flight = InFlight(tasks)
        for _ in range(2):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.5):
                    await in_flight.run("a", request)
        assert await in_flight.run("a", request) == 3
        assert (request.begun, request.ended, len(tasks)) == (3, 1, 0)

    virtual_time.run(main())


def test_error_reaches_every_caller() -> None:
    async def main() -> None:
        async def fail() -> int:
            await asyncio.sleep(1)
            raise RequestTimeout("late")

        in_flight = InFlight(TaskSet())
        results = await asyncio.gather(*(in_flight.run("a", fail) for _ in range(3)), return_exceptions=True)
        assert [type(result) for result in results] == [RequestTimeout] * 3

    virtual_time.run(main())


def test_closing_fails_callers_without_cancelling_them() -> None:
    async def main() -> None:
        tasks = TaskSet()
        waiting = asyncio.gather(InFlight(tasks).run("a", Requests()), return_exceptions=True)
        await asyncio.sleep(0.1)
        await tasks.aclose()
        assert isinstance((await waiting)[0], LocalError)

    virtual_time.run(main())

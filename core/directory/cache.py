"""A lookup cache with an age and a bound, and requests in flight that several callers share."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar, cast

from core.aio.tasks import TaskSet
from core.errors import LocalError
from core.limits.table import BoundedTable

ValueT = TypeVar("ValueT")


class AgedCache(Generic[ValueT]):
    """Values by name, for `max_age` seconds on `clock`; full, the one set longest ago makes room."""

    def __init__(self, max_entries: int, max_age: float, clock: Callable[[], float]) -> None:
        self._max_age = max_age
        self._clock = clock
        self._entries: BoundedTable[str, tuple[float, ValueT]] = BoundedTable(max_entries)

    def get(self, name: str) -> ValueT | None:
        """Return a value that is not too old."""
        entry = self._entries.get(name)
        if entry is None:
            return None
        if self._clock() - entry[0] >= self._max_age:
            del self._entries[name]
            return None
        return entry[1]

    def set(self, name: str, value: ValueT) -> None:
        """Keep a value from now on."""
        self._entries[name] = (self._clock(), value)

    def drop(self, name: str) -> None:
        """Forget one name."""
        self._entries.pop(name, None)

    def clear(self) -> None:
        """Forget all."""
        self._entries.clear()

    def __len__(self) -> int:
        return len(self._entries)


class _Shared:
    """One request under way and how many wait for it."""

    __slots__ = ("future", "task", "waiting")

    def __init__(self, future: "asyncio.Future[object]", task: "asyncio.Task[None]") -> None:
        self.future = future
        self.task = task
        self.waiting = 0


class InFlight:
    """Runs equal requests once. A caller that is cancelled leaves the others' answer alone; the last one ends it."""

    def __init__(self, tasks: TaskSet) -> None:
        self._tasks = tasks
        self._shared: dict[str, _Shared] = {}

    def __len__(self) -> int:
        return len(self._shared)

    async def run(self, key: str, request: Callable[[], Awaitable[ValueT]]) -> ValueT:
        """Return what `request` gives, or what the equal request under way gives. Raises what it raises."""
        shared = self._shared.get(key)
        if shared is None:
            shared = self._begin(key, request)
        shared.waiting += 1
        try:
            return cast(ValueT, await asyncio.shield(shared.future))  # equal keys ask for the same kind of answer
        finally:
            shared.waiting -= 1
            if not shared.waiting and not shared.future.done():
                self._forget(key, shared)  # a later caller must not join a request that is being cancelled
                shared.task.cancel()

    def _begin(self, key: str, request: Callable[[], Awaitable[ValueT]]) -> _Shared:
        future: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        shared = _Shared(future, self._tasks.spawn(_settle(future, request), name=f"link {key[:60]}"))
        self._shared[key] = shared
        future.add_done_callback(lambda _: self._forget(key, shared))
        return shared

    def _forget(self, key: str, shared: _Shared) -> None:
        if self._shared.get(key) is shared:
            del self._shared[key]


async def _settle(future: "asyncio.Future[object]", request: Callable[[], Awaitable[object]]) -> None:
    """Put the request's outcome into the future, where callers may or may not look at it."""
    try:
        result = await request()
    except asyncio.CancelledError:
        _fail(future, LocalError("this link is closed"))  # not `cancel`: its callers were not cancelled
        raise
    except Exception as error:
        _fail(future, error)
    else:
        if not future.done():
            future.set_result(result)


def _fail(future: "asyncio.Future[object]", error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
        future.exception()  # looked at: callers may all have gone

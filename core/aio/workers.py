"""Few threads of one's own for calls that may block for long: a disk that does not answer holds up nothing else.

The loop's own executor is everybody's. And an executor's threads are waited for when the program ends; these are not.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Generic, TypeVar

T = TypeVar("T")


class Workers:
    """At most `number` threads, each made when it is first needed. To be used on one loop."""

    def __init__(self, name: str, number: int) -> None:
        self._name = name
        self._number = number
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._threads = 0
        self._under_way = 0  # calls that were handed in and have not returned

    @property
    def under_way(self) -> int:
        """Calls that run or wait for a thread."""
        return self._under_way

    async def run(
        self, function: Callable[[], T], patience: float | None = None, *, unwanted: Callable[[T], None] | None = None
    ) -> T:
        """Call `function` in one of the threads; return its result. Raises what it raises.

        Raises TimeoutError when there is none after `patience` seconds. One that had begun goes on, keeps its thread,
        and `unwanted` takes its result, as it does when the wait is cancelled; one that had not is never called.
        """
        call = _Call(function, self._settled, unwanted)
        self._under_way += 1
        if self._threads < min(self._number, self._under_way):
            self._threads += 1
            threading.Thread(target=_work, args=(self._jobs,), name=self._name, daemon=True).start()
        self._jobs.put(call)
        async with asyncio.timeout(patience):
            return await call.done

    def close(self) -> None:
        """Let the threads end after what they do now. Another `run` makes others. Idempotent."""
        jobs, self._jobs = self._jobs, SimpleQueue()
        for _ in range(self._threads):
            jobs.put(None)
        self._threads = 0

    def _settled(self) -> None:
        self._under_way -= 1


class _Call(Generic[T]):
    """One call, on its way to a thread and back."""

    def __init__(
        self, function: Callable[[], T], settled: Callable[[], None], unwanted: Callable[[T], None] | None
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self.done: asyncio.Future[T] = self._loop.create_future()
        self._function = function
        self._settled = settled
        self._unwanted = unwanted

    def __call__(self) -> None:
        """Do it, in a thread."""
        settle: Callable[[], None]
        if self.done.cancelled():
            settle = self._settled
        else:
            try:
                result = self._function()
            except BaseException as failure:
                error = failure  # Python forgets the other name at the end of the clause
                settle = lambda: self._fail(error)  # noqa: E731
            else:
                settle = lambda: self._succeed(result)  # noqa: E731
        with contextlib.suppress(RuntimeError):  # the loop has closed: nobody waits any more
            self._loop.call_soon_threadsafe(settle)

    def _succeed(self, result: T) -> None:
        self._settled()
        if not self.done.done():
            self.done.set_result(result)
        elif self._unwanted is not None:
            self._unwanted(result)

    def _fail(self, error: BaseException) -> None:
        self._settled()
        if not self.done.done():
            self.done.set_exception(error)


def _work(jobs: "SimpleQueue[Callable[[], None] | None]") -> None:
    while (job := jobs.get()) is not None:
        job()

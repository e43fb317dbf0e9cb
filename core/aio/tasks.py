"""The owner of background tasks: every task has a name, an end, and somebody who hears of its failure."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from core.errors import LocalError

T = TypeVar("T")

CANCEL_ROUNDS = 3  # a task may catch one cancellation by mistake; one that catches three in a row is broken
CANCEL_WAIT = 1.0  # seconds per round; quitting must end within 3 s in all (issue 2, desktop)


class TaskSet:
    """Background tasks of one object, cancelled and awaited together by `aclose`.

    A task that fails is reported by name to the loop's exception handler, at once; it does not stop the others.
    """

    def __init__(self, name: str = "tasks") -> None:
        self._name = name
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closed = False

    def __len__(self) -> int:
        return len(self._tasks)

    def spawn(self, coroutine: Coroutine[Any, Any, T], *, name: str) -> asyncio.Task[T]:
        """Start `coroutine` as a task of this set. Raises LocalError after `aclose`."""
        if self._closed:
            coroutine.close()  # else "coroutine was never awaited"
            raise LocalError(f"{self._name} is closed: {name} cannot start")
        task = asyncio.get_running_loop().create_task(coroutine, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        error = task.exception()  # marks it as retrieved
        if error is not None:
            self._report(task, f"background task {task.get_name()!r} of {self._name} failed", error)

    def _report(self, task: asyncio.Task[Any], message: str, error: BaseException | None = None) -> None:
        context: dict[str, Any] = {"message": message, "task": task}
        if error is not None:
            context["exception"] = error
        task.get_loop().call_exception_handler(context)

    async def settle(self, timeout: float) -> None:
        """Wait until all tasks have ended by themselves, at most `timeout` seconds."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=timeout)

    async def aclose(self) -> None:
        """Cancel all tasks and wait until they have ended. Idempotent; a task of this set may call it for the others.

        A task that goes on after three cancellations (3 s) is reported by name and left.
        """
        self._closed = True
        current = asyncio.current_task()
        for _ in range(CANCEL_ROUNDS):
            others = {task for task in self._tasks if task is not current}
            if not others:
                return
            for task in others:
                task.cancel()
            await asyncio.wait(others, timeout=CANCEL_WAIT)
        for task in self._tasks - {current}:
            self._report(task, f"background task {task.get_name()!r} of {self._name} does not end when cancelled")

"""Asking over a connection that may have died unseen: where it stays silent, that peer is looked for meanwhile.

A peer that lives acknowledges a request at once, however long it works on it. One that restarted, or whose way a router
forgot, does not: uTP would take a minute to give up, and the request would be over by then.
"""

import asyncio
from collections.abc import Awaitable
from typing import Final, Generic, Protocol, TypeVar

from core.aio.clock import clock_of
from core.aio.tasks import TaskSet
from core.calling.outcomes import outcome
from core.errors import PeerError
from core.rpc.client import Reply
from core.rpc.deadlines import Deadline, Deadlines

SILENT: Final = 1.0  # seconds until a request has to be acknowledged; uTP has sent it twice by then (`rto_min`)

FoundT = TypeVar("FoundT")


class Another(Protocol[FoundT]):
    """What is there to do where the first connection is silent."""

    def heard_at(self) -> float:
        """Return when something last came over it, on the loop's clock."""

    def find(self) -> Awaitable[FoundT]:
        """Return what awaits where the peer is found again, or raises PeerError."""

    def ask(self, found: FoundT) -> Awaitable[Reply]:
        """Return what awaits the reply from there."""


class _Watch(Deadline, Generic[FoundT]):
    """Looks once whether the first connection is silent; if it is when the peer was found, it ends the wait for it."""

    __slots__ = ("_another", "_began", "_search", "_task", "_tasks", "found")

    def __init__(
        self, tasks: TaskSet, task: "asyncio.Task[object] | None", began: float, another: Another[FoundT]
    ) -> None:
        super().__init__()
        self._tasks = tasks
        self._began = began
        self._another = another
        self._task = task
        self._search: asyncio.Task[None] | None = None
        self.found: list[FoundT] = []

    def expire(self) -> None:
        """Begin to search, if nothing came since the request was made."""
        if self._another.heard_at() <= self._began:
            self._search = self._tasks.spawn(self._look_for(), name="find again")

    async def _look_for(self) -> None:
        told = await outcome(self._another.find())
        if not isinstance(told, PeerError) and self._another.heard_at() <= self._began and self._task is not None:
            self.found.append(told)
            self._task.cancel()

    def end(self) -> None:
        """Search no longer."""
        self._task = None  # a task in a circle would keep all that was at hand there
        if self._search is not None:
            self._search.cancel()


async def ask_unless_silent(
    tasks: TaskSet, watches: Deadlines, asked: Awaitable[Reply], another: Another[FoundT]
) -> Reply:
    """Return the reply of `asked`, or that of another where nothing comes over the first connection.

    That one is asked only if the first is still silent when the peer was found: a request that was acknowledged is
    not made twice. Raises the PeerError of the one that was asked last. `tasks` owns the search; `watches` is one for
    many requests, since nearly all are answered before anybody looks.
    """
    loop = asyncio.get_running_loop()
    task = asyncio.current_task(loop)
    watch = _Watch(tasks, task, clock_of(loop)(), another)
    cancelling = 0 if task is None else task.cancelling()
    watches.begin(watch, SILENT, loop)
    try:
        return await asked
    except asyncio.CancelledError:
        if not watch.found or task is None or task.uncancel() > cancelling:
            raise
    finally:
        watches.lift(watch)
        watch.end()
    return await another.ask(watch.found[0])

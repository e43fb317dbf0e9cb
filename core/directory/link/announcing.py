"""Keeps a service announced: at once, then at random intervals, through failures, until told to stop."""

import asyncio
import random as random_module
from collections.abc import Awaitable, Callable

from core.aio.tasks import TaskSet
from core.errors import PeerError


class Announcement:
    """One name and port that is kept announced. `result` is the newest outcome: nodes that stored it, or the error."""

    def __init__(
        self,
        name: str,
        port: int,
        *,
        announce: Callable[[], Awaitable[int]],
        wait: Callable[[float], Awaitable[bool]],
        interval: float,
        retry: float,
        random: random_module.Random,
        on_result: Callable[[int | PeerError], None] | None,
    ) -> None:
        """`wait(seconds)` returns sooner when a grape is back; `retry` is the mean pause after a failure."""
        self.name = name
        self.port = port
        self.result: int | PeerError | None = None
        self._announce = announce
        self._wait = wait
        self._interval = interval
        self._retry = retry
        self._random = random
        self._on_result = on_result
        self._task: asyncio.Task[None] | None = None
        self._stopped = False

    def start(self, tasks: TaskSet) -> None:
        """Begin; called once."""
        self._task = tasks.spawn(self._run(), name=f"announce {self.name[:60]}")

    async def _run(self) -> None:
        while True:
            try:
                self.result = await self._announce()
                pause = self._interval
            except PeerError as error:
                self.result = error
                pause = self._retry
            self._tell(self.result)
            # Random, so that peers that started together do not stay together (PROTOCOL.md section 3: 0.5..1.5).
            await self._wait(pause * self._random.uniform(0.5, 1.5))

    def _tell(self, result: int | PeerError) -> None:
        if self._on_result is None or self._stopped:
            return
        try:
            self._on_result(result)
        except Exception as error:  # a listener's bug does not end the announcing
            asyncio.get_running_loop().call_exception_handler({"message": "on_result failed", "exception": error})

    async def stop(self) -> None:
        """Stop; nothing is announced or told any more. What grapes have stored ages there. Idempotent."""
        self._stopped = True
        task = self._task
        if task is None or task is asyncio.current_task():
            return
        task.cancel()
        await asyncio.wait([task])

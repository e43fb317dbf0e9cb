"""Time limits for many short jobs, with one timer instead of a timer each.

Most jobs of one owner have the same few limits, so deadlines of one length expire in the order in which they were set:
setting and lifting one is a dictionary entry. `asyncio.timeout` costs a timer, a heap entry and a task's bookkeeping.
"""

import asyncio
import math
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final

from core.aio.clock import Clock, clock_of

_LENGTHS: Final = 8  # that are kept when nobody waits for them, since the next request has one of them again


class Deadline:
    """One time limit: `expire` is called once, unless it was lifted before. What has a limit may derive from it."""

    __slots__ = ("at", "seconds")

    def __init__(self) -> None:
        self.at = math.inf  # when it expires, on the loop's clock
        self.seconds = math.inf  # that it was given

    def expire(self) -> None:
        """Hear that the time is over. It must not raise."""
        raise NotImplementedError


class _Call(Deadline):
    """One that calls a function."""

    __slots__ = ("_expire",)

    def __init__(self, expire: Callable[[], None]) -> None:
        super().__init__()
        self._expire = expire

    def expire(self) -> None:
        self._expire()


class Deadlines:
    """All limits of one owner, on the loop on which they are set. Exact to what the loop's own timers are."""

    def __init__(self) -> None:
        self._of_length: dict[float, dict[Deadline, None]] = {}  # by seconds; each soonest first
        self._most = _LENGTHS  # lengths at which empty ones are looked for
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf
        self._loop: asyncio.AbstractEventLoop | None = None  # whose clock it is
        self._clock: Clock = time.monotonic

    def __len__(self) -> int:
        return sum(map(len, self._of_length.values()))

    def set(self, seconds: float, expire: Callable[[], None], loop: asyncio.AbstractEventLoop) -> Deadline:
        """Call `expire` in `seconds`, unless lifted. It must not raise."""
        deadline = _Call(expire)
        self.begin(deadline, seconds, loop)
        return deadline

    def begin(self, deadline: Deadline, seconds: float, loop: asyncio.AbstractEventLoop) -> None:
        """Let a deadline expire in `seconds`, unless lifted: once at a time."""
        if loop is not self._loop:
            self._loop, self._clock = loop, clock_of(loop)
        at = self._clock() + seconds
        deadline.at, deadline.seconds = at, seconds
        same = self._of_length.get(seconds)
        if same is None:
            if len(self._of_length) >= self._most:
                self._tidy()
            same = self._of_length[seconds] = {}
        same[deadline] = None
        if at < self._timer_at:
            self._arm(at, loop)

    def lift(self, deadline: Deadline) -> None:
        """Forget a deadline. Harmless when repeated, and after it expired. The timer is left to look for itself."""
        same = self._of_length.get(deadline.seconds)
        if same is not None:
            same.pop(deadline, None)

    def _tidy(self) -> None:
        """Forget lengths that nobody waits for: each request may have another one."""
        self._of_length = {seconds: same for seconds, same in self._of_length.items() if same}
        self._most = 2 * len(self._of_length) + _LENGTHS

    def _arm(self, at: float, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = at
        self._timer = loop.call_at(at, self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now = max(loop.time(), self._timer_at)  # the loop may have fired early
        self._timer, self._timer_at = None, math.inf
        due: list[Deadline] = []
        for same in self._of_length.values():
            for deadline in same:
                if deadline.at > now:
                    break
                due.append(deadline)
        for deadline in due:
            self.lift(deadline)
            deadline.expire()
        self._tidy()
        soonest = min((next(iter(same)).at for same in self._of_length.values()), default=math.inf)
        if soonest < self._timer_at:
            self._arm(soonest, loop)

    def close(self) -> None:
        """Forget all of them."""
        self._of_length.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer, self._timer_at = None, math.inf


class Limit(Deadline):
    """A `with` block that raises TimeoutError after `seconds`, as `asyncio.timeout` does, within the running task."""

    __slots__ = ("_cancelling", "_deadlines", "_task", "expired")

    def __init__(self, deadlines: Deadlines, seconds: float) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a time limit needs a task")
        super().__init__()
        self.expired = False
        self._task: asyncio.Task[object] | None = task
        self._cancelling = task.cancelling()
        self._deadlines = deadlines
        deadlines.begin(self, seconds, task.get_loop())

    def expire(self) -> None:
        """See `Deadline`."""
        self.expired = True
        if self._task is not None:
            self._task.cancel()

    def __enter__(self) -> "Limit":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._deadlines.lift(self)
        task, self._task = self._task, None  # a cancelled task in a circle would keep all that was at hand there
        if task is not None and self.expired and task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

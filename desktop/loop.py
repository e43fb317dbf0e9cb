"""The one event loop of the program: asyncio inside Qt, with timers a hole punch can rely on.

qasync 0.28 starts every timer as `Qt.CoarseTimer` on milliseconds cut short: up to 5 % off, and sometimes early, which
asyncio never is. Its cancelled timers also live in Qt until they would have fired. `PreciseLoop` replaces the timers:
precise, rounded up, never early, gone when cancelled. Its default executor never holds up the end of the program.

qasync also makes every callback a Qt timer of its own, and Qt runs all that are due before it looks at a key or a
paint again: 50 connections under load held the window for 20 ms. Here callbacks wait in one queue, of which each turn
of Qt's loop runs `TURN_SECONDS` worth; they stay in order, and the sockets are readers like any other in that queue.
A turn in which Qt has drawn already runs none (`desktop.turns`), but no more than `WAITS` in a row do without.

    with asyncio.Runner(loop_factory=lambda: PreciseLoop(application)) as runner:
        runner.run(main())
"""

import asyncio
import concurrent.futures
import logging
import math
import os
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from contextvars import Context
from typing import ParamSpec, TypeVar, TypeVarTuple

os.environ["QT_API"] = "pyside6"  # before qasync is imported: else it tries PyQt5, PyQt6 and PySide2 first

import qasync
from PySide6.QtCore import QObject, Qt, QTimerEvent
from PySide6.QtWidgets import QApplication

from desktop.turns import Turn, new_turn

MAX_TIMER_MS = 2**31 - 1  # Qt counts milliseconds in an int; a longer wait is armed again when this one ends
MAX_THREADS = 8  # of the default executor: name look-ups, long computations, file writes
WAITS = 2  # turns of Qt's loop that callbacks wait at the most
TURN_SECONDS = 0.002  # of callbacks in a turn of Qt's loop; the last one, a paint and a batch come on top
LAG_SECONDS = 0.05  # a callback that held the window for longer is logged by name: three frames were lost
LAG_EVERY = 1.0  # seconds between two such lines

log = logging.getLogger(__name__)

_P = ParamSpec("_P")
_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")


class _QtTimerHandle(asyncio.TimerHandle):
    """A timer that leaves Qt at the moment it is cancelled."""

    __slots__ = ("timer_id", "timers")

    timers: "_Timers"
    timer_id: int

    def cancel(self) -> None:
        if not self.cancelled():
            self.timers.forget(self.timer_id, self)
        super().cancel()


class _Timers(QObject):
    """Runs handles, at once in order or when their Qt timer fires. Has the verbs of qasync's `_SimpleTimer`."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter, qt: Turn | None = None) -> None:
        super().__init__()
        self._qt = qt or new_turn()
        self._waited = 0  # turns in a row
        self._handles: dict[int, asyncio.Handle] = {}  # by the Qt timer they wait for
        self._ready: deque[asyncio.Handle] = deque()
        self._turn_id = 0  # the Qt timer that fires in every turn of Qt's loop while something is ready
        self._clock = clock  # seconds; not the loop's, so that a test can say how long a callback takes
        self._lag_logged = -LAG_EVERY

    def add_callback(self, handle: asyncio.Handle, delay: float = 0.0) -> asyncio.Handle:
        """Run `handle` in one of the next turns, or in `delay` seconds or a little later."""
        if delay <= 0 and not isinstance(handle, _QtTimerHandle):
            self._make_ready(handle)
            return handle
        timer_id = self.startTimer(min(math.ceil(max(0.0, delay) * 1000), MAX_TIMER_MS), Qt.TimerType.PreciseTimer)
        self._handles[timer_id] = handle
        if isinstance(handle, _QtTimerHandle):
            handle.timers, handle.timer_id = self, timer_id
        return handle

    def _make_ready(self, handle: asyncio.Handle) -> None:
        self._ready.append(handle)
        if not self._turn_id:
            self._turn_id = self.startTimer(0)

    def forget(self, timer_id: int, handle: asyncio.Handle) -> None:
        """Drop a timer that was cancelled. One that has fired is cancelled too (`asyncio.sleep` does so every time):

        its number may belong to another timer by then, since Qt gives numbers out again, and that one must live.
        """
        if self._handles.get(timer_id) is handle:
            del self._handles[timer_id]
            self.killTimer(timer_id)

    def alive(self) -> int:
        """Return how many timers Qt holds for us."""
        return len(self._handles)

    def timerEvent(self, event: QTimerEvent) -> None:
        """Run what is ready, or make ready what is due; what Qt brought too early is armed again for the rest."""
        timer_id = event.timerId()
        if timer_id == self._turn_id:
            self._run_turn()
            return
        self.killTimer(timer_id)
        handle = self._handles.pop(timer_id, None)
        if handle is None or handle.cancelled():
            return
        if isinstance(handle, _QtTimerHandle) and (early := handle.when() - time.monotonic()) > 0:
            self.add_callback(handle, early)
        else:
            self._make_ready(handle)

    def _run_turn(self) -> None:
        """Run what is ready now for a bounded time; the rest, and what these add, in Qt's next turns."""
        if self._waited < WAITS and (self._qt.awaited or self._qt.is_full()):
            self._waited += 1
            return
        self._waited = 0
        ready, clock = self._ready, self._clock
        left = len(ready)
        began = now = clock()
        while left > 0 and ready and now - began < TURN_SECONDS:  # a nested Qt loop may have run some of them
            left -= 1
            handle = ready.popleft()
            if handle.cancelled():
                continue
            handle._run()  # logs its own exceptions through the loop's exception handler
            before, now = now, clock()
            if now - before > LAG_SECONDS:
                self._log_lag(handle, now - before, now)
        if not ready:
            self.killTimer(self._turn_id)
            self._turn_id = 0

    def _log_lag(self, handle: asyncio.Handle, seconds: float, now: float) -> None:
        if now - self._lag_logged >= LAG_EVERY:
            self._lag_logged = now
            log.warning("loop lag: the window stood still for %.0f ms in %s", seconds * 1000, _name(handle))

    def stop(self) -> None:
        """Drop everything: the loop is closing."""
        for timer_id in self._handles:
            self.killTimer(timer_id)
        self._handles.clear()
        self._ready.clear()
        if self._turn_id:
            self.killTimer(self._turn_id)
            self._turn_id = 0

    def set_debug(self, enabled: bool) -> None:
        """Do nothing; qasync calls it."""


def _name(handle: asyncio.Handle) -> str:
    """Say what a handle ran: the task's name and coroutine, or the function."""
    callback, arguments = handle._callback, handle._args or ()  # type: ignore[attr-defined]  # what its repr is made of
    if "notifier" in getattr(callback, "__name__", ""):  # qasync's wrapper of a socket's reader or writer
        callback = next(filter(callable, arguments), callback)
    task = getattr(callback, "__self__", None)
    if isinstance(task, asyncio.Task):
        return f"task {task.get_name()!r} ({getattr(task.get_coro(), '__qualname__', '?')})"
    return str(getattr(callback, "__qualname__", callback))[:200]


class DaemonExecutor(concurrent.futures.Executor):
    """Threads that do not keep the program alive: a name look-up that hangs for 30 s must not delay quitting.

    Threads start when there is work for them. Jobs wait in order, so callers that await results bound the queue.
    """

    def __init__(self, threads: int = MAX_THREADS) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._limit = threads
        self._threads = 0
        self._pending = 0  # jobs that wait or run
        self._lock = threading.Lock()
        self._closed = False

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> concurrent.futures.Future[_T]:
        """Run `fn` in a thread. Raises RuntimeError after `shutdown`."""
        future: concurrent.futures.Future[_T] = concurrent.futures.Future()

        def job() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = fn(*args, **kwargs)
            except BaseException as error:  # handed to the task that awaits
                future.set_exception(error)
            else:
                future.set_result(result)

        with self._lock:
            if self._closed:
                raise RuntimeError("the executor has been shut down")
            self._pending += 1
            if self._threads < min(self._limit, self._pending):
                self._threads += 1
                threading.Thread(target=self._work, name=f"grapevine-{self._threads}", daemon=True).start()
        self._jobs.put(job)
        return future

    def busy(self) -> int:
        """Return how many jobs wait or run."""
        return self._pending

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Stop taking work. Never waits, whatever `wait` says: that is the point of this class."""
        self._closed = True

    def _work(self) -> None:
        while True:
            job = self._jobs.get()
            job()
            del job  # its closure holds arguments and result
            with self._lock:
                self._pending -= 1


class PreciseLoop(qasync.QEventLoop):  # type: ignore[misc]  # qasync is not typed
    """qasync's loop with precise timers and a default executor that lets the program end."""

    _timer: _Timers

    def __init__(self, application: QApplication | None = None) -> None:
        super().__init__(application)
        self._timer = _Timers()
        self.executor = DaemonExecutor()
        self.set_default_executor(self.executor)

    def call_later(
        self,
        delay: float,
        callback: Callable[[*_Ts], object],
        *args: *_Ts,
        context: Context | None = None,
    ) -> asyncio.Handle:
        """Run `callback` in `delay` seconds, never sooner. `call_soon` comes through here with a delay of 0."""
        if delay <= 0:
            handle: asyncio.Handle = asyncio.Handle(callback, args, self, context)
            return self._timer.add_callback(handle)
        when = self.time() + delay
        return self._timer.add_callback(_QtTimerHandle(when, callback, args, self, context), delay)

    def call_at(
        self,
        when: float,
        callback: Callable[[*_Ts], object],
        *args: *_Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Run `callback` at `when`, seconds of `time()`, never sooner."""
        handle = _QtTimerHandle(when, callback, args, self, context)
        self._timer.add_callback(handle, when - self.time())
        return handle

    def timers_alive(self) -> int:
        """Return how many timers Qt holds for this loop; cancelled ones are not among them."""
        return self._timer.alive()

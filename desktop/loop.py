"""The one event loop of the program: asyncio inside Qt, with timers a hole punch can rely on.

qasync 0.28 starts every timer as `Qt.CoarseTimer` on milliseconds cut short: up to 5 % off, and sometimes early, which
asyncio never is. Its cancelled timers also live in Qt until they would have fired. `PreciseLoop` replaces the timers:
precise, rounded up, never early, gone when cancelled. Its default executor never holds up the end of the program.

    with asyncio.Runner(loop_factory=lambda: PreciseLoop(application)) as runner:
        runner.run(main())
"""

import asyncio
import concurrent.futures
import math
import os
import queue
import threading
import time
from collections.abc import Callable
from contextvars import Context
from typing import ParamSpec, TypeVar, TypeVarTuple

os.environ["QT_API"] = "pyside6"  # before qasync is imported: else it tries PyQt5, PyQt6 and PySide2 first

import qasync
from PySide6.QtCore import QObject, Qt, QTimerEvent
from PySide6.QtWidgets import QApplication

MAX_TIMER_MS = 2**31 - 1  # Qt counts milliseconds in an int; a longer wait is armed again when this one ends
MAX_THREADS = 8  # of the default executor: name look-ups, long computations, file writes

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
    """Runs handles when their Qt timer fires. Stands in for qasync's `_SimpleTimer`, so it has the same three verbs."""

    def __init__(self) -> None:
        super().__init__()
        self._handles: dict[int, asyncio.Handle] = {}

    def add_callback(self, handle: asyncio.Handle, delay: float = 0.0) -> asyncio.Handle:
        """Run `handle` in `delay` seconds, or a little later."""
        timer_id = self.startTimer(min(math.ceil(max(0.0, delay) * 1000), MAX_TIMER_MS), Qt.TimerType.PreciseTimer)
        self._handles[timer_id] = handle
        if isinstance(handle, _QtTimerHandle):
            handle.timers, handle.timer_id = self, timer_id
        return handle

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
        """Run what is due; what Qt brought too early is armed again for the rest."""
        timer_id = event.timerId()
        self.killTimer(timer_id)
        handle = self._handles.pop(timer_id, None)
        if handle is None or handle.cancelled():
            return
        if isinstance(handle, _QtTimerHandle) and (early := handle.when() - time.monotonic()) > 0:
            self.add_callback(handle, early)
            return
        handle._run()  # logs its own exceptions through the loop's exception handler

    def stop(self) -> None:
        """Drop everything: the loop is closing."""
        for timer_id in self._handles:
            self.killTimer(timer_id)
        self._handles.clear()

    def set_debug(self, enabled: bool) -> None:
        """Do nothing; qasync calls it."""


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
            except BaseException as error:  # handed to whoever awaits
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
        """Take no more work. Never waits, whatever `wait` says: that is the point of this class."""
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

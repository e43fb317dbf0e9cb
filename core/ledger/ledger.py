"""The record of who called. A thread of its own writes and reads it: the loop hands over, and never waits for a disk.

Calls wait in memory for half a second at most, or until there are enough for a transaction. When the disk is slower
than the callers, those that find no room are dropped, and counted. Nothing is opened before the first call is added.
"""

import asyncio
import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from core.errors import LocalError
from core.ledger.record import BATCH, CallRecord, Filter, Row, row_of
from core.limits import bounds

if TYPE_CHECKING:  # the thread loads SQLite, and only in a peer that is called: a megabyte, and milliseconds
    from core.ledger.store import CallStore

BATCH_EVERY: Final = 0.5  # seconds that a call waits for others
CLOSING: Final = 5.0  # seconds that closing waits for the disk

T = TypeVar("T")
_log = logging.getLogger(__name__)


def _open(path: Path, read_only: bool) -> "CallStore":
    from core.ledger.store import CallStore

    return CallStore(path, read_only=read_only)


class Ledger:
    """The calls of one profile. Use it on one loop; reading sees everything that was added before.

    `on_problem` hears, on the loop, a sentence about what was lost; the same one only once in a row.
    """

    def __init__(
        self,
        path: Path,
        *,
        read_only: bool = False,
        on_problem: Callable[[str], None] | None = None,
        open_store: "Callable[[Path, bool], CallStore]" = _open,
    ) -> None:
        self.dropped = 0  # calls that are not in the record
        self._path = path
        self._read_only = read_only
        self._on_problem = on_problem
        self._open_store = open_store
        self._store: CallStore | None = None  # the thread's
        self._problem = ""  # the thread's: what was said last
        self._lock = threading.Lock()  # held for moments only, never while the disk is used
        self._changed = threading.Condition(self._lock)
        self._calls: deque[Row] = deque()  # made on the loop: what the thread does holds it up longer
        self._jobs: deque[Callable[[], None]] = deque()
        self._closing = False
        self._writer: threading.Thread | None = None

    # -- on the loop ----------------------------------------------------------------------------------------------

    def add(self, call: CallRecord) -> None:
        """Keep a call. Never waits, never raises for the disk."""
        row = row_of(call)
        with self._lock:  # not by way of the condition, whose methods are Python's
            if self._closing or len(self._calls) >= bounds.LEDGER_QUEUE:
                self.dropped += 1
                return
            self._calls.append(row)
            if len(self._calls) in (1, BATCH):
                self._changed.notify()
        self._start()

    async def query(
        self,
        *,
        text: str = "",
        service: str = "",
        outcome: str = "",
        before: int | None = None,
        limit: int = 200,
        callers: Sequence[str] = (),
    ) -> list[CallRecord]:
        """Return the newest calls that fit (`Filter`), the newest first. Raises LocalError."""
        wanted = Filter(text, service, outcome, before, tuple(callers))
        return await self._ask(lambda store: list(store.query(wanted, max(0, limit))))

    async def export_csv(
        self, path: Path, *, text: str = "", service: str = "", outcome: str = "", callers: Sequence[str] = ()
    ) -> int:
        """Write the calls that fit to a CSV file, whole or not at all; return how many. Raises LocalError."""
        wanted = Filter(text, service, outcome, callers=tuple(callers))

        def export(store: "CallStore") -> int:
            from core.ledger.table import write_csv

            try:
                return write_csv(path, store.query(wanted, -1))
            except OSError as error:
                raise LocalError(f"{path} could not be written: {error.strerror or error}") from error

        return await self._ask(export)

    async def clear(self) -> None:
        """Forget every call, and give back the space. Raises LocalError."""
        await self._ask(lambda store: store.clear())

    async def close(self) -> None:
        """Write what waits, and end the thread; a disk that takes longer than five seconds is left alone."""
        if self._writer is None:
            self._closing = True
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSING):
                await self._hand_over(self._shut, last=True)

    def _start(self) -> None:
        if self._writer is None:
            self._loop = asyncio.get_running_loop()
            # A daemon: a disk that hangs must not keep the program from its end.
            self._writer = threading.Thread(target=self._work, name="grapevine ledger", daemon=True)
            self._writer.start()

    async def _ask(self, work: "Callable[[CallStore], T]") -> T:
        return await self._hand_over(lambda: self._use(work))

    async def _hand_over(self, work: Callable[[], T], *, last: bool = False) -> T:
        """Have the thread do something, and return what comes of it."""
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        def job() -> None:
            if done.cancelled():
                return
            try:
                settle = partial(done.set_result, work())
            except Exception as error:
                settle = partial(done.set_exception, error)
            self._on_loop(lambda: None if done.done() else settle())

        with self._changed:
            if self._closing:
                raise LocalError("the record of calls is closed")
            self._closing = last
            self._jobs.append(job)
            self._changed.notify()
        self._start()
        return await done

    # -- in the thread --------------------------------------------------------------------------------------------

    def _work(self) -> None:
        over = False
        while not over:
            with self._changed:
                self._changed.wait_for(lambda: self._calls or self._jobs)
                self._changed.wait_for(lambda: len(self._calls) >= BATCH or self._jobs, BATCH_EVERY)
                calls, self._calls = list(self._calls), deque()
                jobs, self._jobs = self._jobs, deque()
                over = self._closing
            for start in range(0, len(calls), BATCH):
                self._write(calls[start : start + BATCH])
            for job in jobs:
                job()

    def _write(self, calls: list[Row]) -> None:
        try:
            self._use(lambda store: store.add(calls, time.time()))
            self._problem = ""
        except Exception as error:
            if not isinstance(error, LocalError):
                _log.exception("keeping calls failed")
            with self._changed:
                self.dropped += len(calls)
            self._say(f"{error}. Calls are not recorded until that is over.")

    def _use(self, work: "Callable[[CallStore], T]") -> T:
        """Do something with the open file; one that is damaged is kept beside, and a new one is begun."""
        from core.ledger.store import Damaged, set_aside

        try:
            return work(self._opened())
        except Damaged as damage:
            self._shut()
            if self._read_only:
                raise
            try:
                kept = set_aside(self._path)
            except OSError as error:
                raise LocalError(f"{damage}; nor can the file be moved: {error.strerror or error}") from error
            self._say(f"{damage}. A new record of calls is begun; the old file is kept as {kept}.")
            return work(self._opened())

    def _opened(self) -> "CallStore":
        if self._store is None:
            self._store = self._open_store(self._path, self._read_only)
        return self._store

    def _shut(self) -> None:
        store, self._store = self._store, None
        if store is not None:
            with contextlib.suppress(LocalError):
                store.close()

    def _say(self, problem: str) -> None:
        if problem == self._problem:
            return
        self._problem = problem
        _log.warning("%s", problem)
        if self._on_problem is not None:
            tell = self._on_problem
            self._on_loop(lambda: tell(problem))

    def _on_loop(self, call: Callable[[], object]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has closed: nobody waits any more
            self._loop.call_soon_threadsafe(call)

"""Standard output, without waiting for its reader while a loop runs: a full pipe must not hold a peer up."""

import asyncio
import contextlib
import os
import select
import stat
import sys
import time
from collections import deque
from collections.abc import Callable
from typing import Final

import click

WAITING_MAX: Final = 1 << 20  # bytes that wait for a reader; further lines are left out, and counted
PIECE: Final = 4096  # bytes; PIPE_BUF of Linux: so many find room in a pipe that poll(2) calls ready


class Sink:
    """Takes lines. `broke` hears, on the loop or within `write`, why nothing can be written any more.

    `left_out(count)` returns the line that says how many were left out. Where there is no loop, or no pipe, socket or
    terminal, a line is written at once, as by `print`.
    """

    def __init__(self, broke: Callable[[OSError], None], left_out: Callable[[int], str]) -> None:
        self._broke = broke
        self._left_out = left_out
        self._waiting: deque[bytes] = deque()
        self._size = 0  # bytes of it
        self._lost = 0  # lines left out since the last one that was written
        self._watched: tuple[asyncio.AbstractEventLoop, int] | None = None
        self._empty: asyncio.Event | None = None

    def write(self, text: str) -> None:
        """Write a line, or let it wait, or leave it out."""
        loop, out = _loop(), _pipe()
        try:
            if loop is None or out is None:
                self.flush()
                click.echo(text)  # flushes, so that a pipe sees each line as it happens
                return
            if self._size >= WAITING_MAX:
                self._lost += 1
                return
            self._add(text)
            if self._watched is None:
                self._push(out)
                self._watch(loop, out)
        except OSError as error:
            self._fail(error)

    def flush(self, patience: float | None = None) -> None:
        """Write what waits, for so many seconds at most; None: however long the reader takes. Blocks."""
        out = _pipe()
        until = None if patience is None else time.monotonic() + patience
        try:
            while self._waiting and out is not None:
                if not _ready(out, None if until is None else max(0.0, until - time.monotonic())):
                    return
                self._push(out)
        except OSError as error:
            self._fail(error)

    async def drained(self) -> None:
        """Wait until nothing waits here: for values that come faster than they are read, where none may be lost."""
        if self._waiting:
            self._empty = self._empty or asyncio.Event()
            self._empty.clear()
            await self._empty.wait()

    def _add(self, text: str) -> None:
        encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
        data = f"{text}\n".encode(encoding, "backslashreplace")
        self._waiting.append(data)
        self._size += len(data)

    def _push(self, out: int) -> None:
        """Write as much as finds room."""
        while self._waiting and _ready(out, 0.0):
            data = self._waiting.popleft()
            written = os.write(out, data[:PIECE])
            self._size -= written
            if written < len(data):
                self._waiting.appendleft(data[written:])
            elif self._lost and not self._waiting:
                lost, self._lost = self._lost, 0
                self._add(self._left_out(lost))

    def _watch(self, loop: asyncio.AbstractEventLoop, out: int) -> None:
        """Go on as soon as there is room again."""
        if not self._waiting:
            return

        def on() -> None:
            try:
                self._push(out)
            except OSError as error:
                self._fail(error)
                return
            if not self._waiting:
                self._unwatch()

        with contextlib.suppress(OSError, NotImplementedError):  # it cannot be watched: the next line tries again
            loop.add_writer(out, on)
            self._watched = (loop, out)

    def _unwatch(self) -> None:
        watched, self._watched = self._watched, None
        if watched is not None and not watched[0].is_closed():
            watched[0].remove_writer(watched[1])
        if self._empty is not None:
            self._empty.set()

    def _fail(self, error: OSError) -> None:
        self._waiting.clear()
        self._size = self._lost = 0
        self._unwatch()
        self._broke(error)


def _loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _pipe() -> int | None:
    """Return the descriptor of an output that may be full; None for files, and where that cannot be asked."""
    if not hasattr(select, "poll"):  # Windows
        return None
    try:
        out = sys.stdout.fileno()
        mode = os.fstat(out).st_mode
    except (OSError, ValueError, AttributeError):  # closed, or no file
        return None
    return out if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or stat.S_ISCHR(mode) else None


def _ready(out: int, seconds: float | None) -> bool:
    """Return whether a PIECE finds room, or an error waits to be met."""
    poll = select.poll()
    poll.register(out, select.POLLOUT)
    return bool(poll.poll(None if seconds is None else seconds * 1000))

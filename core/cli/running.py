"""Run a command's coroutine: Ctrl-C and SIGTERM end it at once, errors become one line and an exit code."""

import asyncio
import contextlib
import importlib
import logging
import os
import signal
import stat
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import click

from core.cli.output import Output
from core.errors import PeerError

CLEAN_UP = 0.7  # seconds an ended command gets to close; Ctrl-C promises one second in all
SIGPIPE = 13  # POSIX; named here because Windows' signal module has none
_log = logging.getLogger(__name__)
_LAST_LINES = {signal.SIGINT: "Interrupted.", signal.SIGTERM: "Terminated."}


def fast_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return what makes uvloop's loop, where the extra `fast` is installed; None: asyncio's own.

    For what serves others all day: it takes 4 MB. GRAPEVINE_LOOP=asyncio does without, to compare or to rule it out.
    """
    if os.environ.get("GRAPEVINE_LOOP") == "asyncio":
        return None
    try:
        made: Callable[[], asyncio.AbstractEventLoop] = importlib.import_module("uvloop").new_event_loop
    except ImportError:
        return None
    return made


def run(make: Callable[[], Coroutine[Any, Any, None]], output: Output, *, fast: bool = False) -> None:
    """Run to the end. Exits 1 with the error's name on a PeerError, 130 on Ctrl-C, 143 on SIGTERM.

    `fast`: on `fast_loop`. When nobody reads our output any more it ends quietly with 141, as a program that SIGPIPE
    ends.
    """
    received: list[int] = []
    try:
        with asyncio.Runner(loop_factory=fast_loop() if fast else None) as runner:
            runner.run(_until_signal(make, output, received))
    except PeerError as error:
        output.failure(error)
        raise click.exceptions.Exit(1) from None
    except (KeyboardInterrupt, asyncio.CancelledError):
        _leave(received[0] if received else signal.SIGINT)


async def _until_signal(make: Callable[[], Coroutine[Any, Any, None]], output: Output, received: list[int]) -> None:
    loop = asyncio.get_running_loop()
    _log.info("running on %s", type(loop).__module__.partition(".")[0])
    work = loop.create_task(make(), name="command")

    def end(number: int) -> None:
        if not received:
            received.append(number)
            work.cancel()
            loop.call_later(CLEAN_UP, _leave, number)

    output.reader_gone = lambda: end(SIGPIPE)
    if os.name == "posix":
        _watch_reader(loop, output.reader_gone)
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, end, number)
    await work


def _watch_reader(loop: asyncio.AbstractEventLoop, gone: Callable[[], None]) -> None:
    """Notice at once that the other end of a pipe was closed, as by `| head -1`: the next line may be hours away."""
    with contextlib.suppress(OSError, ValueError, NotImplementedError):  # no such file, or a loop that cannot watch it
        out = sys.stdout.fileno()
        if stat.S_ISFIFO(os.fstat(out).st_mode):

            def closed() -> None:
                loop.remove_reader(out)
                gone()

            loop.add_reader(out, closed)  # a pipe's writing end is "readable" only once its reader has gone


def _leave(number: int) -> None:
    """Say the last line and exit now: a worker thread that still computes must not hold the process."""
    if number in _LAST_LINES:
        click.echo(_LAST_LINES[signal.Signals(number)], err=True)
    with contextlib.suppress(OSError, ValueError):  # nobody reads on, or it is closed: we leave all the same
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(128 + number)

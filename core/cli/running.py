"""Run a command's coroutine: signals end it at once and cleanly, errors become one sentence and an exit code."""

import asyncio
import contextlib
import importlib
import logging
import os
import signal
import stat
import sys
from collections.abc import Callable, Coroutine
from typing import Any, Final, NoReturn

import click

from core.cli import exits
from core.cli.output import Output
from core.errors import PeerError

CLEAN_UP: Final = 0.7  # seconds an ended command gets to close; Ctrl-C promises one second in all
LAST_LINES: Final = 0.2  # seconds of it that a slow reader of our output gets for what waits
SIGPIPE: Final = 13  # POSIX; named here, as SIGHUP is, because Windows' signal module has none
SIGHUP: Final = 1
_log = logging.getLogger(__name__)
_LAST_LINES: Final = {signal.SIGINT: "Interrupted.", signal.SIGTERM: "Terminated."}


def fast_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return what makes uvloop's loop, where the extra `fast` is installed; None: asyncio's own.

    For what serves others all day: it takes 7 MB, `ssl` with it. GRAPEVINE_LOOP=asyncio does without, to compare or to
    rule it out.
    """
    if os.environ.get("GRAPEVINE_LOOP") == "asyncio":
        return None
    try:
        made: Callable[[], asyncio.AbstractEventLoop] = importlib.import_module("uvloop").new_event_loop
    except ImportError:
        return None
    return made


def run(make: Callable[[], Coroutine[Any, Any, None]], output: Output, *, fast: bool = False) -> None:
    """Run to the end. Exits as `core.cli.exits` says on a PeerError; Ctrl-C exits 130.

    SIGTERM, SIGHUP and a reader that has gone end it cleanly, and then by that signal: so a shell, systemd and every
    other parent see what they expect of a program without a handler. `fast`: on `fast_loop`.
    """
    received: list[int] = []
    try:
        with asyncio.Runner(loop_factory=fast_loop() if fast else None) as runner:
            runner.run(_until_signal(make, output, received))
    except PeerError as error:
        refused(error, output)
    except (KeyboardInterrupt, asyncio.CancelledError):
        finish(output, LAST_LINES)
        _leave(received[0] if received else signal.SIGINT)
    finish(output)


def finish(output: Output, patience: float | None = None) -> None:
    """End a command that needed no loop: with an error, if what it printed could not be written."""
    output.flush(patience)
    if output.failed is not None:
        refused(output.failed, output)


def refused(error: PeerError, output: Output) -> NoReturn:
    """Say why the command failed, and exit."""
    output.failure(error)
    raise click.exceptions.Exit(exits.code(error)) from None


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
    output.broke = work.cancel
    if os.name == "posix":
        _watch_reader(loop, output.reader_gone)
        for number in (signal.SIGINT, signal.SIGTERM, SIGHUP):
            if number != SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:  # as `nohup` asked for
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
    """Say the last line and end now: a worker thread that still computes must not hold the process."""
    with contextlib.suppress(OSError, ValueError):  # nobody reads on, or it is closed: we leave all the same
        if number in _LAST_LINES:
            click.echo(_LAST_LINES[signal.Signals(number)], err=True)
        sys.stdout.flush()
        sys.stderr.flush()
    logging.shutdown()
    if os.name == "posix" and number != signal.SIGINT:
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(128 + number)  # Ctrl-C, Windows, or process 1 of a container, which no signal ends by default

"""What a program left running outside of its process group, as a daemon is: found by a mark in its environment.

Linux only, where `/proc/PID/environ` (proc(5)) shows the environment that a process was started with. One that clears
its environment is not found.
"""

import asyncio
import contextlib
import os
import secrets
import signal
import sys
from pathlib import Path
from typing import Final
from weakref import WeakKeyDictionary

from core.aio.aside import in_thread

MARK: Final = "GRAPEVINE_RUN"  # the variable
LOOK_AFTER: Final = (
    0.5  # seconds from a program's end to the look: one look, of some 10 ms in a thread, for all of them
)
LOOKS: Final = 3  # one that forks while it is looked at is found by the next
PROC: Final = Path("/proc")

# by loop: marks of runs that ended and are looked for soon
_waiting: "WeakKeyDictionary[asyncio.AbstractEventLoop, set[bytes]]" = WeakKeyDictionary()


def new_mark() -> str:
    """Return the value of MARK for one run."""
    return secrets.token_hex(8)


def end_soon(mark: str) -> None:
    """End, in a moment and for good, what still runs with this mark. Nothing on other systems than Linux."""
    if not sys.platform.startswith("linux"):
        return
    loop = asyncio.get_running_loop()
    waiting = _waiting.setdefault(loop, set())
    if not waiting:
        loop.call_later(LOOK_AFTER, _look, waiting)
    waiting.add(f"{MARK}={mark}".encode())


def _look(waiting: set[bytes]) -> None:
    marks = frozenset(waiting)
    waiting.clear()
    in_thread(lambda: end_marked(marks))


def end_marked(marks: frozenset[bytes]) -> int:
    """Kill every process whose environment has one of these lines; return how many. Blocks for some milliseconds."""
    ended = 0
    for _ in range(LOOKS):
        found = [pid for pid in _own_processes() if marks & _environment(pid)]
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
                ended += 1
        if not found:
            break
    return ended


def _own_processes() -> list[int]:
    try:
        return [
            int(entry.name) for entry in os.scandir(PROC) if entry.name.isdigit() and int(entry.name) != os.getpid()
        ]
    except OSError:
        return []


def _environment(pid: int) -> frozenset[bytes]:
    try:
        return frozenset((PROC / str(pid) / "environ").read_bytes().split(b"\0"))
    except OSError:  # it has ended, or is another user's
        return frozenset()

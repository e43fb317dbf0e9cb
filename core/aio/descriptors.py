"""How many sockets this process may still open: a system's limit must not be met by the sockets of a birthday."""

import contextlib
import os
from pathlib import Path
from typing import Final

RESERVE: Final = 128  # descriptors that are left to everything else: streams' files, HTTP, programs that are shared
WANTED: Final = 4096  # descriptors that are asked for; most systems give 1,024 at first, macOS 256, and allow this many
USED: Final = 64  # that count as open where the system does not tell


def raise_limit() -> int | None:
    """Raise the system's soft limit as far as WANTED, or as it goes; return what it is then. None: there is none.

    A program does so when it starts: with the 1,024 that most systems give, callers over HTTP alone could take all.
    """
    try:
        import resource
    except ImportError:  # Windows, whose limit is far away
        return None
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < WANTED:
        most = WANTED if hard == resource.RLIM_INFINITY else min(hard, WANTED)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
            soft = most
    return None if soft == resource.RLIM_INFINITY else soft


def room(count: int) -> int:
    """Return how many of so many sockets may be opened; the system's soft limit is raised first, as far as it goes."""
    limit = raise_limit()
    return count if limit is None else max(0, min(count, limit - _used() - RESERVE))


def part(count: int) -> int:
    """Return how many connections a server may keep, of the `count` that it wants: half of what there can be."""
    limit = raise_limit()
    return count if limit is None else max(1, min(count, (limit - RESERVE) // 2))


def _used() -> int:
    for place in (Path("/proc/self/fd"), Path("/dev/fd")):
        with contextlib.suppress(OSError):
            return len(os.listdir(place))
    return USED

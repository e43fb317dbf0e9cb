"""How many sockets this process may still open: a system's limit must not be met by the sockets of a birthday."""

import contextlib
import os
from pathlib import Path
from typing import Final

RESERVE: Final = 128  # descriptors that are left to everything else: streams' files, HTTP, programs that are shared
WANTED: Final = 4096  # descriptors that are asked for; most systems give 1,024 at first, macOS 256, and allow this many
USED: Final = 64  # that count as open where the system does not tell


def room(count: int) -> int:
    """Return how many of so many sockets may be opened; the system's soft limit is raised first, as far as it goes."""
    try:
        import resource
    except ImportError:  # Windows, whose limit is far away
        return count
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < WANTED:
        most = WANTED if hard == resource.RLIM_INFINITY else min(hard, WANTED)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
            soft = most
    if soft == resource.RLIM_INFINITY:
        return count
    return max(0, min(count, soft - _used() - RESERVE))


def _used() -> int:
    for place in (Path("/proc/self/fd"), Path("/dev/fd")):
        with contextlib.suppress(OSError):
            return len(os.listdir(place))
    return USED

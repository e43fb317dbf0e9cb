"""Giving freed memory back to the system: C's allocator keeps what a burst left behind, for the next one."""

import contextlib
import gc
import sys
from collections.abc import Callable
from functools import lru_cache
from typing import Final


@lru_cache(maxsize=1)
def _trim() -> Callable[[int], int] | None:
    """Return glibc's `malloc_trim` (malloc_trim(3)); None on other systems and C libraries."""
    if not sys.platform.startswith("linux"):
        return None
    import ctypes  # not before there is something to give back

    with contextlib.suppress(OSError, AttributeError):
        found = ctypes.CDLL(None).malloc_trim
        found.argtypes, found.restype = [ctypes.c_size_t], ctypes.c_int
        trim: Callable[[int], int] = found
        return trim
    return None


BLOCK: Final = 2 << 20  # bytes; below it a block is no mapping of its own


@lru_cache(maxsize=1)
def keep_for_bulk() -> None:
    """Have C's allocator keep up to 4 MiB of what is freed, instead of giving it back and asking for it again.

    A bulk stream frees and takes blocks of 128 KiB many hundred times a second. Each time glibc gave the top of its
    heap back, and the system cleared 32 pages for the next block: more than all else that a stream costs. glibc
    keeps more once a large block was freed: twice that block (mallopt(3), M_MMAP_THRESHOLD and M_TRIM_THRESHOLD).
    The block is never touched. Elsewhere this does nothing.
    """
    bytes(BLOCK)


FULL_EVERY = 50  # collections of middle-aged objects between two of all; by itself Python takes 10


def settle() -> None:
    """Spare what was made at the start, which lives until the end, from further collections, and have few of all.

    A full one held everybody up for 15 ms in an attack, several times a minute: it came again and again, since Python
    waits only until there is a quarter more than at the last one. What connections leave is freed without it.
    """
    gc.freeze()
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, FULL_EVERY)


def give_back() -> bool:
    """Return what is free to the system, where that can be done. Takes milliseconds: call it from a thread.

    Circles are looked for first, such as errors with where they were raised: by itself the collector comes to the old
    ones late, or never in a peer that is quiet. Only where what a program began with is frozen: else a window stands
    still meanwhile.
    """
    if gc.get_freeze_count():
        gc.collect()
    trim = _trim()
    return trim is not None and bool(trim(0))

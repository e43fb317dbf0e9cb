"""A program whose clock is wrong, OpenSSL's included: some lines of C, preloaded, add seconds to the time of day."""

import shutil
import subprocess
from pathlib import Path
from typing import Final

from tests.support.tools import unavailable

_SOURCE: Final = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/time.h>
#include <time.h>

int clock_gettime(clockid_t which, struct timespec *now)
{
    int (*real)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
    int failed = real(which, now);
    if (!failed && (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE))
        now->tv_sec += WRONG_BY;
    return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    int (*real)(struct timeval *, void *) = dlsym(RTLD_NEXT, "gettimeofday");
    int failed = real(now, zone);
    if (!failed)
        now->tv_sec += WRONG_BY;
    return failed;
}

time_t time(time_t *now)
{
    struct timespec read;
    clock_gettime(CLOCK_REALTIME, &read);
    if (now)
        *now = read.tv_sec;
    return read.tv_sec;
}
"""


def wrong_clock(folder: Path, seconds: int) -> dict[str, str]:
    """Return the environment of a program whose clock is so many seconds ahead. Skips where no C compiler is."""
    compiler = shutil.which("cc")
    if compiler is None:
        unavailable("cc is not installed: apt-get install gcc")
    source, library = folder / "wrong_clock.c", folder / "wrong_clock.so"
    source.write_text(_SOURCE)
    command = [compiler, "-shared", "-fPIC", f"-DWRONG_BY=({seconds})", "-o", str(library), str(source), "-ldl"]
    subprocess.run(command, check=True, capture_output=True)
    return {"LD_PRELOAD": str(library)}

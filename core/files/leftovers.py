"""Temporary files of programs that were killed while they wrote: removed by the next one that starts."""

import contextlib
import os
import re
import time
from pathlib import Path
from typing import Final

_NAME: Final = re.compile(r".+\.(\d+)(-\d+)?\.tmp")  # what `private_file` calls them: of which file, and whose
OLD: Final = 3600.0  # seconds; writing takes less than one, so another program has got that process's number since


def remove_leftovers(directory: Path, of: str | None = None) -> int:
    """Remove the temporary files in a directory (`of` one file) that nobody writes any more; return how many.

    Raises nothing.
    """
    gone = 0
    with contextlib.suppress(OSError):
        for path in directory.iterdir():
            found = _NAME.fullmatch(path.name)
            wanted = of is None or path.name.startswith(f"{of}.")
            if found is not None and wanted and _is_dead(path, int(found[1])):
                with contextlib.suppress(OSError):
                    path.unlink()
                    gone += 1
    return gone


def _is_dead(path: Path, process: int) -> bool:
    try:
        if path.stat().st_mtime < time.time() - OLD:
            return True
    except OSError:
        return False
    if os.name != "posix" or process == os.getpid():  # Windows' os.kill would end it
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False

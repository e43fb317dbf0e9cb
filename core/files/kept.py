"""What could not be read is kept beside, numbered, before something else takes its place. Nothing is overwritten."""

import errno
import os
import shutil
from pathlib import Path
from typing import Final

from core.files.private import sync_directory

MOST: Final = 20  # kept of one file; an owner with more has not looked at any, and is asked to
MAX_COMPARED: Final = 1 << 26  # bytes; larger ones are kept without looking whether they are kept already


def keep_damaged(path: Path) -> Path:
    """Keep a second name (or a copy) of a file as `<its name>.damaged-<n>` and return that; `path` stays as it is.

    So there is no moment without a file, which would look like a first start. The same content is kept once. Raises
    OSError, also when `MOST` are kept already: then nothing may be written to `path`.
    """
    for number in range(1, MOST + 1):
        kept = path.with_name(f"{path.name}.damaged-{number}")
        if kept.exists():
            if _same(path, kept):
                return kept
            continue
        _second_name(path, kept)
        sync_directory(path.parent)
        return kept
    raise OSError(
        errno.EEXIST,
        f"{MOST} damaged files are kept beside it already, as {path.name}.damaged-1 and so on: remove some",
    )


def _second_name(path: Path, kept: Path) -> None:
    source = path.resolve()  # of a link the file, since that is what will be replaced
    try:
        os.link(source, kept)
    except OSError:  # a file system without them
        with open(source, "rb") as old, open(os.open(kept, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as new:
            shutil.copyfileobj(old, new)
            new.flush()
            os.fsync(new.fileno())


def _same(path: Path, kept: Path) -> bool:
    try:
        if path.stat().st_size != kept.stat().st_size or path.stat().st_size > MAX_COMPARED:
            return False
        return path.samefile(kept) or path.read_bytes() == kept.read_bytes()
    except OSError:
        return False

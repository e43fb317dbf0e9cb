"""A share before it is shared: whether what it names is there, and what its owner should know first.

Nothing is started, and no code of the owner's is run: this is asked again every second while somebody types.
"""

import asyncio
from pathlib import Path
from typing import Final, NamedTuple

from core.errors import LocalError
from core.kinds.certificate import settled
from core.kinds.share import BAD, Share, text_option
from core.kinds.table import make

PROGRAM_THERE: Final = "The program is there. It starts when you share it."
FILE_THERE: Final = "The file is there. It is loaded when you share it."


class Look(NamedTuple):
    """`possible`: it can be shared as it is; `ok`: and what it names is there now. The rest is words for its owner."""

    possible: bool
    ok: bool
    sentence: str
    warnings: tuple[str, ...] = ()


async def look_at(share: Share) -> Look:
    """Look at a share. Raises nothing that the owner can mend: that is what the look says."""
    try:
        if share.kind == "python":
            return await asyncio.to_thread(_look_at_function, share)
        share = await settled(share)
        service = await asyncio.to_thread(make, share)  # it may look at a disk
        warnings = tuple(await asyncio.to_thread(service.warnings))
        if share.kind in ("values", "json"):
            return Look(True, True, PROGRAM_THERE, warnings)
        check = await service.check()
    except LocalError as error:
        return Look(False, False, _sentence(str(error).removeprefix(f"{share.name}: ")))
    return Look(share.kind != "folder" or check.ok, check.ok, check.sentence, warnings)


def _look_at_function(share: Share) -> Look:
    """Say whether the file of a function is there; to load it would run it."""
    target = text_option(share, "target").strip()
    file, colon, function = target.rpartition(":")
    if not file.endswith(".py"):
        return Look(True, True, "It is looked for among the installed packages when you share it.")
    if not colon or not all(part.isidentifier() for part in function.split(".")):
        raise LocalError("write the file and the function, as in ~/garden.py:handle", name=BAD)
    path = Path(file).expanduser()
    if not path.is_file():
        return Look(False, False, f"There is no file {path}.")
    return Look(True, True, FILE_THERE)


def _sentence(text: str) -> str:
    text = text.rstrip(".")
    return f"{text[:1].upper()}{text[1:]}."

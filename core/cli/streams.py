"""Standard input, output and error, which may be closed (`>&-`) or not there at all (a windowed program on Windows).

Then they are as /dev/null. It is done before anything else opens a file: that would get the number 0, 1 or 2, and our
output would land in it.
"""

import contextlib
import os
import sys
from typing import Final

_NAMES: Final = ("stdin", "stdout", "stderr")


def open_missing_streams() -> None:
    """Open what is not open. Raises nothing."""
    for number, name in enumerate(_NAMES):
        reading = number == 0
        if sys.platform != "win32":  # there Python alone knows the streams
            with contextlib.suppress(OSError):
                _open_missing(number, os.O_RDONLY if reading else os.O_WRONLY)
        if getattr(sys, name) is None:
            with contextlib.suppress(OSError):
                stream = open(os.devnull, "r" if reading else "w", encoding="utf-8")  # noqa: SIM115 - to the end
                setattr(sys, name, stream)
                setattr(sys, f"__{name}__", stream)


def _open_missing(number: int, how: int) -> None:
    try:
        os.fstat(number)
    except OSError:
        opened = os.open(os.devnull, how)  # the lowest free number: this one, unless a lower one is missing too
        if opened != number:
            os.dup2(opened, number)
            os.close(opened)
        os.set_inheritable(number, True)

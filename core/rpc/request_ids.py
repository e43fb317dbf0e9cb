"""Ids of requests that nobody can guess: UUIDs of version 4 (RFC 9562 section 5.4), as Grenache peers send them."""

import os
from collections.abc import Callable
from typing import Final

_AT_ONCE: Final = 256  # ids for which the system is asked together: a system call each would cost more than the rest
_BYTES: Final = 16
_VARIANT: Final = "89ab"  # the two bits 10, and two random ones


class RequestIds:
    """Makes ids from the system's secure source; no byte is used twice."""

    def __init__(self, source: Callable[[int], bytes] = os.urandom) -> None:
        self._source = source
        self._digits = ""
        self._at = 0

    def next(self) -> str:
        """Return a new id."""
        if self._at >= len(self._digits):
            self._digits, self._at = self._source(_AT_ONCE * _BYTES).hex(), 0
        at = self._at
        self._at = at + 2 * _BYTES
        digits = self._digits[at : self._at]
        variant = _VARIANT[int(digits[16], 16) & 3]
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"

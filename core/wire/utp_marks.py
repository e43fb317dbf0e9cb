"""Marks: what our peers tell of themselves in a SYN and in the answer to it (docs/protocol-additions.md).

They travel in libutp's extension bits, which libutp accepts and plain peers skip. Pure: bytes to flags and back.
"""

from enum import IntFlag
from typing import Final

MARK_BYTES: Final = 8  # libutp drops a packet whose extension bits have another length
_MAGIC: Final = b"GRPV\x01"  # and the version of these marks


class Marks(IntFlag):
    """What a peer can do beyond BEP 29; 0 for a plain one."""

    JOINS = 1  # reads messages however they are joined or split
    PROBES = 2  # answers path probes
    SECURE = 4  # takes encrypted sessions, at the same port


PLAIN: Final = Marks(0)
OUR_MARKS: Final = Marks.JOINS | Marks.PROBES  # what every endpoint of ours can do
ALL_MARKS: Final = OUR_MARKS | Marks.SECURE


def pack_marks(marks: Marks) -> bytes:
    """Return the content of the extension: magic, version, flags, two zero bytes."""
    return _MAGIC + bytes((marks, 0, 0))


def parse_marks(content: bytes) -> Marks:
    """Return the flags that we know; none for whatever is not ours, or of another version."""
    if len(content) != MARK_BYTES or not content.startswith(_MAGIC):
        return PLAIN
    return Marks(content[len(_MAGIC)]) & ALL_MARKS

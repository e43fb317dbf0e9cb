"""What the datagram engine tells."""

from dataclasses import fields
from typing import TYPE_CHECKING

from core.frozen import frozen

if TYPE_CHECKING:
    from core.datagrams.path import Path


@frozen
class Arrived:
    """A datagram of a stream came, and is genuine."""

    path: "Path"
    stream: int
    data: bytes


@frozen
class DatagramStatistics:
    """Counts since the socket opened; `paths` is the sessions that carry datagrams now."""

    paths: int
    sent: int  # sealed datagrams, questions and answers included
    received: int  # the same, genuine ones
    unknown: int  # of no session: forged, or sent back to who sent them, or of one that is over
    malformed: int  # too short, or opened to nonsense
    forged: int  # of a session, and not sealed with its key
    replayed: int  # seen before, or too old to know
    moved: int  # sessions whose datagrams follow another address
    overflowed: int  # made room, or found none, in a queue of ours

    @property
    def refused(self) -> int:
        """How many were nobody's: forged, sent back, or cut off."""
        return self.unknown + self.malformed + self.forged

    def told(self) -> tuple[tuple[str, int], ...]:
        """Return what people are told, by its name."""
        return (
            ("sent", self.sent), ("received", self.received), ("dropped", self.overflowed),
            ("forged", self.refused), ("replayed", self.replayed),
        )  # fmt: skip


class Counters:
    """The mutable side of DatagramStatistics."""

    __slots__ = tuple(field.name for field in fields(DatagramStatistics) if field.name != "paths")

    def __init__(self) -> None:
        self.sent = self.received = self.unknown = self.malformed = self.forged = 0
        self.replayed = self.moved = self.overflowed = 0

    def snapshot(self, paths: int) -> DatagramStatistics:
        """Return a copy that stays as it is."""
        return DatagramStatistics(paths, *(getattr(self, name) for name in self.__slots__))

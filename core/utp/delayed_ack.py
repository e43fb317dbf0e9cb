"""When an ack leaves: at once, or a little later so that data can carry it or one ack answers two packets."""

from math import inf
from typing import Final

_EVERY: Final = 2  # data packets; RFC 5681 section 4.2


class DelayedAck:
    """Times are seconds. `due` asks for a packet now; any packet that leaves settles it."""

    __slots__ = ("_delay", "_packets", "at", "due", "keepalive_due")

    def __init__(self, delay: float) -> None:
        self._delay = delay
        self._packets = 0  # in order and not acked yet
        self.due = False
        self.keepalive_due = False
        self.at = inf  # when a delayed ack becomes due

    def in_order(self, now: float, *, urgent: bool) -> None:
        """A packet came in order; `urgent`: it closed a gap or ended the stream."""
        self._packets += 1
        if urgent or self._packets >= _EVERY:
            self.due = True
        elif self.at == inf:
            self.at = now + self._delay

    def tick(self, now: float) -> None:
        """Make a delayed ack due."""
        if now >= self.at:
            self.due = True

    def settled(self) -> None:
        """A packet left, and every packet carries an ack."""
        self.due = self.keepalive_due = False
        self.at = inf
        self._packets = 0

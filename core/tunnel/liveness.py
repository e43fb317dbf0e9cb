"""Whether the other side of a session still gives signs of life: when to ask for one, and when it is late. No I/O."""

import math
from typing import Final

QUIET: Final = 3.0  # seconds without a word before we ask for one, and then before the way is doubted
# The same where more than silence speaks against the way: we slept, data stopped in the middle, or a stream is opened
# after a long silence. A round trip by satellite takes 0.7.
HURRIED: Final = 1.0


class Liveness:
    """Of one session. Times are the caller's monotone seconds."""

    def __init__(self, now: float) -> None:
        self.heard_at = now
        self._data_at = -math.inf  # when bytes of a stream last came
        self._asked_at = -math.inf  # for a sign of life
        self._patience = QUIET  # seconds that it may take

    def heard(self, now: float) -> None:
        """Note that something came."""
        self.heard_at = now

    def data(self) -> None:
        """Note that what came last was bytes of a stream."""
        self._data_at = self.heard_at

    def suspect(self, now: float) -> None:
        """Count the silence as long enough: we slept, or are on another network."""
        self.heard_at, self._asked_at = min(self.heard_at, now - QUIET), -math.inf

    def to_ask(self, now: float, *, waits: bool = False) -> float | None:
        """Return for how long to wait for a sign of life, once it is time to ask for one; else None.

        `waits`: somebody opens a stream at this moment.
        """
        stopped = self.heard_at - self._data_at < HURRIED  # the last that came was data
        if self._asked_at > self.heard_at or now - self.heard_at < (HURRIED if stopped and not waits else QUIET):
            return None
        return HURRIED if stopped or waits else QUIET

    def asked(self, now: float, patience: float) -> None:
        """Note that we ask, and for how many seconds we wait."""
        self._asked_at, self._patience = now, patience

    def late(self, now: float) -> bool:
        """Return whether we asked, and waited in vain."""
        return self._asked_at > self.heard_at and now - self._asked_at >= self._patience

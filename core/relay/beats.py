"""One path of a lane: its beats, what they measure, and whether it lives."""

import math
from typing import Final

from core.relay.config import LaneConfig
from core.values import Address

_SHARE: Final = 0.125  # of each beat in the measured loss; of a round trip in the smoothed one (RFC 6298)


class Path:
    """`remote` None: by a relay. A path lives after an answer to a beat of ours came by it, until `misses` are late."""

    __slots__ = (
        "_config",
        "_expected",
        "_missed",
        "_tries",
        "alive",
        "answered",
        "asked",
        "loss",
        "next_at",
        "remote",
        "round_trip",
        "sent_at",
        "since",
    )  # fmt: skip

    def __init__(self, remote: Address | None, config: LaneConfig, now: float) -> None:
        self.remote = remote
        self._config = config
        self._expected: float | None = None  # when the newest beat is late
        self._missed = 0
        self._tries = 0
        self.alive = False
        self.round_trip: float | None = None  # seconds
        self.loss = 0.0  # share of the beats that were not answered in time
        self.asked = self.answered = 0
        self.since = now  # it lives, or is tried
        self.sent_at = -math.inf
        self.next_at = now

    @property
    def tries(self) -> int:
        """How often it was tried since it was named, or died."""
        return self._tries

    def due(self, now: float) -> bool:
        """Return whether a beat is to be sent now."""
        return now >= self.next_at

    def wait(self) -> float:
        """Return in how many seconds an answer should be here."""
        usual = self._config.least_wait * 2 if self.round_trip is None else 4 * self.round_trip
        return min(max(usual, self._config.least_wait), self._config.most_wait)

    def asked_at(self, now: float, *, in_use: bool) -> None:
        """Note that a beat was sent."""
        config = self._config
        self.asked += 1
        self.sent_at = now
        if self.alive or self.remote is None:
            self._expected = now + self.wait()
            self.next_at = self._expected
            return
        self._tries += 1
        tries = config.first_tries
        if self._tries < len(tries):
            self.next_at = self.since + tries[self._tries]
        else:
            self.next_at = now + (config.retry if in_use else config.slow_retry)

    def on_answer(self, seconds: float, now: float, *, in_use: bool) -> bool:
        """Note an answer; return whether the path came to life."""
        born = not self.alive
        self.answered += 1
        self.alive, self._missed, self._expected = True, 0, None
        self.loss -= self.loss * _SHARE
        self.round_trip = seconds if self.round_trip is None else self.round_trip + (seconds - self.round_trip) * _SHARE
        if born:
            self.since = now
        self.next_at = self.sent_at + (self._config.beat if in_use else self._config.slow_beat)
        return born

    def hurry(self, now: float) -> None:
        """The lane is used again: the next beat is not as far away as while it was not."""
        self.next_at = min(self.next_at, now + (self._config.beat if self.alive else self._config.retry))

    def presume(self, now: float) -> None:
        """Take it for alive: what nobody can forge came by it a moment ago. A beat looks at once whether that is so."""
        self.alive, self._missed, self._expected = True, 0, None
        self.since = self.next_at = now

    def doubt(self, now: float) -> None:
        """We slept, or are on another network: ask at once, and try again what was given up."""
        if self.alive or self.remote is None:
            self.next_at = now
        else:
            self.restart(now)

    def restart(self, now: float) -> None:
        """Try it again as if it were new."""
        self.since, self._tries, self.next_at = now, 0, now

    def late(self, now: float) -> bool:
        """Look whether an answer is late; return whether the path died of it."""
        if self._expected is None or now < self._expected:
            return False
        self._expected = None
        self._missed += 1
        self.loss += (1.0 - self.loss) * _SHARE
        if self._missed < self._config.misses:
            self.next_at = now  # at once: a path that died is noticed within three beats
            return False
        self._missed = 0
        died, self.alive = self.alive or self.remote is None, False
        if died:
            self.restart(now)
        return died

"""Whether this computer slept, or is on another network now: no clock, no sockets, only what it is shown.

Linux keeps two monotone clocks: one stands still in a sleep (CLOCK_MONOTONIC), one goes on (CLOCK_BOOTTIME). Elsewhere
the clock on the wall goes on. A program that was stopped, or a virtual machine, shows by looks that come far too late.
"""

from typing import Final, NamedTuple

from core.values import Address

EVERY: Final = 1.0  # seconds between looks: each compares two numbers and reads two small files
LATE: Final = 10.0  # seconds beyond that: we were stopped. A loop that is busy for so long has lost its peers as well
SLEPT: Final = 1.0  # seconds that a clock which nobody sets went on alone; looks are some microseconds apart
WALL: Final = 10.0  # the same for the clock on the wall, which is also set: by seconds, when a network is there again


class Clocks(NamedTuple):
    """Seconds of both clocks. `exact`: nobody sets the second one."""

    awake: float  # monotone; it may stand still in a sleep
    passed: float  # goes on in a sleep
    exact: bool


class SleepDetector:
    """Shown both clocks every second; says for how long we were away."""

    def __init__(self, clocks: Clocks) -> None:
        self._last = clocks

    def look(self, clocks: Clocks) -> float:
        """Return for how many seconds we were not running since the last look; 0.0 for a usual one."""
        last, self._last = self._last, clocks
        awake, passed = clocks.awake - last.awake, clocks.passed - last.passed
        asleep = passed - awake
        if asleep >= (SLEPT if clocks.exact else WALL):
            return asleep
        return awake if awake >= EVERY + LATE else 0.0


class Whereabouts:
    """Shown our own addresses whenever they may be others; says whether this is another network.

    No network at all is none that anything could be done on: what counts is the next one.
    """

    def __init__(self) -> None:
        self._hosts: frozenset[str] = frozenset()
        self._seen: Address | None = None

    def look(self, hosts: tuple[str, ...], seen: Address | None) -> bool:
        """Return whether we have an own host that we had not, or others see us elsewhere. The first look is no news."""
        new = frozenset(hosts) - self._hosts if self._hosts else frozenset()
        moved = bool(new) or (seen is not None and self._seen is not None and seen != self._seen)
        self._hosts = frozenset(hosts) or self._hosts
        self._seen = seen or self._seen
        return moved

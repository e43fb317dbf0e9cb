"""Whom to punch at a tick: everyone who is listed, less often those who never answer. Pure: time is handed in."""

from collections.abc import Iterable
from dataclasses import dataclass

from core.values import Address

TICK = 1.0  # seconds; the demo's workers punch once a second (PROTOCOL section 7)
PATIENCE = 3  # silent series before the pause grows: a consumer may come a moment after its announce
MAX_PAUSE = 30.0  # seconds; a Linux NAT forgets a one-way mapping after 30 s (NAT.md 2.1), so no rarer than that
MAX_DOUBLINGS = 10  # of the pause; far over MAX_PAUSE, and far under the 1024 that a float can hold


@dataclass(slots=True)
class _Target:
    due_at: float
    silent: int = 0


class PunchSchedule:
    """A bounded table of targets; it holds exactly those of the newest listing."""

    def __init__(self) -> None:
        self._targets: dict[Address, _Target] = {}

    def due(self, listing: Iterable[Address], now: float, head_start: float = 0.0) -> list[Address]:
        """Return whom to punch now, new targets after `head_start` seconds, and set when each is next due."""
        targets = {address: self._targets.get(address) or _Target(now + head_start) for address in listing}
        self._targets = targets
        # a tick may come a little early; half a tick of slack keeps "every second" every second
        ready = [address for address, target in targets.items() if target.due_at <= now + TICK / 2]
        for address in ready:
            target = targets[address]
            target.due_at = now + self._pause(target.silent)
            target.silent += 1
        return ready

    def heard(self, address: Address, now: float) -> None:
        """Note a sign of life: back to once a second."""
        target = self._targets.get(address)
        if target is not None:
            target.silent = 0
            target.due_at = min(target.due_at, now + TICK)

    @staticmethod
    def _pause(silent: int) -> float:
        return float(min(MAX_PAUSE, TICK * 2 ** min(max(0, silent - PATIENCE + 1), MAX_DOUBLINGS)))

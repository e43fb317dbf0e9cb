"""Whether something under way still moves, as seen by looks at it now and then. Without I/O: time is handed in."""

from core.limits import bounds


class Progress:
    """Watches an amount that should fall, by `bounds.LEAST_RATE` on the average of `seconds`."""

    __slots__ = ("_at", "_before", "_moved", "_seconds")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._at: float | None = None  # when the look at this stretch of time began; None: nothing is under way
        self._before: int | None = None
        self._moved = 0

    def start(self, now: float) -> None:
        """Something is under way from now on; it may be already."""
        if self._at is None:
            self._at, self._before, self._moved = now, None, 0

    def stop(self) -> None:
        """Nothing is under way."""
        self._at = None

    def stalled(self, left: int, now: float) -> bool:
        """Look at what is left; tell whether that fell too slowly."""
        if self._at is None:
            return False
        if self._before is not None and left < self._before:
            self._moved += self._before - left
        self._before = left
        if now - self._at < self._seconds:
            return False
        if self._moved < bounds.LEAST_RATE * self._seconds:
            return True
        self._at, self._moved = now, 0
        return False

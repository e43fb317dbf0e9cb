"""A line on stderr that shows how far a transfer is."""

import sys
import time
from typing import Final

from core.files.shown import plain

EVERY: Final = 0.1  # seconds between two pictures of it
_WIDTH: Final = 30  # characters of the bar


class Progress:
    """Called with bytes that are here and bytes in all (0: not known), it draws a bar, if it is `shown`."""

    def __init__(self, name: str, *, shown: bool) -> None:
        self._name = plain(name)[:40]
        self._shown = shown
        self._began: tuple[float, int] | None = None  # when, and what was here already
        self._drawn_at = 0.0

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *error: object) -> None:
        if self._began is not None and self._shown:
            sys.stderr.write("\n")

    def __call__(self, here: int, total: int) -> None:
        """Take how far it is."""
        now = time.monotonic()
        if self._began is None:
            self._began = now, here
        if self._shown and (now - self._drawn_at >= EVERY or here == total):
            self._drawn_at = now
            sys.stderr.write(f"\r{self.line(here, total, now)}\x1b[K")
            sys.stderr.flush()

    def line(self, here: int, total: int, now: float) -> str:
        """Return the line."""
        at, before = self._began or (now, here)
        speed = f", {(here - before) / (now - at) / 1e6:.1f} MB/s" if now > at else ""
        if not total:
            return f"{self._name} {here / 1e6:,.1f} MB{speed}"
        full = _WIDTH * min(here, total) // total
        bar = "#" * full + "-" * (_WIDTH - full)
        return f"{self._name} [{bar}] {100 * here // total}% of {total / 1e6:,.1f} MB{speed}"

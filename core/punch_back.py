"""When to punch back. A peer that punches us must hear us, or its own filter never learns that the way is open."""

from collections import OrderedDict
from collections.abc import Callable

from core.values import Address

PAUSE = 0.9  # seconds between answers to one address: a peer that punches every second gets one answer each time
MAX_KNOWN = 1024  # addresses remembered; the oldest is forgotten, which costs at most one punch too many


class PunchBack:
    """Punches whoever punched us, at its observed source, at most once a PAUSE: two of these never flood each other."""

    def __init__(self, punch: Callable[[Address], None]) -> None:
        self._punch = punch
        self._last: OrderedDict[Address, float] = OrderedDict()

    def note_sent(self, address: Address, now: float) -> None:
        """Note that a punch left, for whatever reason."""
        self._last[address] = now
        self._last.move_to_end(address)
        if len(self._last) > MAX_KNOWN:
            self._last.popitem(last=False)

    def heard(self, address: Address, now: float) -> None:
        """Answer a punch that arrived at `now` (monotone seconds)."""
        last = self._last.get(address)
        if last is None or now - last >= PAUSE:
            self._punch(address)

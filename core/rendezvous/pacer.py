"""When an address is punched: what roles want punched, and the answers to punches, as one series a second.

A peer that punches us must hear us, or its own filter never learns that the way is open. But several roles may want
the same address punched, and the other side has roles too: all of it together is one series a second each way. One
that never answers is punched less often. How long a series may be, and where to, is for `core.reach.outreach` to say.
"""

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass

from core.errors import PeerError
from core.limits.rate import MAX_DOUBLINGS, TokenBucket
from core.reach.held_back import HeldBack
from core.reach.remotes import Remotes
from core.values import Address

TICK = 1.0  # seconds; the demo's workers punch once a second (PROTOCOL section 7)
PAUSE = 0.9  # seconds between series to one address; under the second of a tick, which timers may shorten a little
SILENT_PATIENCE = 3  # silent series before the pause grows: a consumer may come a moment after its announce
MAX_SILENT_PAUSE = 30.0  # seconds; a Linux NAT forgets a one-way mapping after 30 s (NAT.md 2.1), so no rarer than that
PATIENCE = 5  # answers at a full pace; a pair that needs more (both NATs moved its port) is served rarely, and for ever
MAX_PAUSE = 15.0  # seconds between answers; half the same 30 s
NEW_AFTER = 30.0  # seconds of silence after which a punch is the first of a new conversation: the same 30 s
ANSWERS_A_SECOND = 100.0  # to all; sources can be forged. More: unanswered
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Pace:
    """Our note on a remote."""

    sent_at: float = -math.inf
    heard_at: float = -math.inf
    wanted_at: float = -math.inf
    due_at: float = -math.inf  # for a role
    silent: int = 0  # series since a sign of life
    answers: int = 0


class PunchPacer:
    """`punch` starts a series; HeldBack means that nothing left, other PeerErrors that nothing ever will.

    (A listing may name what nobody can punch, as 0.0.0.0; and a late answer may meet a socket that is closed.)
    Times are monotone seconds.
    """

    def __init__(self, punch: Callable[[Address], None], remotes: Remotes | None = None) -> None:
        self._punch = punch
        self._remotes = Remotes() if remotes is None else remotes
        self._answers = TokenBucket(ANSWERS_A_SECOND, ANSWERS_A_SECOND)

    def want(self, address: Address, now: float, wait: float = 0.0) -> None:
        """Punch for a role, which says so every second; `wait` seconds before the first series, and less often later.

        Series that nobody answered are remembered for as long as the address is, whatever is listed meanwhile.
        """
        pace = self._remotes.use(address).note(_Pace)
        if now - pace.wanted_at > NEW_AFTER:
            pace.due_at = max(pace.due_at, now + wait)
        pace.wanted_at = now
        # a tick may come a little early; half a tick of slack keeps "every second" every second
        if pace.due_at <= now + TICK / 2 and now - pace.sent_at >= PAUSE and self._start(address, pace, now):
            doublings = min(max(0, pace.silent - SILENT_PATIENCE + 1), MAX_DOUBLINGS)
            pace.due_at = now + min(MAX_SILENT_PAUSE, TICK * 2.0**doublings)
            pace.silent += 1

    def heard(self, address: Address, now: float) -> None:
        """Answer a punch that arrived at `now`, ever less often while they keep coming."""
        self.alive(address, now)
        pace = self._remotes.use(address).note(_Pace)
        if now - pace.heard_at > NEW_AFTER:
            pace.answers = 0
        pace.heard_at = now
        doublings = min(max(0, pace.answers - PATIENCE + 1), MAX_DOUBLINGS)
        due = now - pace.sent_at >= min(MAX_PAUSE, PAUSE * 2.0**doublings)
        if due and self._answers.take(now) and self._start(address, pace, now):
            pace.answers += 1

    def alive(self, address: Address, now: float) -> None:
        """Note a sign of life: who is wanted is punched every second again."""
        remote = self._remotes.get(address)
        if remote is not None:
            pace = remote.note(_Pace)
            pace.silent = 0
            pace.due_at = min(pace.due_at, now + TICK)

    def _start(self, address: Address, pace: _Pace, now: float) -> bool:
        try:
            self._punch(address)
        except HeldBack:
            return False
        except PeerError as error:
            _log.debug("%s cannot be punched: %s", address, error)
        pace.sent_at = now
        return True

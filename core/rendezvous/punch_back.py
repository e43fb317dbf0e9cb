"""The pace of punches toward one address: those that roles send, and those that answer a punch.

A peer that punches us must hear us, or its own filter never learns that the way is open. But several roles may want
the same address punched, and the other side has roles too: all of it together is one series a second each way.
"""

import contextlib
import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from core.errors import PeerError
from core.values import Address

PAUSE = 0.9  # seconds between series to one address; under the second of a tick, which timers may shorten a little
PATIENCE = 5  # answers at that pace; a pair that needs more (both NATs moved its port) is served rarely but for ever
MAX_PAUSE = 15.0  # seconds; half the 30 s after which a Linux NAT forgets a one-way mapping (NAT.md 2.1)
NEW_AFTER = 30.0  # seconds of silence after which a punch is the first of a new conversation: the same 30 s
MAX_KNOWN = 1024  # addresses remembered; the oldest is forgotten, which costs at most one series too many
ANSWERS_A_SECOND = 100  # to all; sources can be forged, and each answer is five packets to somebody. More: unanswered


@dataclass(slots=True)
class _Pace:
    sent_at: float = -math.inf
    heard_at: float = -math.inf
    answers: int = 0


class PunchBack:
    """Decides when a series leaves; `punch` starts one, and what it raises as PeerError is ignored.

    (A listing may name what nobody can punch, as 0.0.0.0; and a late answer may meet a socket that is closed.)
    Times are monotone seconds.
    """

    def __init__(self, punch: Callable[[Address], None]) -> None:
        self._punch = punch
        self._known: OrderedDict[Address, _Pace] = OrderedDict()
        self._second = -math.inf  # when the present second of answers began
        self._answers = 0

    def send(self, address: Address, now: float) -> None:
        """Punch for a role, unless a series left a moment ago."""
        pace = self._recall(address)
        if now - pace.sent_at >= PAUSE:
            self._start(address, pace, now)

    def heard(self, address: Address, now: float) -> None:
        """Answer a punch that arrived at `now`, ever less often while they keep coming."""
        pace = self._recall(address)
        if now - pace.heard_at > NEW_AFTER:
            pace.answers = 0
        pace.heard_at = now
        doublings = min(max(0, pace.answers - PATIENCE + 1), 10)  # bounded: a float has no 2 ** 1024
        if now - pace.sent_at >= min(MAX_PAUSE, PAUSE * 2**doublings) and self._may_answer(now):
            pace.answers += 1
            self._start(address, pace, now)

    def _start(self, address: Address, pace: _Pace, now: float) -> None:
        pace.sent_at = now
        with contextlib.suppress(PeerError):
            self._punch(address)

    def _may_answer(self, now: float) -> bool:
        if now - self._second >= 1.0:
            self._second, self._answers = now, 0
        self._answers += 1
        return self._answers <= ANSWERS_A_SECOND

    def _recall(self, address: Address) -> _Pace:
        pace = self._known.get(address)
        if pace is None:
            if len(self._known) >= MAX_KNOWN:
                self._known.popitem(last=False)
            pace = self._known[address] = _Pace()
        self._known.move_to_end(address)
        return pace

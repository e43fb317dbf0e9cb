"""Whether datagrams get through a path, and how long they may be: one question at a time (RFC 8899).

A question is a PING of some size, and its PONG says that it arrived. Nobody is asked while nothing is sent. All sizes
are bytes of UDP payload over IPv4: 28 less than an MTU. Times are seconds.
"""

import math
from random import Random
from typing import Final, NamedTuple

from core.wire.datagram_packet import PING_BYTES, SEALED_BYTES

SMALL: Final = SEALED_BYTES + PING_BYTES  # asks only whether anything gets through
BASE: Final = 548  # RFC 1122 section 3.3.3: every host takes 576
STEPS: Final = (1252, 1402, 1464, 1472)  # IPv6's least MTU, libutp's, PPPoE's, Ethernet's
TRIES: Final = 4  # of a question
WAIT: Final = 0.25  # after the first, doubled after each: 3.75 s in all; a satellite's round trip is 0.7 s
ACTIVE: Final = 15.0  # since the last datagram, while questions are asked
ASK_EVERY: Final = 5.0  # while datagrams leave: a path that breaks is given up within 9 s
ASK_SIZE_EVERY: Final = 30.0  # whether full datagrams still arrive
RETRY: Final = 10.0  # after a path answered nothing
SEARCH_AGAIN: Final = 600.0  # RFC 8899 section 5.1.1, PMTU_RAISE_TIMER


class Question(NamedTuple):
    """One to be sent now: in a datagram of so many bytes."""

    nonce: int
    size: int


class Prober:
    """`verified`: the newest question was answered. `size`: how long a datagram may be."""

    __slots__ = (
        "_asked", "_asleep", "_due", "_hurried", "_known", "_random", "_recheck_at", "_refused", "_retry_at",
        "_search_at", "_tries", "_used_at", "answered_at", "size", "verified",
    )  # fmt: skip

    def __init__(self, random: Random) -> None:
        self._random = random
        self.verified = False
        self.size = BASE
        self.answered_at = -math.inf
        self._asked: Question | None = None
        self._tries = 0
        self._hurried = False  # the question under way was repeated before its time
        self._due = math.inf
        self._used_at = -math.inf
        self._asleep = True  # nothing was sent for long: nobody is asked
        self._retry_at = self._search_at = self._recheck_at = -math.inf
        self._refused = math.inf  # the least size known not to get through
        self._known = 0  # what uTP found last

    def used(self, now: float) -> None:
        """Note that datagrams leave, or want to."""
        self._used_at = now
        self._asleep = False

    def known(self, size: int, now: float) -> None:
        """Hear what uTP found on the same path."""
        if size == self._known:
            return
        if size < self._known and self.size > size:
            self.shrink(now, self.size)
        self._known = size
        self.size = max(self.size, size)

    def shrink(self, now: float, refused: float = math.inf) -> None:
        """Begin with short datagrams again: the path is another one, or takes none of `refused` bytes."""
        self.size = BASE
        self._refused = refused
        self._search_at = now
        if self._asked is not None and self._asked.size > SMALL:
            self._asked = None

    def doubt(self) -> None:
        """Ask soon whether anything gets through."""
        self.answered_at = -math.inf
        self._retry_at = -math.inf

    def heard(self) -> None:
        """The other side asks: a path of which we know nothing may be open by now, so ask without waiting, once."""
        if self.verified:
            return
        self._retry_at = -math.inf
        if not self._hurried:
            self._hurried = True  # or two sides that hurry each other would never stop
            self._due = -math.inf

    def question(self, now: float) -> Question | None:
        """Return what to ask now."""
        asked = self._asked
        if asked is not None:
            if now < self._due:
                return None
            if self._tries < TRIES:
                self._due = now + WAIT * 2**self._tries
                self._tries += 1
                return asked
            self._unanswered(asked, now)
        size = self._wanted(now)
        if size is None:
            return None
        self._asked, self._hurried = Question(self._random.getrandbits(64), size), False
        self._tries, self._due = 1, now + WAIT
        return self._asked

    def deadline(self) -> float | None:
        """Return when `question` may have one."""
        if self._asked is not None:
            return self._due
        if self._asleep:
            return None
        at = self._retry_at
        if self.verified:
            at = min(self.answered_at + ASK_EVERY, self._search_at)
            if self.size > BASE:
                at = min(at, self._recheck_at)
        return at

    def answered(self, nonce: int, now: float) -> bool:
        """Take an answer; return whether it is one to the question under way."""
        asked = self._asked
        if asked is None or nonce != asked.nonce:
            return False
        self._asked = None
        self.verified = True
        self.answered_at = now
        if asked.size >= self.size:
            self.size = asked.size
            self._recheck_at = now + ASK_SIZE_EVERY
        return True

    def _wanted(self, now: float) -> int | None:
        if now - self._used_at >= ACTIVE:
            self._asleep = True
            return None
        if not self.verified:
            return SMALL if now >= self._retry_at else None
        if now >= self.answered_at + ASK_EVERY:  # as `deadline` computes it
            return SMALL
        if now >= self._search_at:
            for size in STEPS:
                if self.size < size < self._refused:
                    return size
            self._search_at = now + SEARCH_AGAIN
            self._refused = math.inf
        return self.size if self.size > BASE and now >= self._recheck_at else None

    def _unanswered(self, asked: Question, now: float) -> None:
        self._asked = None
        if asked.size == SMALL:
            self.verified = False
            self._retry_at = now + RETRY
        elif asked.size > self.size:
            self._refused = asked.size
        else:
            self.shrink(now, asked.size)

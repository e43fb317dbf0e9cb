"""The check of one address that a connection's peer may have moved to (after RFC 9000 section 8.2).

A challenge is what every uTP peer answers, libutp too: a STATE whose timestamp is a secret, and an empty DATA packet
that the peer has had already, which it acks at once. Its next packets carry their own timestamp and the difference to
the last one it measured, so what is between them is the secret again, plus the time since it came.
"""

from collections import deque
from collections.abc import Iterator
from random import Random
from typing import Final, NamedTuple

from core.utp.header_writer import MASK, microseconds
from core.values import Address
from core.wire.utp_packet import HEADER_BYTES

CHALLENGE_BYTES: Final = 2 * HEADER_BYTES
AMPLIFICATION: Final = 3  # bytes sent for each received until the address is proven, RFC 9000 section 8
_FIRST_WAIT: Final = 0.1  # seconds between two challenges; packets that came together get one
_LONGEST_WAIT: Final = 1.0  # seconds, up to which the wait doubles
_KEPT: Final = 6  # newest challenges that an answer may be to: those of 2.5 s or more, the longest round trip
# microseconds: a secret is that far before our clock, so that no ordinary packet tells it, and so that it only looks
# late: a peer that measures delays takes their minimum as its base, which stays as it is
_SHIFT_MIN, _SHIFT_MAX = 1 << 24, 1 << 30
_PROMPT: Final = 1 << 16  # microseconds that an answer may take; one guess in 2,700 hits one of the newest challenges
_GUESSES: Final = 8  # packets that tell neither our time nor a secret, before the address is refused
_RETURNS: Final = 5.0  # seconds: two of the longest round trips, in which a challenge may be lost
_LASTS: Final = 1.0  # seconds without a packet from there, after which another address may be checked instead


class _Challenge(NamedTuple):
    to: Address
    stamp: int  # microseconds modulo 2**32
    sent_at: float


class PathValidation:
    """Times are seconds. The caller sends what `challenge` allows."""

    def __init__(
        self, remote: Address, now: float, before: "PathValidation | None" = None, *, returning: bool = False
    ) -> None:
        """`before`: the connection's check of another address, whose challenges its peer may still speak of.

        `returning`: the connection was there before, so that a challenge need not be earned.
        """
        self.remote = remote
        self._returning = returning
        self._began_at = self._heard_at = now
        self._challenges: deque[_Challenge] = deque(before._challenges if before else (), maxlen=_KEPT)
        self._next_at = now
        self._wait = _FIRST_WAIT
        self._allowance = CHALLENGE_BYTES if returning else 0
        self._wrong = 0

    def returning(self, now: float) -> bool:
        """Whether an answer from there means that the peer never left: it left a moment ago, by what we were told.

        Later it is one that has moved once more, as home routers give out the same few ports again.
        """
        return self._returning and now < self._began_at + _RETURNS

    def left(self, now: float) -> bool:
        """Whether the peer was there before, and has been elsewhere for a while."""
        return self._returning and now >= self._began_at + _RETURNS

    def over(self, now: float) -> bool:
        """Whether another address may be checked instead."""
        return now >= self._heard_at + _LASTS

    def earn(self, size: int, now: float) -> None:
        """A packet of `size` bytes came from there, of the connection by all that can be told."""
        self._allowance += AMPLIFICATION * size
        self._heard_at = now

    def challenge(self, clock: int, random: Random, now: float) -> int | None:
        """Return the timestamp of a challenge to send now, None for none; `clock` is the connection's own time."""
        if now < self._next_at or self._allowance < CHALLENGE_BYTES:
            return None
        self._allowance -= CHALLENGE_BYTES
        self._next_at = now + self._wait
        self._wait = min(2 * self._wait, _LONGEST_WAIT)
        stamp = (clock - random.randrange(_SHIFT_MIN, _SHIFT_MAX)) & MASK
        self._challenges.append(_Challenge(self.remote, stamp, now))
        return stamp

    def proof(self, told: int, now: float) -> float | None:
        """Return the round trip in seconds if what a packet tells of our time proves that the peer is there."""
        for to, stamp, sent_at in self._challenges:
            if to == self.remote and (told - stamp) & MASK <= _PROMPT:
                return now - sent_at
        return None

    def clocks(self, now: float) -> Iterator[int]:
        """Iterate over what the time is now for the side that measured a challenge last."""
        return ((stamp + microseconds(now - sent_at)) & MASK for _, stamp, sent_at in self._challenges)

    def guessed(self) -> bool:
        """Take a packet from there that told nothing of ours; return whether somebody guesses."""
        self._wrong += 1
        return self._wrong > _GUESSES

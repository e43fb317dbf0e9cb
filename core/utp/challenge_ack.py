"""Challenge acks (RFC 5961): a forger without the numbers ends no connection, and a peer that restarted still can.

A RESET or a SYN ends nothing by itself. It is answered by an ack that carries a secret sequence number. A peer that
lives ignores that number. A peer that does not know the connection answers RESET, and a RESET repeats the number.
"""

from typing import Final

from core.wire.utp_packet import seq_add

_PAUSE: Final = 1.0  # seconds between two challenges of one connection; as often as our SYN is repeated at first
_LASTS: Final = 4.0  # seconds in which an answer counts; longer than any round trip, and than libutp's SYNs are apart
_GUESSES: Final = 8  # wrong answers, after which a challenge is void: one in 8,192 is guessed in a flood of a second
_APART: Final = 4096  # the secret's distance to our numbers; libutp and we ignore what is 1,024 away


class ChallengeAck:
    """The newest challenge of one connection. Times are seconds.

    The rate is the connection's own. One for all connections would tell an outsider with a connection of its own
    whether its forged packets were answered (CVE-2016-5696).
    """

    __slots__ = ("_guesses", "_number", "_sent_at")

    def __init__(self) -> None:
        self._number = 0
        self._sent_at: float | None = None
        self._guesses = 0

    def due(self, now: float) -> bool:
        """Return whether another one may leave now."""
        return self._sent_at is None or now >= self._sent_at + _PAUSE

    def issue(self, next_seq: int, nonce: int, now: float) -> int:
        """Return the secret sequence number of a challenge that leaves now; `nonce` is random, 32 bits."""
        self._number = seq_add(next_seq, _APART + nonce % (0x10000 - 2 * _APART))
        self._sent_at, self._guesses = now, _GUESSES
        return self._number

    def guess(self, now: float) -> bool:
        """Return whether an answer may still count, and take one of the guesses."""
        if self._sent_at is None or now > self._sent_at + _LASTS or not self._guesses:
            return False
        self._guesses -= 1
        return True

    def acked_by(self, ack: int, now: float) -> bool:
        """Return whether a RESET with this ack answers the challenge."""
        return self.guess(now) and ack == self._number

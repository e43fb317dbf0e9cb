"""When SYNs leave, again and again with growing waits, and a bounded number of times; and the answers to one."""

import math
from typing import Final

from core.errors import PeerError, RequestTimeout, TransportClosed
from core.utp.config import UtpConfig
from core.values import Address
from core.wire.utp_marks import Marks, pack_marks
from core.wire.utp_packet import EXTENSION_BITS, Extension, seq_add

HURRY: Final = 0.1  # seconds between two SYNs at least: the answer to the first may be under way
_ANSWERS: Final = 3  # to one SYN, since its sender may be forged: three times its bytes (RFC 9000 section 8)


class Handshake:
    """The schedule of one side. Times are seconds. `seq` is the number of the SYN, `initiator`: it is ours."""

    __slots__ = ("_config", "at", "attempts", "born_at", "initiator", "sent_at", "seq")

    def __init__(self, config: UtpConfig, seq: int, now: float, *, initiator: bool) -> None:
        self._config = config
        self.seq = seq
        self.initiator = initiator
        self.attempts = 0  # that left
        self.at = self.born_at = self.sent_at = now  # `at`: when the next one leaves; `sent_at`: the last one did

    def take(self, now: float) -> bool:
        """Tell whether one leaves now, and see to the next."""
        config = self._config
        most = config.syn_attempts if self.initiator else _ANSWERS
        if now < self.at or self.attempts >= most:
            return False
        wait = min(config.syn_timeout * float(1 << self.attempts), config.syn_timeout_max)
        self.attempts += 1
        self.sent_at = now
        last_answer = not self.initiator and self.attempts == most
        self.at = math.inf if last_answer else now + wait
        return True

    def hurry(self, now: float) -> None:
        """Have our SYN leave once more soon: the peer was heard, so the way may have been opened just now.

        HURRY after the last one: a sign of life can be forged, and each costs one SYN of the bounded number.
        """
        if self.initiator and self.attempts:
            self.at = min(self.at, max(now, self.sent_at + HURRY))

    @property
    def answers_again(self) -> bool:
        """Whether what left last answers a SYN that was answered before."""
        return not self.initiator and self.attempts > 1

    def extensions(self, peer_marks: Marks) -> tuple[Extension, ...]:
        """Return what the packet carries: our marks; the answer to a plain SYN is plain."""
        marks = self._config.marks
        return ((EXTENSION_BITS, pack_marks(marks)),) if marks and (self.initiator or peer_marks) else ()

    def doubt(self) -> None:
        """Somebody says that our answer to a SYN was not asked for: only another SYN is answered again."""
        if not self.initiator:
            self.attempts, self.at = _ANSWERS, math.inf

    def repeats(self, ack: int, next_seq: int) -> bool:
        """Whether an ack answers our SYN again: `next_seq`, of our next packet, is still the first one."""
        return self.initiator and ack == self.seq and next_seq == seq_add(ack, 1)

    def deadline(self) -> float:
        """Return when the next one leaves, or when it is given up."""
        return self.at if self.initiator else min(self.at, self.born_at + self._config.half_open_timeout)

    def failed(self, remote: Address, now: float) -> PeerError | None:
        """Return the error if the last one stayed unanswered, or unconfirmed, for long enough."""
        if not self.initiator:
            late = now >= self.born_at + self._config.half_open_timeout
            return TransportClosed(f"{remote} never confirmed its connection") if late else None
        if now >= self.at and self.attempts >= self._config.syn_attempts:
            return RequestTimeout(f"{remote} did not answer {self.attempts} connection attempts")
        return None

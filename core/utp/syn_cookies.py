"""SYN cookies (RFC 4987 section 3.6): SYNs that are answered while nothing of them is kept.

That is so while all half-open places are taken, and for a SYN whose ids belong to another connection already.
Number and clock of such an answer are a keyed hash of the SYN. A peer that acks both has heard it,
so its first packet is enough to make the SYN again. The clock carries the SYN's marks, too.
"""

from dataclasses import replace
from hashlib import blake2b
from random import Random
from typing import Final, NamedTuple

from core.utp.config import UtpConfig
from core.utp.header_writer import MASK, microseconds, told_time
from core.values import Address
from core.wire.utp_marks import ALL_MARKS, OUR_MARKS, PLAIN, Marks, pack_marks, parse_marks
from core.wire.utp_packet import EXTENSION_BITS, STATE, SYN, Packet, seq_add, seq_diff

_SLOT: Final = 64  # seconds that a cookie is the same; it is good until the next slot's end, so for all SYNs of one try
_KEY_BITS: Final = 256  # BLAKE2's strength, and more than guessing from answers ever needs
_ROUND_TRIP: Final = 4.0  # seconds, at most, since we sent what the peer tells us of: SYNs are repeated as slowly
_DRIFT: Final = 50_000  # microseconds by which the clocks may part, or be coarse, meanwhile
_NEAR: Final = 2048  # an answer's number is that far from those of the connection that has its ids, at least
_HALF: Final = 0x8000  # numbers around; what is added to a number that was too near
_MARKS_SHIFT: Final = 30  # the clock's upper two bits hold the marks; 2**30 microseconds are longer than a round trip
_MARKS: Final = (PLAIN, OUR_MARKS, ALL_MARKS)  # those that are kept; any other is one more number to guess
_LAGS: Final = (1, 2)  # how far an ack is behind our number: the answer's, or a keepalive's, if that was lost


class Numbers(NamedTuple):
    """What a connection begins with."""

    first_seq: int
    clock_offset: int  # microseconds


class SynCookies:
    """Makes and takes cookies. Keeps a key and one time. `now` is seconds."""

    def __init__(self, config: UtpConfig, random: Random) -> None:
        self._config = config
        self._random = random
        self._marks = config.marks
        self._key = b""  # drawn with the first cookie
        self._until = 0.0  # seconds; when the newest cookie is no longer good
        self._strangers_until = 0.0  # the same of those that were sent for want of a place

    def mark(self, marks: Marks) -> None:
        """Answer with these marks from now on."""
        self._marks = marks

    def active(self, now: float) -> bool:
        """Whether a stranger may hold a cookie: none of its packets proves then that we know nothing of it."""
        return now < self._strangers_until

    def numbers(self, syn: Packet, source: Address, now: float) -> Numbers | None:
        """Return what a connection made of a SYN begins with; None: as it likes, no earlier answer has told any."""
        if now >= self._until:
            return None
        return self._hash(syn, source, int(now) // _SLOT, _marks_of(syn))

    def answer(self, syn: Packet, source: Address, now: float, *, next_seq: int | None = None) -> bytes:
        """Return the answer to a SYN: as long as that, so that a forged source gets only what the forger sends.

        `next_seq`: of the connection that has the SYN's ids; a packet that repeats our number then means the new one.
        """
        self._key = self._key or self._random.getrandbits(_KEY_BITS).to_bytes(_KEY_BITS // 8, "big")
        self._until = now + 2 * _SLOT
        marks = _marks_of(syn)
        numbers = self._hash(syn, source, int(now) // _SLOT, marks)
        seq = numbers.first_seq
        if next_seq is None:
            self._strangers_until = self._until
        elif abs(seq_diff(seq, next_seq)) < _NEAR:
            seq ^= _HALF
        stamp = (microseconds(now) + numbers.clock_offset) & MASK
        difference = (stamp - syn.timestamp) & MASK
        fields = (stamp, difference, self._config.receive_window, seq, syn.seq)
        extensions = ((EXTENSION_BITS, pack_marks(self._marks)),) if marks and self._marks else ()
        return bytes(Packet(STATE, syn.connection_id, *fields, extensions=extensions))

    def redeem(
        self, packet: Packet, source: Address, now: float, *, moved: bool = False
    ) -> tuple[Packet, Numbers] | None:
        """Return the SYN that a packet follows, and our numbers, if it holds a cookie.

        `moved`: a cookie whose number would have been too near to those of another connection.
        """
        if now >= self._until:
            return None
        ids_and_time = (seq_add(packet.connection_id, -1), packet.timestamp, 0)
        syn = Packet(SYN, *ids_and_time, packet.window, seq_add(packet.seq, -1), 0)
        for slots_ago in (0, 1):
            plain = self._hash(syn, source, int(now) // _SLOT - slots_ago, PLAIN)
            first_seq = plain.first_seq ^ _HALF if moved else plain.first_seq
            if seq_diff(first_seq, packet.ack) not in _LAGS:
                continue
            since = (microseconds(now) + plain.clock_offset - told_time(packet) + _DRIFT) & MASK
            for number, marks in enumerate(_MARKS):
                shift = number << _MARKS_SHIFT
                if (since + shift) & MASK <= microseconds(_ROUND_TRIP):
                    return _marked(syn, marks), Numbers(first_seq, (plain.clock_offset + shift) & MASK)
        return None

    def _hash(self, syn: Packet, source: Address, slot: int, marks: Marks) -> Numbers:
        told = f"{source.host} {source.port} {syn.connection_id} {syn.seq} {slot}".encode()
        digest = blake2b(told, key=self._key, digest_size=6).digest()
        clock_offset = int.from_bytes(digest[2:], "big") + (_MARKS.index(marks) << _MARKS_SHIFT)
        return Numbers(int.from_bytes(digest[:2], "big"), clock_offset & MASK)


def _marks_of(syn: Packet) -> Marks:
    marks = parse_marks(syn.extension(EXTENSION_BITS))
    return marks if marks in _MARKS else PLAIN


def _marked(syn: Packet, marks: Marks) -> Packet:
    """Return a SYN as a peer with these marks sends it."""
    return replace(syn, extensions=((EXTENSION_BITS, pack_marks(marks)),)) if marks else syn

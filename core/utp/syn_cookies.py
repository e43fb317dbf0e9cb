"""SYN cookies (RFC 4987 section 3.6): while all half-open places are taken, SYNs are answered and nothing is kept.

Number and clock of such an answer are a keyed hash of the SYN. Who acks that number and tells that clock has heard it,
so its first packet is enough to make the SYN again. The SYN's marks are lost: both sides take each other for plain.
"""

from hashlib import blake2b
from random import Random
from typing import Final, NamedTuple

from core.utp.config import UtpConfig
from core.utp.stamper import MASK, microseconds, told_time
from core.values import Address
from core.wire.utp_packet import STATE, SYN, Packet, pack_header, seq_add, seq_diff

_SLOT: Final = 64  # seconds that a cookie is the same; it is good until the next slot's end, so for all SYNs of one try
_KEY_BITS: Final = 256  # BLAKE2's strength, and more than guessing from answers ever needs
_ROUND_TRIP: Final = 4.0  # seconds, at most, since we sent what the peer tells us of: SYNs are repeated as slowly
_DRIFT: Final = 50_000  # microseconds by which the clocks may part, or be coarse, meanwhile
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
        self._key = b""  # drawn with the first cookie
        self._until = 0.0  # seconds; when the newest cookie is no good any more

    def active(self, now: float) -> bool:
        """Whether somebody may hold a cookie: no packet of a stranger proves then that we know nothing of it."""
        return now < self._until

    def numbers(self, syn: Packet, source: Address, now: float) -> Numbers | None:
        """Return what a connection made of a SYN begins with; None: as it likes, no earlier answer has told any."""
        return self._hash(syn, source, int(now) // _SLOT) if self.active(now) else None

    def answer(self, syn: Packet, source: Address, now: float) -> bytes:
        """Return the answer to a SYN: as long as that, so that a forged source gets no more than the forger sends."""
        self._key = self._key or self._random.getrandbits(_KEY_BITS).to_bytes(_KEY_BITS // 8, "big")
        self._until = now + 2 * _SLOT
        numbers = self._hash(syn, source, int(now) // _SLOT)
        stamp = (microseconds(now) + numbers.clock_offset) & MASK
        difference = (stamp - syn.timestamp) & MASK
        fields = (stamp, difference, self._config.receive_window, numbers.first_seq, syn.seq)
        return pack_header(STATE, syn.connection_id, *fields)

    def redeem(self, packet: Packet, source: Address, now: float) -> tuple[Packet, Numbers] | None:
        """Return the SYN that a stranger's packet follows, and our numbers, if it holds a cookie."""
        if not self.active(now):
            return None
        ids_and_time = (seq_add(packet.connection_id, -1), packet.timestamp, 0)
        syn = Packet(SYN, *ids_and_time, packet.window, seq_add(packet.seq, -1), 0)
        for slots_ago in (0, 1):
            numbers = self._hash(syn, source, int(now) // _SLOT - slots_ago)
            age = (microseconds(now) + numbers.clock_offset - told_time(packet) + _DRIFT) & MASK
            if seq_diff(numbers.first_seq, packet.ack) in _LAGS and age <= microseconds(_ROUND_TRIP):
                return syn, numbers
        return None

    def _hash(self, syn: Packet, source: Address, slot: int) -> Numbers:
        told = f"{source.host} {source.port} {syn.connection_id} {syn.seq} {slot}".encode()
        digest = blake2b(told, key=self._key, digest_size=6).digest()
        return Numbers(int.from_bytes(digest[:2], "big"), int.from_bytes(digest[2:], "big"))

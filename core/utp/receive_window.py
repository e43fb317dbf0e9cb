"""What arrived: reassembly in order, what a reader has not read, the window to advertise, the selective ack."""

from enum import Enum
from typing import Final

from core.utp.config import UtpConfig
from core.wire.utp_packet import seq_add, seq_diff

_CHUNK_BYTES: Final = 64  # that a bytes object and its place take beside its payload
_WORD: Final = 32  # bits; BEP 29: the mask is a multiple of 32 bits long


class Arrival(Enum):
    """What became of a packet."""

    IN_ORDER = "in order"
    GAP = "kept past a gap"
    DUPLICATE = "had it already"
    FAR = "out of reach"
    FULL = "no room"


IN_ORDER, GAP, DUPLICATE, FAR, FULL = Arrival  # names for hot paths: see DATA in core.wire


class ReceiveWindow:
    """The peer's stream. Bounded by a compliant peer to the receive window, by any to twice that.

    What comes in order is taken while the reader's part is not full, even when packets past a gap fill the rest:
    otherwise the missing packet could never come in.
    """

    __slots__ = (
        "_chunks",
        "_config",
        "_fin_seq",
        "_kept",
        "_kept_bytes",
        "_mask",
        "fin_reached",
        "next_seq",
        "unread_bytes",
    )

    def __init__(self, config: UtpConfig, next_seq: int) -> None:
        self._config = config
        self.next_seq = next_seq  # the one expected now; the ack is one less
        self.unread_bytes = 0
        self.fin_reached = False
        self._fin_seq: int | None = None
        self._chunks: list[bytes] = []
        self._kept: dict[int, bytes] = {}
        self._kept_bytes = 0
        self._mask = 0  # bit i: next_seq + i is kept; bit 0 is never set between calls

    @property
    def has_gap(self) -> bool:
        """Whether packets past a gap are kept, so that acks carry a selective ack."""
        return bool(self._mask)

    @property
    def has_unread(self) -> bool:
        """Whether `take` would return anything."""
        return bool(self._chunks)

    def available(self) -> int:
        """Return the bytes to advertise as window."""
        if len(self._chunks) >= self._config.unread_packets:
            return 0
        return max(0, self._config.receive_window - self.unread_bytes - self._kept_bytes)

    def buffered(self) -> int:
        """Return the bytes kept for a reader, with what Python adds to each packet."""
        packets = len(self._chunks) + len(self._kept)
        return self.unread_bytes + self._kept_bytes + packets * _CHUNK_BYTES

    def append(self, seq: int, payload: bytes) -> bool:
        """Take a DATA packet if it is just what comes next; False, and nothing done, when it needs `insert`."""
        if (
            seq != self.next_seq
            or self._mask
            or self._fin_seq is not None
            or not payload
            or self.unread_bytes >= self._config.receive_window
            or len(self._chunks) >= self._config.unread_packets
        ):
            return False
        self._chunks.append(payload)
        self.unread_bytes += len(payload)
        self.next_seq = seq + 1 & 0xFFFF
        return True

    def insert(self, seq: int, payload: bytes, *, fin: bool) -> Arrival:
        """Take a DATA or FIN packet."""
        if not fin and self.append(seq, payload):
            return IN_ORDER
        ahead = seq_diff(seq, self.next_seq)
        if abs(ahead) >= self._config.reorder_packets:
            return FAR
        if ahead < 0 or self._mask >> ahead & 1:
            return DUPLICATE
        if self._past_fin(seq, fin):
            return FAR
        if not self._has_room(ahead, len(payload)):
            return FULL
        if fin:
            self._end_at(seq)
        if ahead:
            self._kept[seq] = payload
            self._kept_bytes += len(payload)
            self._mask |= 1 << ahead
            return GAP
        self._advance(payload)
        return IN_ORDER

    def selective_ack(self) -> bytes:
        """Return the mask, first bit = ack + 2; empty when there is no gap, never when what is kept lies past it."""
        bits = self._mask >> 1 & (1 << self._config.selective_ack_bits) - 1
        words = max(-(-bits.bit_length() // _WORD), int(self.has_gap))
        return bits.to_bytes(words * (_WORD // 8), "little")

    def take(self) -> list[bytes]:
        """Return and forget what is in order, one entry for each packet that carried bytes."""
        chunks, self._chunks = self._chunks, []
        self.unread_bytes = 0
        return chunks

    def _past_fin(self, seq: int, fin: bool) -> bool:
        """Whether a packet contradicts the FIN that we know."""
        if self._fin_seq is None:
            return False
        distance = seq_diff(seq, self._fin_seq)
        return distance > 0 or (distance == 0) != fin

    def _has_room(self, ahead: int, size: int) -> bool:
        if not size:
            return True
        if ahead == 0:
            return self.unread_bytes < self._config.receive_window and len(self._chunks) < self._config.unread_packets
        return self.unread_bytes + self._kept_bytes + size <= self._config.receive_window

    def _end_at(self, seq: int) -> None:
        """Remember the FIN and forget what a confused peer sent past it."""
        self._fin_seq = seq
        for kept in [kept for kept in self._kept if seq_diff(kept, seq) > 0]:
            self._kept_bytes -= len(self._kept.pop(kept))
            self._mask &= ~(1 << seq_diff(kept, self.next_seq))

    def _advance(self, payload: bytes) -> None:
        """Deliver `payload` as the next packet, and what was waiting for it."""
        while True:
            if payload:
                self._chunks.append(payload)
                self.unread_bytes += len(payload)
            self.fin_reached = self.next_seq == self._fin_seq
            self.next_seq = seq_add(self.next_seq, 1)
            self._mask >>= 1
            if not self._mask & 1:
                return
            payload = self._kept.pop(self.next_seq)
            self._kept_bytes -= len(payload)

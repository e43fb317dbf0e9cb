"""What was sent and is not acknowledged: acks, selective acks, and which packets are lost.

Every transmission gets the next `order`. A packet is lost when one that was sent `_REORDERING` or more transmissions
later has arrived (the packet threshold of RFC 9002 section 6.1.1): three duplicate acks in terms of selective acks,
which also finds retransmissions that were lost. Only what the peer could have reported counts: libutp's selective ack
covers 30 packets past the gap, and of those beyond nothing is known. Duplicate acks are counted as well, since all that
came may lie past those 30. When everything in flight was lost no ack tells, so the sender asks by a probe.
"""

from typing import Final, NamedTuple

from core.wire.utp_packet import PacketType, seq_add, seq_diff

DUPLICATE_ACKS: Final = 3  # BEP 29 "packet loss", libutp's DUPLICATE_ACKS_BEFORE_RESEND
_REORDERING: Final = 3  # transmissions; the same number


class Segment:
    """A packet that takes a sequence number: DATA or FIN."""

    __slots__ = ("kind", "order", "payload", "probe", "sent_at", "seq", "transmissions")

    def __init__(self, kind: PacketType, seq: int, payload: bytes) -> None:
        self.kind = kind
        self.seq = seq
        self.payload = payload
        self.sent_at = 0.0
        self.transmissions = 0
        self.order = 0
        self.probe = False  # sent again without having been found lost


class Acked(NamedTuple):
    """What one ack told: bytes and packets newly acknowledged, round trips in seconds, packets newly lost."""

    size: int
    packets: int
    round_trip: float | None  # least of all newly acked; upper bound of the delay
    sample: float | None  # if none of them was sent twice (Karn): what was held past a gap was acked late
    lost: int
    fresh_loss: bool  # sent after the last time the window was halved


NOTHING: Final = Acked(0, 0, None, None, 0, False)


class SendWindow:
    """Sequence numbers from `base` (oldest unacknowledged) to `next_seq`, in flight or lost."""

    __slots__ = (
        "_duplicates",
        "_flight",
        "_halved_at",
        "_lost",
        "_order",
        "_repaired_at",
        "base",
        "flight_bytes",
        "next_seq",
        "unacked_bytes",
    )

    def __init__(self, first_seq: int) -> None:
        self.base = first_seq
        self.next_seq = first_seq
        self.flight_bytes = 0  # in flight, not those found lost
        self.unacked_bytes = 0  # both
        self._flight: dict[int, Segment] = {}  # in order of their last transmission
        self._lost: dict[int, Segment] = {}
        self._order = 0
        self._repaired_at: int | None = None  # until `base` is there, packets are missing or were sent more than once
        self._halved_at = 0  # order of the first transmission after the window was last halved
        self._duplicates = 0

    def __len__(self) -> int:
        return len(self._flight) + len(self._lost)

    @property
    def span(self) -> int:
        """Sequence numbers between the oldest unacknowledged and the next."""
        return self.next_seq - self.base & 0xFFFF

    @property
    def in_flight(self) -> int:
        """Packets in flight."""
        return len(self._flight)

    @property
    def lost(self) -> int:
        """Packets found lost and not sent again yet."""
        return len(self._lost)

    def add(self, kind: PacketType, payload: bytes) -> Segment:
        """Give a new packet its sequence number. Call `sent` with it at once."""
        segment = Segment(kind, self.next_seq, payload)
        self.next_seq = self.next_seq + 1 & 0xFFFF
        self.unacked_bytes += len(payload)
        return segment

    def sent(self, segment: Segment, now: float) -> None:
        """The packet leaves now."""
        segment.sent_at = now
        segment.transmissions += 1
        segment.order = self._order
        self._order += 1
        self._flight[segment.seq] = segment
        self.flight_bytes += len(segment.payload)

    def next_lost(self) -> Segment | None:
        """Return the lost packet that is to be sent next; it stays."""
        return next(iter(self._lost.values())) if self._lost else None

    def take_lost(self) -> Segment:
        """Remove and return it. Call `sent` with it at once."""
        return self._lost.pop(next(iter(self._lost)))

    def probe(self) -> None:
        """Put the oldest packet up to be sent again, though nothing says that it was lost; unless others wait for that.

        If everything in flight was lost, the ack of this packet alone tells so, whatever the peer can report.
        """
        segment = self._flight.get(self.base)
        if segment is not None and not self._lost:
            self._lose(segment)
            segment.probe = True

    def lose_all(self) -> None:
        """Take everything in flight for lost, oldest sequence number first: a timeout."""
        everything = [*self._lost.values(), *self._flight.values()]
        everything.sort(key=lambda segment: seq_diff(segment.seq, self.base))
        self._lost = {segment.seq: segment for segment in everything}
        self._flight.clear()
        self._repaired_at = self.next_seq
        self.flight_bytes = 0
        self._duplicates = 0
        self._halved_at = self._order

    def is_last(self, ack: int) -> bool:
        """Whether an ack is for the one packet in flight, which was sent once, and nothing else is missing."""
        return len(self._flight) == 1 and self._repaired_at is None and ack == self.next_seq - 1 & 0xFFFF

    def take_last(self) -> Segment:
        """Remove and return it; ask `is_last` before."""
        _, segment = self._flight.popitem()
        self.base = self.next_seq
        self.flight_bytes = self.unacked_bytes = self._duplicates = 0
        return segment

    def acknowledge(self, ack: int, mask: bytes, now: float, *, duplicate: bool, round_trip: float) -> Acked:
        """Take an ack that lies between `base - 1` and `next_seq - 1`, and its selective ack mask.

        `duplicate`: it came in a STATE that says nothing else new, so that it counts for fast retransmit.
        `round_trip`: the smoothed estimate in seconds, 0 without one.
        """
        if mask:
            self._repaired_at = self.next_seq
        if self._repaired_at is None and ack != self.base - 1 & 0xFFFF:
            return self._take_oldest(ack, now)
        acked = self._cumulative(ack)
        if acked:
            self._duplicates = 0
        if mask:
            acked += self._selective(ack, mask)
        while self.base != self.next_seq and self.base not in self._flight and self.base not in self._lost:
            self.base = seq_add(self.base, 1)  # everything up to a hole has come by selective acks
        if self._repaired_at is not None and seq_diff(self.base, self._repaired_at) >= 0:
            self._repaired_at = None
        lost: list[Segment] = []
        if acked:
            reported = self._reported(ack, mask)
            lost = self._find_lost(acked, now - round_trip / 2, reported)
        elif duplicate and self._flight:
            lost = self._count_duplicate(now - round_trip)
        if not (acked or lost):
            return NOTHING
        return self._summary(acked, lost, now)

    def halved(self) -> None:
        """The window was halved: losses of what was already sent do not halve it again."""
        self._halved_at = self._order

    def _take_oldest(self, ack: int, now: float) -> Acked:
        """The usual ack: all in flight was sent once, in order, and the oldest arrived. Nothing can be lost."""
        flight, base, newest = self._flight, self.base, self._flight[ack]
        count = (ack - base & 0xFFFF) + 1
        size = 0
        for seq in range(base, base + count):
            size += len(flight.pop(seq & 0xFFFF).payload)
        self.base = ack + 1 & 0xFFFF
        self.flight_bytes -= size
        self.unacked_bytes -= size
        self._duplicates = 0
        round_trip = now - newest.sent_at
        return Acked(size, count, round_trip, round_trip, 0, False)

    def _cumulative(self, ack: int) -> list[Segment]:
        acked = []
        seq = self.base
        for _ in range(seq_diff(ack, self.base) + 1):
            segment = self._remove(seq)
            if segment is not None:
                acked.append(segment)
            seq = seq_add(seq, 1)
        self.base = seq
        return acked

    def _selective(self, ack: int, mask: bytes) -> list[Segment]:
        acked = []
        bits = int.from_bytes(mask, "little")
        while bits:
            lowest = bits & -bits
            bits ^= lowest
            segment = self._remove(seq_add(ack, 1 + lowest.bit_length()))
            if segment is not None:
                acked.append(segment)
        return acked

    def _remove(self, seq: int) -> Segment | None:
        segment = self._flight.pop(seq, None)
        if segment is not None:
            self.flight_bytes -= len(segment.payload)
        else:
            segment = self._lost.pop(seq, None)
            if segment is None:
                return None
        self.unacked_bytes -= len(segment.payload)
        return segment

    def _reported(self, ack: int, mask: bytes) -> int:
        """Return how far past `base` the peer could report. Without a mask it holds nothing past the gap."""
        if not mask:
            return self.span
        return seq_diff(ack, self.base) + 8 * len(mask)  # libutp leaves the last two bits of 32 unused

    def _find_lost(self, acked: list[Segment], sent_before: float, reported: int) -> list[Segment]:
        """Move to the lost what was sent well before the newest transmission that is known to have arrived.

        Of a packet sent again, that is its last transmission only if that is old enough to be answered; of a probe,
        only if nothing came with it that shows that the peer was just late.
        """
        newest = -1
        for segment in acked:
            reported = max(reported, seq_diff(segment.seq, self.base))
            if segment.probe and segment.transmissions == 2:
                if len(acked) == 1:
                    newest = max(newest, segment.order + _REORDERING)  # all else was sent long before
            elif segment.transmissions == 1 or segment.sent_at <= sent_before:
                newest = max(newest, segment.order)
        lost = []
        for segment in self._flight.values():
            if segment.order + _REORDERING > newest:
                break
            if segment.seq == self.base or seq_diff(segment.seq, self.base) < reported:
                lost.append(segment)
        for segment in lost:
            self._lose(segment)
        return lost

    def _count_duplicate(self, sent_before: float) -> list[Segment]:
        self._duplicates += 1
        oldest = self._flight.get(self.base)
        if self._duplicates < DUPLICATE_ACKS or oldest is None:
            return []
        if oldest.transmissions > 1 and oldest.sent_at > sent_before:
            return []  # sent again, and not yet time for an answer
        self._duplicates = 0
        self._lose(oldest)
        return [oldest]

    def _lose(self, segment: Segment) -> None:
        self._repaired_at = self.next_seq
        del self._flight[segment.seq]
        self._lost[segment.seq] = segment
        self.flight_bytes -= len(segment.payload)

    def _summary(self, acked: list[Segment], lost: list[Segment], now: float) -> Acked:
        round_trip = min((now - segment.sent_at for segment in acked), default=None)
        again = any(segment.transmissions > 1 for segment in acked)
        return Acked(
            size=sum(len(segment.payload) for segment in acked),
            packets=len(acked),
            round_trip=round_trip,
            sample=None if again else round_trip,
            lost=len(lost),
            fresh_loss=any(segment.order >= self._halved_at for segment in lost),
        )

"""Where a connection stands: what its peer must know, and what a packet from anywhere can be held against."""

from typing import Final, NamedTuple

from core.utp.header_writer import MASK, HeaderWriter, microseconds, told_time
from core.utp.sender import Sender
from core.wire.utp_packet import FIN, Packet, seq_diff

_DRIFT: Final = 50_000  # microseconds that two clocks may part in a silence; 100 ppm of 120 s are 12,000
_LATE: Final = 0.5  # seconds; with the next: how long ago it may tell our clock
_QUEUES: Final = 8.0  # seconds; what bloated buffers of slow lines hold at most. One in 530 of all times
_TRIPS: Final = 4  # smoothed round trips


class SequenceSpace(NamedTuple):
    """One moment of a connection. It is of no use during the handshake."""

    sender: Sender
    expected: int  # the peer's next sequence number
    window: int  # bytes, as last advertised
    headers: HeaderWriter

    def in_reach(self, packet: Packet, reorder: int) -> bool:
        """Whether a packet has numbers that the peer could send now, `reorder` packets ahead or behind at most."""
        return not self.sender.is_forged(packet.ack, reorder) and abs(seq_diff(packet.seq, self.expected)) < reorder

    def is_recent(self, told: int, clock: int) -> bool:
        """Whether a time that a packet tells is about a round trip before `clock`: its sender hears us."""
        age = (clock - told + _DRIFT) & MASK
        return age <= microseconds(_LATE + _TRIPS * (self.sender.round_trip.smoothed or 0.0))

    def doubts(self, packet: Packet, clock: int) -> bool:
        """Whether DATA past a gap, or a FIN, does not tell our time of the last seconds, as peers of ours do.

        Who knows the ids (libutp's can be guessed) and hits one of some 2,000 numbers would leave wrong bytes in the
        stream, or an end in the middle of it. Our time can be told only by who hears us: of a million, one fits. Queues
        on the way may be long: a side that only receives knows the round trip of the handshake alone.
        """
        ahead = seq_diff(packet.seq, self.expected)
        if ahead < 0 or (not ahead and packet.type is not FIN):
            return False
        return (clock - told_time(packet) + _DRIFT) & MASK > microseconds(_QUEUES)

    def challenge(self, stamp: int) -> list[bytes]:
        """Return datagrams that make who gets them answer with `stamp` (`core.utp.path_validation`)."""
        return self.headers.challenge(stamp, self.window, self.sender.next_seq, self.sender.oldest, self.expected)

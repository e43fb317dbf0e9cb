"""What goes into the headers of one connection's packets: ids, timestamps, and the delay that we measured."""

from collections.abc import Iterable
from typing import Final

from core.utp.send_window import Segment
from core.wire.utp_packet import DATA, RESET, STATE, SYN, Extension, Packet, pack_header, seq_add

_MICROSECONDS: Final = 1_000_000
MASK: Final = 0xFFFFFFFF


def microseconds(now: float) -> int:
    """Return a time as it travels: microseconds modulo 2**32."""
    return int(now * _MICROSECONDS) & MASK


def told_time(packet: Packet) -> int:
    """Return the time on our clock that a packet tells: when we sent what its sender heard last, plus the time since.

    That is one round trip ago, however long the silence was. Microseconds modulo 2**32.
    """
    return (packet.timestamp - packet.timestamp_difference) & MASK


class HeaderWriter:
    """Makes packets. `next_seq` is what a STATE carries, `expected` the peer's number that we wait for."""

    __slots__ = ("_difference", "_offset", "_receive_id", "_send_id")

    def __init__(self, receive_id: int, send_id: int, clock_offset: int) -> None:
        """`clock_offset`, microseconds: random, so that only who hears us can tell our time (`core.utp.rebinding`)."""
        self._offset = clock_offset
        self._receive_id = receive_id
        self._send_id = send_id
        self._difference = 0  # microseconds, what we measured last of the peer's packets

    def renumber(self, receive_id: int, send_id: int) -> None:
        """Use other ids from now on."""
        self._receive_id, self._send_id = receive_id, send_id

    def clock(self, now: float) -> int:
        """Return the time as this connection tells it, microseconds modulo 2**32."""
        return (int(now * _MICROSECONDS) + self._offset) & MASK

    def heard(self, packet: Packet, now: float) -> None:
        """Measure the delay that our next packets report."""
        self._difference = (self.clock(now) - packet.timestamp) & MASK

    def syn(self, now: float, seq: int, window: int, extensions: tuple[Extension, ...]) -> bytes:
        """Return a SYN: it alone carries the id that we receive."""
        fields = (self._receive_id, self.clock(now), 0, window, seq, 0)
        return bytes(Packet(SYN, *fields, extensions=extensions))

    def data(self, segments: Iterable[Segment], now: float, window: int, expected: int) -> list[bytes]:
        """Return DATA and FIN packets."""
        stamp, ack = self.clock(now), seq_add(expected, -1)
        send_id, difference = self._send_id, self._difference
        return [
            pack_header(segment.kind, send_id, stamp, difference, window, segment.seq, ack) + segment.payload
            for segment in segments
        ]

    def state(
        self,
        now: float,
        window: int,
        next_seq: int,
        expected: int,
        mask: bytes = b"",
        extensions: tuple[Extension, ...] = (),
    ) -> bytes:
        """Return an ack."""
        ack = seq_add(expected, -1)
        fields = (self._send_id, self.clock(now), self._difference, window, next_seq, ack)
        return bytes(Packet(STATE, *fields, mask, extensions=extensions))

    def challenge(self, stamp: int, window: int, next_seq: int, oldest: int, expected: int) -> list[bytes]:
        """Return the two packets of a path validation: one that is measured, one that is answered.

        See `core.utp.path_validation`. The acks are one too low, as a keepalive's: neither counts as a duplicate ack.
        """
        ack = seq_add(expected, -2)
        return [
            pack_header(kind, self._send_id, stamp, self._difference, window, seq, ack)
            for kind, seq in ((STATE, next_seq), (DATA, seq_add(oldest, -1)))
        ]

    def reset(self, now: float, next_seq: int, expected: int) -> bytes:
        """Return a RESET."""
        ack = seq_add(expected, -1)
        return pack_header(RESET, self._send_id, self.clock(now), self._difference, 0, next_seq, ack)

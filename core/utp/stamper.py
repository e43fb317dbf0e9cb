"""What goes into the headers of one connection's packets: ids, timestamps, and the delay that we measured."""

from collections.abc import Iterable
from typing import Final

from core.utp.send_window import Segment
from core.wire.utp_packet import Extension, Packet, PacketType, pack_header, seq_add

_MICROSECONDS: Final = 1_000_000
_MASK: Final = 0xFFFFFFFF


def microseconds(now: float) -> int:
    """Return a time as it travels: microseconds modulo 2**32."""
    return int(now * _MICROSECONDS) & _MASK


class Stamper:
    """Makes packets. `next_seq` is what a STATE carries, `expected` the peer's number that we wait for."""

    def __init__(self, receive_id: int, send_id: int) -> None:
        self._receive_id = receive_id
        self._send_id = send_id
        self._difference = 0  # microseconds, what we measured last of the peer's packets
        self._newest = 0  # the peer's timestamp, last heard

    def heard(self, packet: Packet, now: float) -> None:
        """Measure the delay that our next packets report."""
        self._newest = packet.timestamp
        self._difference = (microseconds(now) - packet.timestamp) & _MASK

    def is_newer(self, packet: Packet) -> bool:
        """Whether a packet was sent after the one heard last, by the peer's clock."""
        return 0 < (packet.timestamp - self._newest) & _MASK <= _MASK >> 1

    def syn(self, now: float, seq: int, window: int, extensions: tuple[Extension, ...]) -> bytes:
        """Return a SYN: it alone carries the id that we receive."""
        fields = (self._receive_id, microseconds(now), 0, window, seq, 0)
        return bytes(Packet(PacketType.SYN, *fields, extensions=extensions))

    def data(self, segments: Iterable[Segment], now: float, window: int, expected: int) -> list[bytes]:
        """Return DATA and FIN packets."""
        stamp, ack = microseconds(now), seq_add(expected, -1)
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
        fields = (self._send_id, microseconds(now), self._difference, window, next_seq, ack)
        return bytes(Packet(PacketType.STATE, *fields, mask, extensions=extensions))

    def reset(self, now: float, next_seq: int, expected: int) -> bytes:
        """Return a RESET."""
        ack = seq_add(expected, -1)
        return pack_header(PacketType.RESET, self._send_id, microseconds(now), self._difference, 0, next_seq, ack)

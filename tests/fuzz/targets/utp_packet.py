"""Any datagram is a uTP packet, which reads back as itself, or RemoteError; marks, probes and cookies raise nothing.
What the first bytes call uTP is what the parser takes for it, extensions aside.
"""

from core.errors import RemoteError
from core.wire.utp_marks import ALL_MARKS, pack_marks, parse_marks
from core.wire.utp_packet import EXTENSION_BITS, HEADER_BYTES, Packet, PacketType, is_utp, parse, seq_add, seq_diff
from core.wire.utp_probe import PATH_ANSWER, PATH_PROBE, Probe, datagram_bytes, pack_probe, parse_probe

WATCHED = ["core.wire.utp_packet", "core.wire.utp_marks", "core.wire.utp_probe"]
SEEDS = [
    bytes(Packet(PacketType.SYN, 1, 2, 3, 4, 5, 6, extensions=((EXTENSION_BITS, pack_marks(ALL_MARKS)),))),
    bytes(Packet(PacketType.DATA, 1, 2, 3, 4, 5, 6, b"\1\0\0\x80", b"hello")),
    bytes(Packet(PacketType.STATE, 1, 2, 3, 4, 5, 6, extensions=(pack_probe(PATH_PROBE, Probe(7, 1400)),))),
    bytes(Packet(PacketType.STATE, 1, 2, 3, 4, 5, 6, extensions=(pack_probe(PATH_ANSWER, Probe(7, 1400)),))),
    bytes(Packet(PacketType.RESET, 1, 2, 3, 4, 5, 6)),
]


def run(data: bytes) -> None:
    try:
        packet = parse(data)
    except RemoteError:
        if is_utp(data) and not data[1]:
            raise AssertionError("a packet without extensions was refused") from None
        return
    if not is_utp(data) or parse(memoryview(data)) != packet:
        raise AssertionError("two opinions of one datagram")
    again = bytes(packet)
    if parse(again) != packet or datagram_bytes(packet) != len(again) or len(again) > len(data):
        raise AssertionError(f"{packet} is not what it reads back as")
    if parse_marks(packet.extension(EXTENSION_BITS)) & ~ALL_MARKS:
        raise AssertionError("marks that nobody knows")
    for kind in (PATH_PROBE, PATH_ANSWER):
        probe = parse_probe(packet, kind)
        if probe is not None and pack_probe(kind, probe) not in packet.extensions:
            raise AssertionError("a probe that was not there")
    if seq_diff(seq_add(packet.seq, packet.ack - 0x8000), packet.seq) != packet.ack - 0x8000:
        raise AssertionError("serial arithmetic")
    if len(data) < HEADER_BYTES:
        raise AssertionError("too short for a header")

"""A datagram is one of the two control datagrams, byte for byte, or none; nothing is ever raised.
None of them can be taken for uTP or for a KRPC message.
"""

from core.wire.punch_packet import PunchPacket, parse
from core.wire.utp_packet import is_utp

WATCHED = ["core.wire.punch_packet"]
SEEDS = [packet.value for packet in PunchPacket]
MAX_INPUT = 64


def run(data: bytes) -> None:
    said = parse(data)
    if said is not parse(memoryview(data)) or (said is None) != (data not in SEEDS):
        raise AssertionError(f"{data!r} is {said}")
    if said is not None and (said.value != data or is_utp(data) or data[:1] == b"d"):
        raise AssertionError(f"{data!r} means two things")

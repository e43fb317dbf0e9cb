"""Path probes and their answers: extensions of a STATE packet, between marked peers only (docs/protocol-additions.md).

A probe is padded with zeros, as payload of its STATE, up to the size that it asks about. Pure: bytes to values, back.
"""

import struct
from typing import Final, NamedTuple

from core.wire.utp_packet import HEADER_BYTES, Extension, Packet

PATH_PROBE: Final = 200  # extension numbers: far from BEP 29's and libutp's, which are 1 to 4
PATH_ANSWER: Final = 201

_CONTENT: Final = struct.Struct(">IH")  # nonce, bytes of the whole datagram
_CHAINED: Final = 2  # bytes before the content of each extension: the next one's number, and a length


class Probe(NamedTuple):
    """Asks whether a datagram of `size` bytes (UDP payload) arrives, or says that it did."""

    nonce: int  # 32 bits
    size: int  # 16 bits


def pack_probe(number: int, probe: Probe) -> Extension:
    """Return the extension: `number` is PATH_PROBE or PATH_ANSWER."""
    return number, _CONTENT.pack(*probe)


def parse_probe(packet: Packet, number: int) -> Probe | None:
    """Return the probe or answer that a packet carries; None without one, or for one of another length."""
    content = packet.extension(number)
    return Probe(*_CONTENT.unpack(content)) if len(content) == _CONTENT.size else None


def datagram_bytes(packet: Packet) -> int:
    """Return how long the datagram of a packet is."""
    chain = len(packet.selective_ack) + (_CHAINED if packet.selective_ack else 0)
    chain += sum(_CHAINED + len(content) for _, content in packet.extensions)
    return HEADER_BYTES + chain + len(packet.payload)

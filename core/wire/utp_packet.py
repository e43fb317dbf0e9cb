"""The uTP packet (BEP 29): 20 byte header, extensions, payload; and serial arithmetic on sequence numbers.

Pure: bytes to values and back. `parse(bytes(packet)) == packet`; any other bytes give a packet or RemoteError.
"""

import struct
from enum import IntEnum
from typing import Final, NamedTuple

from core.errors import RemoteError
from core.values import Buffer

VERSION: Final = 1  # BEP 29 "header format"; the only one in use
HEADER_BYTES: Final = 20  # BEP 29 "header format"
SELECTIVE_ACK: Final = 1  # extension number, BEP 29 "selective ACK"
MAX_EXTENSIONS: Final = 16  # chain length; one is defined and libutp knows two, more than this is noise
MAX_MASK_BYTES: Final = 252  # the length is one byte and a multiple of 4

_HEADER: Final = struct.Struct(">BBHIIIHH")
_SEQUENCES: Final = 0x10000


class PacketType(IntEnum):
    """What a packet is for (BEP 29 "type")."""

    DATA = 0
    FIN = 1
    STATE = 2
    RESET = 3
    SYN = 4


_TYPES: Final = tuple(PacketType)


class Packet(NamedTuple):
    """One datagram. Times are microseconds modulo 2**32, sequence numbers are modulo 2**16.

    `selective_ack` is the bit mask, empty when there is none: bit i of byte k stands for `ack + 2 + 8 * k + i`.
    """

    type: PacketType
    connection_id: int
    timestamp: int
    timestamp_difference: int
    window: int  # bytes the sender of this packet can still take
    seq: int
    ack: int
    selective_ack: bytes = b""
    payload: bytes = b""

    def __bytes__(self) -> bytes:
        """Return the datagram. Raises struct.error when a field does not fit."""
        mask = self.selective_ack
        header = _HEADER.pack(self.type << 4 | VERSION, SELECTIVE_ACK if mask else 0, *self[1:7])
        if mask:
            return header + bytes((0, len(mask))) + mask + self.payload
        return header + self.payload


def pack_header(
    kind: PacketType, connection_id: int, timestamp: int, difference: int, window: int, seq: int, ack: int
) -> bytes:
    """Return the 20 bytes of a packet without extensions: the hot path of sending."""
    return _HEADER.pack(kind << 4 | VERSION, 0, connection_id, timestamp, difference, window, seq, ack)


def is_utp(datagram: Buffer) -> bool:
    """Tell whether a datagram claims to be uTP version 1, by its first byte and its size."""
    return len(datagram) >= HEADER_BYTES and datagram[0] & 0x0F == VERSION and datagram[0] >> 4 < len(_TYPES)


def parse(datagram: Buffer) -> Packet:
    """Read one datagram; unknown extensions are skipped by their length. Raises RemoteError when it is malformed."""
    if len(datagram) < HEADER_BYTES:
        raise RemoteError(f"{len(datagram)} bytes are no uTP packet: the header alone takes {HEADER_BYTES}")
    first, extension, *fields = _HEADER.unpack_from(datagram)
    if first & 0x0F != VERSION or first >> 4 >= len(_TYPES):
        raise RemoteError(f"0x{first:02x} is no type and version of uTP")
    mask, offset = _extensions(datagram, extension) if extension else (b"", HEADER_BYTES)
    connection_id, timestamp, difference, window, seq, ack = fields
    payload = bytes(memoryview(datagram)[offset:])
    return Packet(_TYPES[first >> 4], connection_id, timestamp, difference, window, seq, ack, mask, payload)


def _extensions(datagram: Buffer, extension: int) -> tuple[bytes, int]:
    """Return the selective ack mask, or b"", and where the payload starts."""
    mask, offset = b"", HEADER_BYTES
    for _ in range(MAX_EXTENSIONS):
        if offset + 2 > len(datagram):
            raise RemoteError("the extension chain runs past the datagram")
        following, length = datagram[offset], datagram[offset + 1]
        offset += 2
        if offset + length > len(datagram):
            raise RemoteError(f"extension {extension} of {length} bytes runs past the datagram")
        if extension == SELECTIVE_ACK:
            if length == 0 or length % 4:
                raise RemoteError(f"a selective ack of {length} bytes; BEP 29 wants a multiple of 4")
            mask = bytes(datagram[offset : offset + length])
        offset += length
        extension = following
        if not extension:
            return mask, offset
    raise RemoteError(f"more than {MAX_EXTENSIONS} extensions")


def seq_diff(a: int, b: int) -> int:
    """Return the signed distance from `b` to `a`, in packets, in [-32768, 32767] (RFC 1982)."""
    return ((a - b + 0x8000) & 0xFFFF) - 0x8000


def seq_add(seq: int, step: int) -> int:
    """Return the sequence number `step` packets after `seq` (before it, when negative)."""
    return (seq + step) % _SEQUENCES

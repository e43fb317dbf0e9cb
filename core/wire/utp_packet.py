"""The uTP packet (BEP 29): 20 byte header, extensions, payload; and serial arithmetic on sequence numbers.

Pure: bytes to values and back. `parse(bytes(packet)) == packet`; any other bytes give a packet or RemoteError.
"""

import struct
from collections.abc import Sequence
from enum import IntEnum
from typing import Final, TypeAlias

from core.errors import RemoteError
from core.frozen import quick
from core.values import Buffer

VERSION: Final = 1  # BEP 29 "header format"; the only one in use
HEADER_BYTES: Final = 20  # BEP 29 "header format"
SELECTIVE_ACK: Final = 1  # extension number, BEP 29 "selective ACK"
EXTENSION_BITS: Final = 2  # extension number of libutp: 8 bytes of "extension bits" in a SYN or its answer
MAX_EXTENSIONS: Final = 16  # chain length; one is defined and libutp knows two, more than this is noise

_HEADER: Final = struct.Struct(">BBHIIIHH")
_SEQUENCES: Final = 0x10000

Extension: TypeAlias = tuple[int, bytes]
"""Its number, 1 to 255, and its content, at most 255 bytes."""


class PacketType(IntEnum):
    """What a packet is for (BEP 29 "type")."""

    DATA = 0
    FIN = 1
    STATE = 2
    RESET = 3
    SYN = 4


# names for hot paths: an attribute of an enum class is slow on Python 3.11
DATA: Final = PacketType.DATA
FIN: Final = PacketType.FIN
STATE: Final = PacketType.STATE
RESET: Final = PacketType.RESET
SYN: Final = PacketType.SYN
_TYPES: Final = tuple(PacketType)


@quick
class Packet:
    """One datagram. Times are microseconds modulo 2**32, sequence numbers are modulo 2**16.

    `selective_ack` is the bit mask, empty when there is none: bit i of byte k stands for `ack + 2 + 8 * k + i`.
    `extensions` are all others, in order; a peer that does not know one skips it.
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
    extensions: tuple[Extension, ...] = ()

    def __init__(
        self, type: PacketType, connection_id: int, timestamp: int, timestamp_difference: int, window: int, seq: int,
        ack: int, selective_ack: bytes = b"", payload: bytes = b"", extensions: tuple[Extension, ...] = (),
    ) -> None:  # fmt: skip
        self.type = type
        self.connection_id = connection_id
        self.timestamp = timestamp
        self.timestamp_difference = timestamp_difference
        self.window = window
        self.seq = seq
        self.ack = ack
        self.selective_ack = selective_ack
        self.payload = payload
        self.extensions = extensions

    def __bytes__(self) -> bytes:
        """Return the datagram. Raises struct.error or ValueError when a field does not fit."""
        chain = self.extensions
        if self.selective_ack:
            chain = ((SELECTIVE_ACK, self.selective_ack), *chain)
        header = _HEADER.pack(
            self.type << 4 | VERSION, chain[0][0] if chain else 0, self.connection_id, self.timestamp,
            self.timestamp_difference, self.window, self.seq, self.ack,
        )  # fmt: skip
        return header + _pack_chain(chain) + self.payload if chain else header + self.payload

    def extension(self, number: int) -> bytes:
        """Return the content of the first extension of this number; b"" without one."""
        return next((content for kind, content in self.extensions if kind == number), b"")


def _pack_chain(chain: Sequence[Extension]) -> bytes:
    """Return extensions as they travel: each begins with the number of the next one, 0 after the last."""
    following = [kind for kind, _ in chain[1:]] + [0]
    return b"".join(
        bytes((after, len(content))) + content for after, (_, content) in zip(following, chain, strict=True)
    )


def pack_header(
    kind: PacketType, connection_id: int, timestamp: int, difference: int, window: int, seq: int, ack: int
) -> bytes:
    """Return the 20 bytes of a packet without extensions: the hot path of sending."""
    return _HEADER.pack(kind << 4 | VERSION, 0, connection_id, timestamp, difference, window, seq, ack)


def is_utp(datagram: Buffer) -> bool:
    """Tell whether a datagram claims to be uTP version 1, by its first byte and its size."""
    return len(datagram) >= HEADER_BYTES and datagram[0] & 0x0F == VERSION and datagram[0] >> 4 < len(_TYPES)


def stream_id(datagram: Buffer) -> int:
    """Return the connection id of a DATA, FIN or STATE packet; -1 for anything else. Nothing else is read."""
    if len(datagram) < HEADER_BYTES or datagram[0] >> 4 > STATE:
        return -1
    return datagram[2] << 8 | datagram[3]


def parse(datagram: Buffer) -> Packet:
    """Read one datagram. Raises RemoteError when it is malformed."""
    if len(datagram) < HEADER_BYTES:
        raise RemoteError(f"{len(datagram)} bytes are no uTP packet: the header alone takes {HEADER_BYTES}")
    first, extension, connection_id, timestamp, difference, window, seq, ack = _HEADER.unpack_from(datagram)
    if first & 0x0F != VERSION or first >> 4 >= len(_TYPES):
        raise RemoteError(f"0x{first:02x} is no type and version of uTP")
    kind = _TYPES[first >> 4]
    if not extension:
        payload = bytes(datagram[HEADER_BYTES:])
        return Packet(kind, connection_id, timestamp, difference, window, seq, ack, b"", payload)
    mask, others, offset = _parse_chain(datagram, extension)
    payload = bytes(datagram[offset:])
    return Packet(kind, connection_id, timestamp, difference, window, seq, ack, mask, payload, others)


def _parse_chain(datagram: Buffer, extension: int) -> tuple[bytes, tuple[Extension, ...], int]:
    """Return the selective ack mask, or b"", the other extensions, and where the payload starts."""
    mask, offset = b"", HEADER_BYTES
    others: list[Extension] = []
    for _ in range(MAX_EXTENSIONS):
        if offset + 2 > len(datagram):
            raise RemoteError("the extension chain runs past the datagram")
        following, length = datagram[offset], datagram[offset + 1]
        offset += 2
        if offset + length > len(datagram):
            raise RemoteError(f"extension {extension} of {length} bytes runs past the datagram")
        content = bytes(datagram[offset : offset + length])
        if extension != SELECTIVE_ACK:
            others.append((extension, content))
        elif length == 0 or length % 4:
            raise RemoteError(f"a selective ack of {length} bytes; BEP 29 wants a multiple of 4")
        else:
            mask = content
        offset += length
        extension = following
        if not extension:
            return mask, tuple(others), offset
    raise RemoteError(f"more than {MAX_EXTENSIONS} extensions")


def seq_diff(a: int, b: int) -> int:
    """Return the signed distance from `b` to `a`, in packets, in [-32768, 32767] (RFC 1982)."""
    return ((a - b + 0x8000) & 0xFFFF) - 0x8000


def seq_add(seq: int, step: int) -> int:
    """Return the sequence number `step` packets after `seq` (before it, when negative)."""
    return (seq + step) % _SEQUENCES

"""Node ids bound to an address (BEP 42): who has one address has few ids to choose from."""

import ipaddress
from random import Random
from typing import Final

from core.wire.compact import ID_BYTES

_MASK: Final = 0x030F3FFF  # of an IPv4 address, BEP 42
_POLYNOMIAL: Final = 0x82F63B78  # CRC32C (Castagnoli), reflected


def _table() -> tuple[int, ...]:
    found = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (_POLYNOMIAL if value & 1 else 0)
        found.append(value)
    return tuple(found)


_TABLE: Final = _table()


def crc32c(data: bytes) -> int:
    """Return the CRC32C of some bytes (RFC 3720 appendix B.4)."""
    value = 0xFFFFFFFF
    for byte in data:
        value = value >> 8 ^ _TABLE[(value ^ byte) & 0xFF]
    return value ^ 0xFFFFFFFF


def _head(host: str, number: int) -> int:
    """Return the 21 bits, at the upper end of 24, that an id at this host begins with."""
    masked = int(ipaddress.IPv4Address(host)) & _MASK | (number & 7) << 29
    return crc32c(masked.to_bytes(4, "big")) >> 8 & 0xFFFFF8


def node_id(host: str, random: Random) -> bytes:
    """Return an id for a node at a public IPv4 host. Raises ValueError for anything else."""
    number = random.randrange(256)
    head = (_head(host, number) | random.randrange(8)).to_bytes(3, "big")
    return head + random.randbytes(ID_BYTES - 4) + bytes([number])


def fits(node: bytes, host: str) -> bool:
    """Return whether an id may belong to a node at this host."""
    return int.from_bytes(node[:3], "big") & 0xFFFFF8 == _head(host, node[-1])

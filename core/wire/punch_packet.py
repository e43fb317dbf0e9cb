"""The two control datagrams of hole punching, and how they are told from everything else on a peer's socket.

PROTOCOL section 4: a punch is exactly `c3 bf` (U+00FF in UTF-8). Only our peers send the second one, a punch followed
by ASCII ACK (06): "I heard one punch of yours". A plain Grenache peer drops it unseen, since it is neither exactly a
punch nor a uTP packet (whose first byte has a low nibble of 1).
"""

import enum
from typing import Final

from core.values import Buffer


class PunchPacket(enum.Enum):
    """What a control datagram says; `value` is its bytes."""

    PUNCH = b"\xc3\xbf"
    ACK = b"\xc3\xbf\x06"


_BY_BYTES: Final = {packet.value: packet for packet in PunchPacket}
_LONGEST: Final = max(map(len, _BY_BYTES))  # bytes


def parse(datagram: Buffer) -> PunchPacket | None:
    """Return what a datagram says, or None when it is no control datagram. Never raises."""
    if len(datagram) > _LONGEST:  # the common case, a uTP packet, is not even copied
        return None
    return _BY_BYTES.get(bytes(datagram))

"""Many datagrams per system call on Linux: UDP_SEGMENT to send, UDP_GRO to receive, and where they are refused.

The kernel cuts one buffer into datagrams of one size (the last may be shorter), as late as the network card allows,
and joins on arrival what came from one source alike. 46 datagrams of 1,402 bytes cost 8 us instead of 84 (measured,
both ways together, Linux 6.18). The numbers are linux/udp.h's: Python's socket module does not name them all.
"""

import errno
import socket
import struct
import sys
from collections.abc import Sequence
from typing import Final

from core.values import Address

SOL_UDP: Final = 17
UDP_SEGMENT: Final = 103  # since Linux 4.18
UDP_GRO: Final = 104  # since Linux 5.0
SEGMENTS_MAX: Final = 64  # UDP_MAX_SEGMENTS up to Linux 6.8; 128 since
BATCH_BYTES: Final = 65_506  # an IPv4 datagram's 65,535 - 20 IP - 8 UDP, and one to spare

_SIZE: Final = struct.Struct("=H")  # the segment size to send: __u16
REFUSALS_MAX: Final = 256  # destinations; full: the one noted first is forgotten, and simply tried again
REFUSAL_AGE: Final = 600.0  # seconds; Linux forgets what it learned of a path's MTU as soon (ipv4 route/mtu_expires)

# The socket as a whole cannot do it.
_NEVER: Final = frozenset({errno.ENOPROTOOPT, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS})
# The route: a segment longer than its MTU (EINVAL, EMSGSIZE by kernel), IPsec, a card that cannot sum (EIO).
_THERE: Final = frozenset({errno.EINVAL, errno.EMSGSIZE, errno.EIO})


def can_segment(sock: socket.socket) -> bool:
    """Tell whether this kernel cuts. One that does not know UDP_SEGMENT would send a whole batch as ONE datagram."""
    if sys.platform != "linux" or not hasattr(sock, "sendmsg"):
        return False
    try:
        sock.getsockopt(SOL_UDP, UDP_SEGMENT)
    except OSError:
        return False
    return True


def join_arrivals(sock: socket.socket) -> bool:
    """Ask the kernel to join what arrives; tell whether it will."""
    if sys.platform != "linux" or not hasattr(sock, "recvmsg_into"):
        return False
    try:
        sock.setsockopt(SOL_UDP, UDP_GRO, 1)
    except OSError:
        return False
    return True


def segment_size(size: int) -> list[tuple[int, int, bytes]]:
    """Return the ancillary data that makes sendmsg cut every `size` bytes."""
    return [(SOL_UDP, UDP_SEGMENT, _SIZE.pack(size))]


def batch_end(datagrams: Sequence[bytes], start: int) -> int:
    """Return where the batch that begins at `start` ends: equal sizes, a shorter one is the last. At least one.

    An empty datagram is never part of a batch: as the last segment it would not exist.
    """
    size = len(datagrams[start])
    if not size:
        return start + 1
    limit = min(len(datagrams), start + min(SEGMENTS_MAX, BATCH_BYTES // size))
    end = start + 1
    while end < limit:
        following = len(datagrams[end])
        if following != size:
            return end + 1 if 0 < following < size else end
        end += 1
    return end


class Refusals:
    """What refused batches: this socket, or a path from some segment size on, for REFUSAL_AGE seconds."""

    def __init__(self) -> None:
        self.socket = False
        self._paths: dict[Address, tuple[int, float]] = {}  # the least size refused and when to forget it; oldest first

    def __len__(self) -> int:
        return len(self._paths)

    def __bool__(self) -> bool:
        """Whether `stops` can be true at all: spares the clock on the hot path."""
        return self.socket or bool(self._paths)

    def stops(self, to: Address, size: int, now: float) -> bool:
        """Tell whether a batch of segments of `size` bytes would be refused."""
        if self.socket:
            return True
        refused = self._paths.get(to)
        if refused is None:
            return False
        if now >= refused[1]:
            del self._paths[to]
            return False
        return size >= refused[0]

    def note(self, number: int | None, to: Address, size: int, now: float) -> None:
        """Remember an error number, if it speaks of segmentation. Other errors may be gone the next time."""
        if number in _NEVER:
            self.socket = True
            self._paths.clear()
        elif number in _THERE:
            self._paths.pop(to, None)
            while len(self._paths) >= REFUSALS_MAX:
                del self._paths[next(iter(self._paths))]
            # A card that cannot sum refuses every size; an MTU only what is longer.
            self._paths[to] = (1 if number == errno.EIO else size, now + REFUSAL_AGE)

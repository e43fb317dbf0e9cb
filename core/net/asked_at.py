"""From which address of ours an answer leaves: from the one that was asked, where this machine has several.

The system would choose the first of a network's (ip(7)), and who has asked the second would wait in vain. Linux tells
of each arrival which address it came to (IP_PKTINFO), and takes the same word for what is sent. This machine's own
traffic, at 127.0.0.0/8, needs none of it.
"""

import socket
import struct
import sys
from typing import Final

from core.limits.table import BoundedTable
from core.values import Address

IP_PKTINFO: Final = 8  # linux/in.h; Python's socket module has no name for it
SOURCES: Final = 4096  # that are remembered, 200 bytes each; to others it leaves as the system chooses
ANCILLARY: Final = (socket.IPPROTO_IP, IP_PKTINFO)
_PKTINFO: Final = struct.Struct("=I4s4s")  # in_pktinfo: interface, our address, the address in the header
_LOOPBACK: Final = 127

Ancillary = list[tuple[int, int, bytes]]


class AskedAt:
    """Remembers where each source asked us. Does nothing for a socket that is bound to one address, or elsewhere."""

    def __init__(self, sock: socket.socket) -> None:
        self.on = sys.platform == "linux" and sock.getsockname()[0] == "0.0.0.0"
        if self.on:
            try:
                sock.setsockopt(*ANCILLARY, 1)
            except OSError:
                self.on = False
        self._asked: BoundedTable[Address, bytes] = BoundedTable(SOURCES)

    def note(self, source: Address, pktinfo: bytes) -> None:
        """Take what came with an arrival."""
        if len(pktinfo) == _PKTINFO.size and pktinfo[4] != _LOOPBACK and self._asked.get(source) != pktinfo[4:8]:
            self._asked[source] = pktinfo[4:8]

    def ancillary(self, to: Address) -> Ancillary:
        """Return what is sent along, so that it leaves from the address that was asked; [] as the system chooses."""
        local = self._asked.get(to) if self.on else None
        return [] if local is None else [(*ANCILLARY, _PKTINFO.pack(0, local, b"\0\0\0\0"))]

    def forget(self, to: Address) -> None:
        """Let the system choose from now on: that address may be ours no longer."""
        self._asked.pop(to, None)

"""From which address of ours an answer leaves: from the one that was asked, where this machine has several.

The system would choose the first of a network's (ip(7)), and who has asked the second would wait in vain. With IPv6
that is usual: a machine has a lasting address and a temporary one (RFC 8981), and leaves from the latter. Linux tells
of each arrival which address it came to (IP_PKTINFO, IPV6_PKTINFO), and takes the same word for what is sent. This
machine's own traffic needs none of it, and on a link the system knows which address is its own there.
"""

import socket
import struct
import sys
from typing import Final

from core.limits.table import BoundedTable
from core.values import Address

IP_PKTINFO: Final = 8  # linux/in.h; Python's socket module has no name for it
IPV6_RECVPKTINFO, IPV6_PKTINFO = 49, 50  # linux/in6.h
SOURCES: Final = 4096  # that are remembered, 200 bytes each; to others it leaves as the system chooses
_PKTINFO: Final = struct.Struct("=I4s4s")  # in_pktinfo: interface, our address, the address in the header
_PKTINFO_6: Final = struct.Struct("=16sI")  # in6_pktinfo: our address, interface
PKTINFO_BYTES: Final = max(_PKTINFO.size, _PKTINFO_6.size)
_LOOPBACK: Final = 127
_LOOPBACK_6: Final = bytes(15) + b"\x01"
_LINK: Final = 0xFE  # begins a link-local address

Ancillary = list[tuple[int, int, bytes]]


class AskedAt:
    """Remembers where each source asked us. Does nothing for a socket that is bound to one address, or elsewhere."""

    def __init__(self, sock: socket.socket) -> None:
        self._six = sock.family == socket.AF_INET6
        self.on = sys.platform == "linux" and sock.getsockname()[0] in ("0.0.0.0", "::")
        self._level = int(socket.IPPROTO_IPV6 if self._six else socket.IPPROTO_IP)
        self.kind = IPV6_PKTINFO if self._six else IP_PKTINFO
        """The kind of ancillary data that `note` takes."""
        if self.on:
            try:
                sock.setsockopt(self._level, IPV6_RECVPKTINFO if self._six else IP_PKTINFO, 1)
            except OSError:
                self.on = False
        self._asked: BoundedTable[Address, bytes] = BoundedTable(SOURCES)

    def note(self, source: Address, pktinfo: bytes) -> None:
        """Take what came with an arrival."""
        if self._six:
            local = pktinfo[:16]
            if len(pktinfo) != _PKTINFO_6.size or local == _LOOPBACK_6 or local[0] == _LINK:
                return
        elif len(pktinfo) == _PKTINFO.size and pktinfo[4] != _LOOPBACK:
            local = pktinfo[4:8]
        else:
            return
        if self._asked.find(source) != local:
            self._asked[source] = local

    def ancillary(self, to: Address) -> Ancillary:
        """Return what is sent along, so that it leaves from the address that was asked; [] as the system chooses."""
        local = self._asked.find(to) if self.on else None
        if local is None:
            return []
        said = _PKTINFO_6.pack(local, 0) if self._six else _PKTINFO.pack(0, local, b"\0\0\0\0")
        return [(self._level, self.kind, said)]

    def forget(self, to: Address) -> None:
        """Let the system choose from now on: that address may be ours no longer."""
        self._asked.pop(to, None)

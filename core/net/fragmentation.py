"""Keeps routers and the kernel from cutting datagrams (IPv4's DF flag), and cuts those that must leave all the same.

With DF set, a datagram that is longer than the kernel knows the path to take is refused (EMSGSIZE) instead of being
cut unseen. Python's socket module does not name these options on every system.
"""

import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

_OPTIONS: Final = {  # the option, its value that forbids fragments, and the one that allows them
    "linux": (10, 2, 0),  # linux/in.h: IP_MTU_DISCOVER, IP_PMTUDISC_DO, IP_PMTUDISC_DONT
    "darwin": (28, 1, 0),  # netinet/in.h: IP_DONTFRAG
    "win32": (14, 1, 0),  # ws2ipdef.h: IP_DONTFRAGMENT
}


class Fragmentation:
    """The DF flag of one socket. `avoids`: it is set, and the system refuses what is too long."""

    def __init__(self, sock: socket.socket) -> None:
        """Set it."""
        self._sock = sock
        self.avoids = False
        if sys.platform in _OPTIONS:
            self._option, self._never, self._allow = _OPTIONS[sys.platform]
            with suppress(OSError):
                sock.setsockopt(socket.IPPROTO_IP, self._option, self._never)
                self.avoids = True

    @contextmanager
    def allowed(self) -> Iterator[None]:
        """What is sent in this block may be cut. Two system calls, for what is rare."""
        if not self.avoids:
            yield
            return
        self._sock.setsockopt(socket.IPPROTO_IP, self._option, self._allow)
        try:
            yield
        finally:
            self._sock.setsockopt(socket.IPPROTO_IP, self._option, self._never)

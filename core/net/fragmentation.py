"""Keeps routers and the kernel from cutting datagrams (IPv4's DF flag), and cuts those that must leave all the same.

With DF set, a datagram that is longer than the kernel knows the path to take is refused (EMSGSIZE) instead of being
cut unseen. IPv6 has no flag, since routers never cut it; the kernel is told not to. Python's socket module does not
name these options on every system.
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
_OPTIONS_6: Final = {
    "linux": (23, 2, 0),  # linux/in6.h: IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DO, IPV6_PMTUDISC_DONT
    "darwin": (62, 1, 0),  # netinet6/in6.h: IPV6_DONTFRAG
    "win32": (14, 1, 0),  # ws2ipdef.h: IPV6_DONTFRAG
}


class Fragmentation:
    """The DF flag of one socket, or its like. `avoids`: it is set, and the system refuses what is too long."""

    def __init__(self, sock: socket.socket) -> None:
        """Set it."""
        self._sock = sock
        self.avoids = False
        six = sock.family == socket.AF_INET6
        self._level = socket.IPPROTO_IPV6 if six else socket.IPPROTO_IP
        if sys.platform in _OPTIONS:
            self._option, self._never, self._allow = (_OPTIONS_6 if six else _OPTIONS)[sys.platform]
            with suppress(OSError):
                sock.setsockopt(self._level, self._option, self._never)
                self.avoids = True

    @contextmanager
    def allowed(self) -> Iterator[None]:
        """What is sent in this block may be cut. Two system calls, for what is rare."""
        if not self.avoids:
            yield
            return
        self._sock.setsockopt(self._level, self._option, self._allow)
        try:
            yield
        finally:
            self._sock.setsockopt(self._level, self._option, self._never)

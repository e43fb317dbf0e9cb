"""How far a datagram may travel: a socket's IP_TTL, or IPv6's hop limit, lowered for a moment.

An opener of a hole must leave our own router and die before it reaches the other side's (`core.punch.puncher`). The
option is set around the call that sends: what the kernel has taken keeps what it was sent with, on every system.
"""

import contextlib
import socket
from collections.abc import Iterator


@contextlib.contextmanager
def lowered(sock: socket.socket, ttl: int) -> Iterator[None]:
    """Send with this TTL (1 to 255) within the block. Where the system refuses, what is sent travels as ever."""
    six = sock.family == socket.AF_INET6
    option = (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS) if six else (socket.IPPROTO_IP, socket.IP_TTL)
    usual: int | None = None
    with contextlib.suppress(OSError):
        usual = sock.getsockopt(*option)
        sock.setsockopt(*option, ttl)
    try:
        yield
    finally:
        if usual is not None:
            with contextlib.suppress(OSError):  # closed meanwhile
                sock.setsockopt(*option, usual)

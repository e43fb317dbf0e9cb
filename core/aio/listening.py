"""TCP ports that we listen at, bound before the loop gets them.

A loop that is given a host instead looks its name up: Python loads 0.5 MB for names with other letters, and uvloop
begins four threads, though it is an address.
"""

import os
import socket


def listening(host: str, port: int, backlog: int = 100) -> socket.socket:
    """Return a socket that listens at an address of ours, for `loop.create_server`; port 0: any.

    `::` takes IPv4 as well, where the system can do that. `backlog`: connections that may wait to be taken; 100 is
    asyncio's. Raises OSError for a port that is taken, OverflowError for one that is none, UnicodeError for a host.
    """
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        if host == "::" and socket.has_dualstack_ipv6():
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        if os.name == "posix":
            # A port whose connections linger after a restart (TIME_WAIT) is ours again; elsewhere two could share it.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setblocking(False)
        sock.bind((host, port))
        sock.listen(backlog)  # at once: with SO_REUSEADDR, Linux tells only here of a port that is taken
    except BaseException:
        sock.close()
        raise
    return sock

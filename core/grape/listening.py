"""Opening the TCP port of a grape's HTTP API, and saying in words why it cannot be opened."""

import contextlib
import errno
import socket

from core.aio.listening import listening
from core.errors import LocalError
from core.grape.config import ANY_HOST

BACKLOG = 128  # connections the kernel keeps for us; listen(2)'s usual bound


def bind_tcp(host: str, port: int) -> socket.socket:
    """Return a socket bound to `host`; 0.0.0.0 takes IPv6 clients as well where there is IPv6, as Node does.

    Raises LocalError that names the port, the flag and what to do.
    """
    try:
        if host == ANY_HOST and socket.has_dualstack_ipv6():
            with contextlib.suppress(OSError):
                return listening("::", port, BACKLOG)
        return listening(host, port, BACKLOG)
    except (OSError, UnicodeError) as error:
        raise LocalError(_advice(host, port, error)) from error


def _advice(host: str, port: int, error: Exception) -> str:
    number = getattr(error, "errno", None)
    if number == errno.EADDRINUSE:
        return f"TCP port {port} is in use by another program: close it or choose another port with --aph"
    if number == errno.EACCES:
        return f"TCP port {port} is forbidden here: choose one from 1024 to 65535, or 0 for any free one, with --aph"
    return f"TCP port {port} on {host} cannot be opened ({error}): choose another with --aph, or another host with -b"

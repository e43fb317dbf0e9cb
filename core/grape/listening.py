"""Opening the TCP port of a grape's HTTP API, and saying in words why it cannot be opened."""

import contextlib
import errno
import os
import socket

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
                return _bind_dual_stack(port)
        return _bind(socket.AF_INET, host, port)
    except (OSError, UnicodeError) as error:
        raise LocalError(_advice(host, port, error)) from error


def _bind_dual_stack(port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        return _finish(sock, "::", port)
    except OSError:
        sock.close()
        raise


def _bind(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        return _finish(sock, host, port)
    except BaseException:
        sock.close()
        raise


def _finish(sock: socket.socket, host: str, port: int) -> socket.socket:
    if os.name == "posix":
        # A port whose connections linger after a restart (TIME_WAIT) is ours again; elsewhere this would let two share.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((host, port))
    sock.listen(BACKLOG)  # at once: with SO_REUSEADDR, Linux reports a port in use only here
    sock.setblocking(False)
    return sock


def _advice(host: str, port: int, error: Exception) -> str:
    number = getattr(error, "errno", None)
    if number == errno.EADDRINUSE:
        return f"TCP port {port} is in use by another program: close it or choose another port with --aph"
    if number == errno.EACCES:
        return f"TCP port {port} is forbidden here: choose one from 1024 to 65535, or 0 for any free one, with --aph"
    return f"TCP port {port} on {host} cannot be opened ({error}): choose another with --aph, or another host with -b"

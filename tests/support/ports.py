"""Ports for programs that cannot be asked to choose one themselves."""

import socket


def free_port(host: str = "127.0.0.1") -> int:
    """Return a port that was free for UDP and for TCP a moment ago.

    The kernel hands out ephemeral ports at random or in turn, so nobody else is likely to get the same one soon.
    """
    for _ in range(50):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp:
            tcp.bind((host, 0))
            port = int(tcp.getsockname()[1])
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
                try:
                    udp.bind((host, port))
                except OSError:
                    continue
                return port
    raise OSError("no port is free for both UDP and TCP")

"""What somebody at home has and shares, for the lab: a web page, a TCP and a UDP echo. `python -m tests.natlab.origin`.

The page answers GET /BYTES with so many bytes of `sample`, slowly at /slow/BYTES, and PUT with what came, by SHA-256.
"""

import hashlib
import json
import random
import socket
import socketserver
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PIECE = 65_536  # bytes
SLOWLY = 0.02  # seconds between pieces of a slow answer: 3 MB/s
DATAGRAM = 65_507  # bytes; the longest there is over IPv4


def sample(size: int) -> bytes:
    """Return the bytes that the page has: not to be compressed, the same each time."""
    return random.Random(size).randbytes(size)


class Page(BaseHTTPRequestHandler):
    """The web page."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer with as many bytes as the path says."""
        *slow, size = self.path.strip("/").split("/")
        body = sample(int(size))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        for start in range(0, len(body), PIECE):
            self.wfile.write(body[start : start + PIECE])
            time.sleep(SLOWLY if slow else 0)

    def do_PUT(self) -> None:
        """Answer with what the body was."""
        digest, left = hashlib.sha256(), int(self.headers["Content-Length"])
        while left and (piece := self.rfile.read(min(left, PIECE))):
            digest.update(piece)
            left -= len(piece)
        told = json.dumps({"sha256": digest.hexdigest(), "missing": left}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Echo(socketserver.StreamRequestHandler):
    """Sends back what comes, and ends when the other side has."""

    def handle(self) -> None:
        """Echo one connection."""
        while piece := self.connection.recv(PIECE):
            self.connection.sendall(piece)


class EchoServer(socketserver.ThreadingTCPServer):
    """A thread for each connection."""

    daemon_threads = True


def echo_datagrams(udp: socket.socket) -> None:
    """Send each datagram back."""
    while True:
        udp.sendto(*udp.recvfrom(DATAGRAM))


def main() -> None:
    """Serve until killed; print the ports."""
    page, tcp = ThreadingHTTPServer(("127.0.0.1", 0), Page), EchoServer(("127.0.0.1", 0), Echo)
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("127.0.0.1", 0))
    for target in (page.serve_forever, tcp.serve_forever, lambda: echo_datagrams(udp)):
        threading.Thread(target=target, daemon=True).start()
    ports = {"http": page.server_address[1], "tcp": tcp.server_address[1], "udp": udp.getsockname()[1]}
    sys.stdout.write(json.dumps({"event": "ready", **ports}) + "\n")
    sys.stdout.flush()
    threading.Event().wait()


if __name__ == "__main__":
    main()

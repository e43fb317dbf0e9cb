"""Writes down the UDP packets that leave a namespace, as a program: `python -m tests.natlab.capture FILE`.

A line each: seconds, destination, payload in hex. It says `ready`, and runs until it is ended.
"""

import socket
import sys
import time

from core.cli.output import dumps

_ALL_PACKETS = 0x0003
_UDP = 17


def main() -> None:
    tap = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ALL_PACKETS))
    print(dumps({"event": "ready"}), flush=True)  # noqa: T201
    with open(sys.argv[1], "w", buffering=1) as file:
        while True:
            packet, where = tap.recvfrom(65536)
            head = (packet[0] & 15) * 4
            if where[2] == socket.PACKET_OUTGOING and packet[0] >> 4 == 4 and packet[9] == _UDP:
                payload = packet[head + 8 :].hex()
                file.write(f"{time.monotonic():.4f} {socket.inet_ntoa(packet[16:20])} {payload}\n")


if __name__ == "__main__":
    main()

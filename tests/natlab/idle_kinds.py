"""What the packets of a site's link are: counted by kind, in a thread that listens inside its namespace."""

import re
import socket
import threading
from collections import Counter

from tests.natlab import namespaces as ns

_ALL_PACKETS = 0x0003
_IPV4, _ARP = 0x0800, 0x0806
_TCP, _UDP = 6, 17
_QUERY = re.compile(rb"1:q\d+:(\w+)")
_UTP = {0: "data", 1: "fin", 2: "state", 3: "reset", 4: "syn"}
_PORTS = {5353: "mDNS", 1900: "SSDP", 5351: "PCP or NAT-PMP"}


class Kinds:
    """Counts what crosses `eth0` of a namespace, both ways, until `close`."""

    def __init__(self, namespace: str) -> None:
        with ns.entered(namespace):
            self._tap = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ALL_PACKETS))
            self._tap.bind(("eth0", _ALL_PACKETS))
        self._tap.settimeout(0.5)
        self._counts: Counter[str] = Counter()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._listen, name=f"kinds of {namespace}", daemon=True)
        self._thread.start()

    def counts(self) -> Counter[str]:
        """Return how many of each kind there were."""
        return Counter(dict(self._counts))

    def close(self) -> None:
        """Listen no longer."""
        self._closed.set()
        self._thread.join()
        self._tap.close()

    def _listen(self) -> None:
        while not self._closed.is_set():
            try:
                packet, where = self._tap.recvfrom(65536)
            except TimeoutError:
                continue
            way = "out" if where[2] == socket.PACKET_OUTGOING else "in"
            self._counts[f"{_kind(packet, where[1])} {way}"] += 1


def _kind(packet: bytes, protocol: int) -> str:
    if protocol != _IPV4:
        return "ARP" if protocol == _ARP else f"ether {protocol:04x}"
    head = (packet[0] & 15) * 4
    if packet[9] == _TCP:
        return f"TCP {min(int.from_bytes(packet[head + at : head + at + 2]) for at in (0, 2))}"
    if packet[9] != _UDP:
        return f"IP protocol {packet[9]}"
    ports = [int.from_bytes(packet[head + at : head + at + 2]) for at in (0, 2)]
    known = next((_PORTS[port] for port in ports if port in _PORTS), "")
    return known or _datagram(packet[head + 8 :])


def _datagram(payload: bytes) -> str:
    if payload[:1] == b"d":
        asked = _QUERY.search(payload)
        return f"DHT {asked[1].decode()}" if asked else "DHT answer"
    if payload[:2] == b"\xc3\xbf":
        return "punch"
    if payload and payload[0] & 15 == 1 and payload[0] >> 4 in _UTP:
        return f"uTP {_UTP[payload[0] >> 4]}"
    return f"other {payload[:1].hex()} ({len(payload)} bytes)"

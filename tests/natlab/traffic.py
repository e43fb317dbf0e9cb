"""Counts what crosses a machine's link by kind of message, as a program: `python -m tests.natlab.traffic [SECONDS]`.

It says `ready`, and every SECONDS (10) what it has counted so far, both ways, with the headers of IP and UDP:
`{"event": "traffic", "seconds": ..., "kinds": {KIND: [packets, bytes]}, "punched": {NETWORK: packets}}`.
A KIND begins with `out` or `in`. A question of the public DHT has its name; an answer, that of what it answers.
"""

import json
import select
import socket
import sys
import time
from collections import Counter, OrderedDict

_ALL_PACKETS = 0x0003
_ARP, _IPV4 = 0x0806, 0x0800
_ICMP, _UDP = 1, 17
_UTP = ("DATA", "FIN", "STATE", "RESET", "SYN")
_ASKED = 4096  # questions whose answer may come


class Traffic:
    """What was counted."""

    def __init__(self) -> None:
        self.packets: Counter[str] = Counter()
        self.bytes: Counter[str] = Counter()
        self.punched: Counter[str] = Counter()  # punches that left, by the first three bytes of where to
        self._asked: OrderedDict[tuple[str, bytes], str] = OrderedDict()  # by host and transaction

    def take(self, packet: bytes, kind: int, outgoing: bool) -> None:
        """Count a packet from its network header on."""
        name = f"{'out' if outgoing else 'in'} {self._kind(packet, kind, outgoing)}"
        self.packets[name] += 1
        self.bytes[name] += len(packet)

    def _kind(self, packet: bytes, kind: int, outgoing: bool) -> str:
        if kind != _IPV4:
            return "ARP" if kind == _ARP else f"ethertype {kind:04x}"
        if packet[9] != _UDP:
            return "ICMP" if packet[9] == _ICMP else f"IP {packet[9]}"
        payload = packet[(packet[0] & 15) * 4 + 8 :]
        host = socket.inet_ntoa(packet[16:20] if outgoing else packet[12:16])
        if payload[:1] == b"d":
            return f"DHT {self._krpc(payload, host)}"
        if payload[:2] == b"\xc3\xbf":
            if outgoing:
                self.punched[host.rsplit(".", 1)[0]] += 1
            return "opener" if packet[8] < 32 else "punch"
        first = payload[0] if payload else 0
        if first & 15 == 1 and first >> 4 < len(_UTP):
            return f"uTP {_UTP[first >> 4]}"
        return f"first byte {first:02x}"

    def _krpc(self, payload: bytes, host: str) -> str:
        place, transaction = payload.rfind(b"1:t"), b""
        if place >= 0:
            size, _, rest = payload[place + 3 :].partition(b":")
            transaction = rest[: int(size)] if size.isdigit() else b""
        if payload.find(b"1:y1:q") >= 0:
            size, _, rest = payload.partition(b"1:q")[2].partition(b":")
            method = rest[: int(size)].decode(errors="replace") if size.isdigit() else "question"
            self._asked[host, transaction] = method
            while len(self._asked) > _ASKED:
                self._asked.popitem(last=False)
            return method
        return f"answer to {self._asked.get((host, transaction), 'what nobody asked')}"


def main() -> None:
    every = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    tap = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ALL_PACKETS))
    traffic, began = Traffic(), time.monotonic()
    tell_at = began + every
    print(json.dumps({"event": "ready"}), flush=True)  # noqa: T201
    while True:
        now = time.monotonic()
        if now >= tell_at:
            tell_at += every
            kinds = {name: [traffic.packets[name], traffic.bytes[name]] for name in sorted(traffic.packets)}
            said = {"event": "traffic", "seconds": now - began, "kinds": kinds, "punched": dict(traffic.punched)}
            print(json.dumps(said), flush=True)  # noqa: T201
        if select.select([tap], [], [], max(0.0, tell_at - now))[0]:
            packet, where = tap.recvfrom(65536)
            if where[0] != "lo":
                traffic.take(packet, where[1], where[2] == socket.PACKET_OUTGOING)


if __name__ == "__main__":
    main()

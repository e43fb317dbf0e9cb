"""A program that shouts nonsense by mDNS: `python -m tests.lan.hostile OWN-HOST VICTIM-BESIDE VICTIM-FAR`.

Thousands of peers that are not there, at addresses of others, with giant, wrong and foreign records; broken packets;
and queries that claim to come from somebody far away, so that the answers go there.
"""

import json
import random
import socket
import struct
import sys
import time

from zeroconf._dns import DNSAddress, DNSPointer, DNSQuestion, DNSService, DNSText
from zeroconf._protocol.outgoing import DNSOutgoing
from zeroconf.const import (
    _CLASS_IN,
    _FLAGS_AA,
    _FLAGS_QR_QUERY,
    _FLAGS_QR_RESPONSE,
    _TYPE_A,
    _TYPE_PTR,
    _TYPE_SRV,
    _TYPE_TXT,
)

from core.lan.instance import SERVICE

GROUP = ("224.0.0.251", 5353)
INSTANCES = 3000
SECONDS = 8.0


def instance(number: int, host: str, port: int, text: bytes, name: str = "") -> bytes:
    """Return one answer with all records of one instance."""
    label = name or f"{number:020x}"
    full, server = f"{label}.{SERVICE}", f"h{number}.local."
    out = DNSOutgoing(_FLAGS_QR_RESPONSE | _FLAGS_AA)
    out.add_answer_at_time(DNSPointer(SERVICE, _TYPE_PTR, _CLASS_IN, 4500, full), 0)
    out.add_answer_at_time(DNSService(full, _TYPE_SRV, _CLASS_IN, 120, 0, 0, port, server), 0)
    out.add_answer_at_time(DNSText(full, _TYPE_TXT, _CLASS_IN, 4500, text), 0)
    out.add_answer_at_time(DNSAddress(server, _TYPE_A, _CLASS_IN, 120, socket.inet_aton(host)), 0)
    return bytes(out.packets()[0])


def txt(*pairs: bytes) -> bytes:
    """Return a TXT record's data."""
    return b"".join(bytes([len(pair)]) + pair for pair in pairs)


def packets(beside: str, far: str) -> list[bytes]:
    """Return everything that is shouted."""
    mixed = random.Random(1)
    good = txt(b"v=1", b"dht=20001")
    found = [
        instance(1, beside, 0, good),
        instance(2, beside, 41000, txt(b"v=1", b"dht=0")),
        instance(3, beside, 41000, txt(b"v=1", b"dht=53")),
        instance(4, beside, 41000, txt(b"v=1", b"dht=20001", *(b"x" * 255 for _ in range(30)))),
        instance(5, "224.0.0.1", 41000, good),
        instance(6, "127.0.0.1", 41000, good),
        instance(7, "0.0.0.0", 41000, good),
        instance(8, beside, 41000, good, name="<b>bold</b>"),
        instance(9, beside, 41000, good, name="x" * 60),
    ]
    for number in range(10, INSTANCES):
        host = beside if number % 2 else far
        found.append(instance(number, host, 41000, txt(b"v=1", b"dht=%d" % (2000 + number))))
    found += [mixed.randbytes(mixed.randrange(1, 1400)) for _ in range(500)]
    found += [each[: mixed.randrange(len(each))] + mixed.randbytes(20) for each in found[:500]]
    mixed.shuffle(found)
    return found


def forged_query(source: str, target: str) -> bytes:
    """Return an IPv4 packet that asks who is there, as if from another host."""
    out = DNSOutgoing(_FLAGS_QR_QUERY)
    out.add_question(DNSQuestion(SERVICE, _TYPE_PTR, _CLASS_IN))
    data = bytes(out.packets()[0])
    udp = struct.pack("!HHHH", 4444, 5353, 8 + len(data), 0) + data
    return struct.pack(
        "!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 255, 17, 0, socket.inet_aton(source), socket.inet_aton(target)
    ) + udp  # fmt: skip


def main(own: str, beside: str, far: str) -> None:
    """Shout for a while."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(own))
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
    sock.bind((own, 5353))
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    raw.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(own))
    shouted = packets(beside, far)
    until, sent = time.monotonic() + SECONDS, 0
    while time.monotonic() < until:
        sock.sendto(shouted[sent % len(shouted)], GROUP)
        if sent % 20 == 0:
            raw.sendto(forged_query(far, GROUP[0]), GROUP)
        sent += 1
        time.sleep(0.001)
    print(json.dumps({"event": "done", "sent": sent}), flush=True)  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])

"""A program that shouts nonsense by mDNS: `python -m tests.lan.hostile OWN-HOST VICTIM-BESIDE VICTIM-FAR`.

With IPv6 addresses it does so by IPv6, on the interface eth0.

Thousands of peers that are not there, at addresses of others, with giant, wrong and foreign records; broken packets;
and queries that claim to come from somebody far away, so that the answers go there.
"""

import json
import random
import socket
import struct
import sys
import time
from collections.abc import Callable

from zeroconf._dns import DNSAddress, DNSPointer, DNSQuestion, DNSService, DNSText
from zeroconf._protocol.outgoing import DNSOutgoing
from zeroconf.const import (
    _CLASS_IN,
    _FLAGS_AA,
    _FLAGS_QR_QUERY,
    _FLAGS_QR_RESPONSE,
    _TYPE_A,
    _TYPE_AAAA,
    _TYPE_PTR,
    _TYPE_SRV,
    _TYPE_TXT,
)

from core.lan.instance import SERVICE

GROUP = ("224.0.0.251", 5353)
GROUP_6 = "ff02::fb"
NOBODY = ("224.0.0.1", "127.0.0.1", "0.0.0.0"), ("ff02::1", "::1", "::")
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
    kind, family = (_TYPE_AAAA, socket.AF_INET6) if ":" in host else (_TYPE_A, socket.AF_INET)
    out.add_answer_at_time(DNSAddress(server, kind, _CLASS_IN, 120, socket.inet_pton(family, host)), 0)
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
        *(instance(5 + turn, host, 41000, good) for turn, host in enumerate(NOBODY[":" in beside])),
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
    data = query()
    udp = struct.pack("!HHHH", 4444, 5353, 8 + len(data), 0) + data
    return struct.pack(
        "!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 255, 17, 0, socket.inet_aton(source), socket.inet_aton(target)
    ) + udp  # fmt: skip


def query() -> bytes:
    """Return the question who is there."""
    out = DNSOutgoing(_FLAGS_QR_QUERY)
    out.add_question(DNSQuestion(SERVICE, _TYPE_PTR, _CLASS_IN))
    return bytes(out.packets()[0])


def forged_query_6(source: str, target: str) -> bytes:
    """Return the same as an IPv6 packet, whose UDP has a checksum (RFC 8200 section 8.1)."""
    data = query()
    ends = socket.inet_pton(socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, target)
    size = 8 + len(data)
    summed = ends + struct.pack("!IxxxB", size, 17) + struct.pack("!HHHH", 4444, 5353, size, 0) + data
    total = sum(struct.unpack(f"!{(len(summed) + 1) // 2}H", summed + b"\0" * (len(summed) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    udp = struct.pack("!HHHH", 4444, 5353, size, ~total & 0xFFFF) + data
    return struct.pack("!IHBB", 6 << 28, size, 17, 255) + ends + udp


def doors(own: str, far: str) -> tuple[Callable[[bytes], object], Callable[[], object]]:
    """Return what shouts, and what asks in the name of somebody far away."""
    six = ":" in own
    sock = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if six:
        link = socket.if_nametoindex("eth0")
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, link)
        sock.bind((own, 5353, 0, link))
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
        place = ("eth0", 0x86DD, 0, 0, bytes.fromhex("3333000000fb"))  # RFC 2464 section 7
        packet = forged_query_6(far, GROUP_6)
        return lambda data: sock.sendto(data, (GROUP_6, 5353, 0, link)), lambda: wire.sendto(packet, place)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(own))
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
    sock.bind((own, 5353))
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    raw.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(own))
    return lambda data: sock.sendto(data, GROUP), lambda: raw.sendto(forged_query(far, GROUP[0]), GROUP)


def main(own: str, beside: str, far: str) -> None:
    """Shout for a while."""
    shout, ask = doors(own, far)
    shouted = packets(beside, far)
    until, sent = time.monotonic() + SECONDS, 0
    while time.monotonic() < until:
        shout(shouted[sent % len(shouted)])
        if sent % 20 == 0:
            ask()
        sent += 1
        time.sleep(0.001)
    print(json.dumps({"event": "done", "sent": sent}), flush=True)  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])

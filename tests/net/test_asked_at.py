"""Who asks a machine's second address is answered from there, for as long as that address is ours."""

import asyncio
import os
import shutil
import socket
import struct
import subprocess
import sys

import pytest

from core.net.asked_at import IP_PKTINFO, IPV6_PKTINFO, SOURCES, AskedAt
from core.net.reader_socket import ReaderSocket
from core.values import Address, Burst

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="IP_PKTINFO is Linux' here")

TWO_ADDRESSES = """
import asyncio, socket, subprocess, sys
def ip(*words): subprocess.run(["ip", *words], check=True)
ip("link", "set", "lo", "up")
ip("address", "add", "192.168.77.1/24", "dev", "lo")
ip("address", "add", "192.168.77.2/24", "dev", "lo")
for number in (1, 2):
    ip("address", "add", f"2001:db8:77::{number}/64", "dev", "lo", "nodad")
from core.net.endpoint import Endpoint
from core.values import Address
async def main():
    one, two = Address("0.0.0.0", 0), Address("192.168.77.1", 0)
    async with await Endpoint.open(one) as asked, await Endpoint.open(two) as caller:
        asked.on_stream = lambda stream: None
        for host in ("192.168.77.2", "192.168.77.1"):
            stream = await caller.connect(Address(host, asked.address.port), timeout=3.0)
            print(stream.remote.host, flush=True)
            stream.abort()
    async with await Endpoint.open(one) as asked, await Endpoint.open(one) as caller:
        asked.on_stream = lambda stream: None
        for number in (2, 1):
            stream = await caller.connect(Address(f"2001:db8:77::{number}", asked.address.port), timeout=3.0)
            print(stream.remote.host, flush=True)
            stream.abort()
asyncio.run(main())
"""


def bound() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("0.0.0.0", 0))
    sock.setblocking(False)
    return sock


def pktinfo(local: str) -> bytes:
    return struct.pack("=I4s4s", 3, socket.inet_aton(local), socket.inet_aton(local))


def test_each_source_is_answered_from_where_it_asked_and_the_table_is_bounded() -> None:
    with bound() as sock:
        asked = AskedAt(sock)
        asked.note(Address("192.0.2.1", 5), pktinfo("192.168.77.2"))
        asked.note(Address("192.0.2.2", 5), pktinfo("127.0.0.1"))
        assert asked.ancillary(Address("192.0.2.1", 5)) == [(0, IP_PKTINFO, pktinfo_to_send("192.168.77.2"))]
        assert asked.ancillary(Address("192.0.2.2", 5)) == []
        asked.forget(Address("192.0.2.1", 5))
        assert asked.ancillary(Address("192.0.2.1", 5)) == []
        for port in range(SOURCES + 10):
            asked.note(Address("192.0.2.3", port), pktinfo("192.168.77.2"))
        assert asked.ancillary(Address("192.0.2.3", 0)) == []
        asked.note(Address("192.0.2.4", 5), b"short")
        assert asked.ancillary(Address("192.0.2.4", 5)) == []


def pktinfo_to_send(local: str) -> bytes:
    return struct.pack("=I4s4s", 0, socket.inet_aton(local), b"\0\0\0\0")


def test_a_socket_of_one_address_needs_none_of_it() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        assert not AskedAt(sock).on


@pytest.mark.asyncio
async def test_what_was_asked_at_an_address_that_is_gone_leaves_all_the_same() -> None:
    sock = bound()
    reader = ReaderSocket(sock, asyncio.get_running_loop())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        other.settimeout(5.0)
        to = Address(*other.getsockname())
        assert reader._asked_at is not None
        reader._asked_at.note(to, pktinfo("203.0.113.77"))  # never ours
        reader.send(Burst(to, [b"x" * 40] * 3))
        assert [other.recv(100) for _ in range(3)] == [b"x" * 40] * 3
        reader._asked_at.note(to, pktinfo("203.0.113.77"))
        reader.send(Burst(to, [b"one"]))
        assert other.recv(100) == b"one"
    reader.close()
    await reader.wait_closed()


def test_of_ipv6_it_is_the_same() -> None:
    """A machine has a lasting address and a temporary one, and would leave from the latter (RFC 8981)."""
    caller, local = Address("2001:db8::7", 5), socket.inet_pton(socket.AF_INET6, "2001:db8:1::2")
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        sock.bind(("::", 0))
        asked = AskedAt(sock)
        assert asked.on
        assert asked.kind == IPV6_PKTINFO
        asked.note(caller, local + struct.pack("=I", 3))
        assert asked.ancillary(caller) == [(int(socket.IPPROTO_IPV6), IPV6_PKTINFO, local + bytes(4))]
        for nothing in (
            b"short", socket.inet_pton(socket.AF_INET6, "::1") + bytes(4),
            socket.inet_pton(socket.AF_INET6, "fe80::1") + bytes(4),
        ):  # fmt: skip
            asked.note(Address("2001:db8::8", 5), nothing)
            assert asked.ancillary(Address("2001:db8::8", 5)) == []


@pytest.mark.skipif(shutil.which("unshare") is None or shutil.which("ip") is None, reason="needs namespaces")
def test_the_second_address_of_a_network_is_answered_from() -> None:
    """FAULTS F10: answers left from the first address, and the caller waited in vain."""
    made = subprocess.run(
        ["unshare", "--net", "--map-root-user", sys.executable, "-c", TWO_ADDRESSES],
        capture_output=True, text=True, timeout=60, check=False, env={**os.environ, "PYTHONPATH": os.getcwd()},
    )  # fmt: skip
    assert made.stdout.split() == [
        "192.168.77.2", "192.168.77.1", "2001:db8:77::2", "2001:db8:77::1",
    ], made.stderr[-2000:]  # fmt: skip

"""A router asked for a port: both protocols, a router that begins again, and what is no answer to us."""

import ipaddress
import random
import struct

import pytest

from core.mapping.asking import CHECKED, LIFETIME, TRIES, Failed, Mapped, RouterAsker
from core.values import Address
from core.wire import port_mapping as wire
from core.wire.port_mapping import MalformedAnswer, parse

US = Address("192.168.1.7", 40000)
NONCE = bytes(range(12))
OUTSIDE = Address("203.0.113.9", 40000)


def pcp_answer(
    *, result: int = 0, lifetime: int = LIFETIME, epoch: int = 1000, nonce: bytes = NONCE, outside: Address = OUTSIDE,
    internal: int = US.port, protocol: int = 17,
) -> bytes:  # fmt: skip
    host = b"\x00" * 10 + b"\xff\xff" + bytes(map(int, outside.host.split(".")))
    head = struct.pack("!BBBBII12x", 2, 0x81, 0, result, lifetime, epoch)
    return head + struct.pack("!12sB3xHH16s", nonce, protocol, internal, outside.port, host)


def pmp_host_answer(epoch: int = 5) -> bytes:
    return struct.pack("!BBHI4B", 0, 128, 0, epoch, 203, 0, 113, 9)


def pmp_answer(
    epoch: int = 5, port: int = 40001, lifetime: int = 3600, internal: int = US.port, code: int = 129
) -> bytes:  # fmt: skip
    return struct.pack("!BBHIHHI", 0, code, 0, epoch, internal, port, lifetime)


def begun() -> RouterAsker:
    asker = RouterAsker(US, NONCE)
    assert asker.poll(0.0) is None
    return asker


def test_a_request_is_what_rfc_6887_draws() -> None:
    request = begun().datagrams[0]
    assert len(request) == 60
    assert request[:8] == struct.pack("!BBHI", 2, 1, 0, LIFETIME)
    assert request[8:24] == b"\x00" * 10 + b"\xff\xff" + bytes((192, 168, 1, 7))
    assert request[24:36] == NONCE
    assert request[36:44] == struct.pack("!B3xHH", 17, US.port, US.port)


def test_pcp_maps_and_is_looked_after_every_few_minutes() -> None:
    asker = begun()
    assert asker.receive(pcp_answer(), 0.1) == Mapped(OUTSIDE, "PCP", 0.1 + LIFETIME)
    asker.datagrams.clear()
    assert asker.wake == 0.1 + CHECKED, "a router that restarts has forgotten it"
    asker.poll(asker.wake)
    assert len(asker.datagrams) == 1
    assert asker.datagrams[0][42:44] == struct.pack("!H", OUTSIDE.port), "what we had is asked for again"


def test_a_router_that_knows_nat_pmp_only() -> None:
    asker = begun()
    asker.datagrams.clear()
    asker.receive(struct.pack("!BBHI", 0, 128 | 1, wire.UNSUPPORTED_VERSION, 5), 0.1)
    assert [each[:2] for each in asker.datagrams] == [b"\x00\x00", b"\x00\x01"]
    assert asker.receive(pmp_answer(), 0.2) is None, "where, is not known yet"
    assert asker.receive(pmp_host_answer(), 0.3) is None
    assert asker.receive(pmp_answer(), 0.4) == Mapped(Address(OUTSIDE.host, 40001), "NAT-PMP", 0.4 + 3600)


def test_a_port_of_tcp_is_asked_for_and_answers_about_udp_are_for_somebody_else() -> None:
    asker = RouterAsker(US, NONCE, tcp=True)
    asker.poll(0.0)
    assert asker.datagrams[0][36] == 6, "IANA's number of TCP"
    assert asker.receive(pcp_answer(), 0.1) is None
    assert asker.receive(pcp_answer(protocol=6), 0.2) == Mapped(OUTSIDE, "PCP", 0.2 + LIFETIME)
    old = RouterAsker(US, NONCE, tcp=True)
    old.poll(0.0)
    old.datagrams.clear()
    old.receive(struct.pack("!BBHI", 0, 128 | 2, wire.UNSUPPORTED_VERSION, 5), 0.1)
    assert [each[:2] for each in old.datagrams] == [b"\x00\x00", b"\x00\x02"]
    old.receive(pmp_host_answer(), 0.2)
    assert old.receive(pmp_answer(), 0.3) is None
    assert old.receive(pmp_answer(code=130), 0.4) == Mapped(Address(OUTSIDE.host, 40001), "NAT-PMP", 0.4 + 3600)


def test_a_router_that_began_again_is_asked_at_once() -> None:
    asker = begun()
    asker.receive(pcp_answer(epoch=1000), 0.0)
    asker.datagrams.clear()
    asker.receive(pcp_answer(epoch=1010), 10.0)
    assert asker.datagrams == [], "its clock goes on"
    asker.receive(pcp_answer(epoch=3), 20.0)
    assert len(asker.datagrams) == 1


def test_silence_ends_after_its_tries() -> None:
    asker = begun()
    sent = 0
    for _ in range(TRIES + 2):
        failed = asker.poll(asker.wake)
        sent += len(asker.datagrams)
        asker.datagrams.clear()
        if failed is not None:
            break
    assert failed == Failed("")
    assert sent == TRIES


def test_a_mapping_that_is_not_renewed_is_over() -> None:
    asker = begun()
    asker.receive(pcp_answer(), 0.0)
    while asker.poll(asker.wake) is None:
        pass
    assert asker.mapped is None


def test_a_refusal_is_said_in_words() -> None:
    assert begun().receive(pcp_answer(result=8), 0.1) == Failed("it has no port left")
    assert begun().receive(pcp_answer(result=77), 0.1) == Failed("it refuses, with number 77")


@pytest.mark.parametrize(
    "answer",
    [
        pcp_answer(nonce=b"x" * 12),
        pcp_answer(internal=1),
        pcp_answer()[:30],
        b"",
        b"\x02",
        b"\x07" * 60,
        b"d1:ad2:id20:" + b"x" * 40,
        wire.pcp_map(US, NONCE, None, LIFETIME),
    ],
    ids=["nonce", "port", "cut", "empty", "a byte", "version", "a DHT's", "a request"],
)
def test_what_is_no_answer_to_us_changes_nothing(answer: bytes) -> None:
    asker = begun()
    asker.datagrams.clear()
    assert asker.receive(answer, 0.1) is None
    assert (asker.mapped, asker.datagrams) == (None, [])


def test_the_end_gives_the_port_back() -> None:
    asker = begun()
    asker.receive(pcp_answer(), 0.0)
    asker.end()
    assert asker.datagrams[-1][4:8] == bytes(4), "a lifetime of 0"
    never = begun()
    never.end()
    assert never.datagrams == []


def test_no_datagram_breaks_the_reader() -> None:
    chance = random.Random(1)
    whole = (pcp_answer(), pmp_answer(), pmp_host_answer())
    for _ in range(3000):
        data = bytearray(chance.choice(whole))
        for _ in range(chance.randrange(4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        try:
            parse(bytes(data[: chance.randrange(len(data) + 1)]))
        except MalformedAnswer:
            continue


US_6 = Address("2001:db8:60::2", 40000)


def pcp_answer_6(outside: str = US_6.host, version: int = 2, result: int = 0) -> bytes:
    head = struct.pack("!BBBBII12x", version, 0x81, 0, result, LIFETIME, 1000)
    packed = ipaddress.IPv6Address(outside).packed
    return head + struct.pack("!12sB3xHH16s", NONCE, 17, US_6.port, US_6.port, packed)


def test_of_ipv6_a_pinhole_for_our_own_address_is_asked_for() -> None:
    asker = RouterAsker(US_6, NONCE)
    asker.poll(0.0)
    request = asker.datagrams[0]
    assert request[8:24] == ipaddress.IPv6Address(US_6.host).packed
    assert request[44:60] == bytes(16), "any address"
    assert asker.receive(pcp_answer_6(), 0.1) == Mapped(US_6, "PCP", 0.1 + LIFETIME)


def test_a_router_that_translates_ipv6_says_where_we_are() -> None:
    asker = RouterAsker(US_6, NONCE)
    asker.poll(0.0)
    found = asker.receive(pcp_answer_6("2001:db8:99::2"), 0.1)
    assert isinstance(found, Mapped)
    assert found.address == Address("2001:db8:99::2", US_6.port)


def test_of_ipv6_there_is_no_older_protocol() -> None:
    for answer in (struct.pack("!BBHI", 0, 0x81, 1, 5), pcp_answer_6(result=1)):
        asker = RouterAsker(US_6, NONCE)
        asker.poll(0.0)
        asker.datagrams.clear()
        assert isinstance(asker.receive(answer, 0.1), Failed)
        assert asker.datagrams == []


@pytest.mark.parametrize("outside", ["::", "::ffff:203.0.113.9", "::ffff:0.0.0.0"])
def test_an_ipv4_address_is_no_pinhole(outside: str) -> None:
    asker = RouterAsker(US_6, NONCE)
    asker.poll(0.0)
    assert asker.receive(pcp_answer_6(outside), 0.1) is None
    assert asker.mapped is None

"""Invariant 1: whatever bytes come, in whatever pieces, `feed` returns values and never raises; memory is bounded.
Invariant 2: what Python's own strict parser takes as one message is found, and what it refuses is never found."""

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.wire.rpc_message import Decoder, Expect, Malformed, Message, Reply, Request

_ALPHABET = [
    *(b'[ ] { } , : " \\ u d800 dc00 1 - e . 0 true null NaN {}] "rid" "key" ["r","k",'.split()),
    *(b" ", b"\n", b"\x00", b"\xff", b"\xc3\xa9"),
]
soup = st.lists(st.sampled_from(_ALPHABET), max_size=40).map(b"".join)


def check(messages: list[Message]) -> None:
    """Raise AssertionError for anything `feed` may not return."""
    for message in messages:
        match message:
            case Request(rid, key, _):
                assert 0 < len(rid) <= 128
                assert 0 < len(key) <= 1024
            case Reply(rid, error, _):
                assert 0 < len(rid) <= 128
                assert error is None or error
            case Malformed(reason, count, _):
                assert reason
                assert count > 0


@given(st.lists(st.binary(max_size=60) | soup, max_size=12), st.sampled_from(Expect))
def test_any_packets(chunks: list[bytes], expect: Expect) -> None:
    decoder = Decoder(max_bytes=300, max_depth=5, expect=expect)
    for chunk in chunks:
        check(decoder.feed(chunk))
    assert decoder.scanned <= 2 * sum(map(len, chunks))


def refuse(text: str) -> None:
    """Refuse NaN and the infinities, as RFC 8259 does."""
    raise ValueError(text)


def expected(packet: bytes) -> list[object]:
    """Return the values of one packet by Python's own parser: those before the first that is no JSON."""
    text = packet.decode(errors="surrogateescape")  # bytes that are no UTF-8 become U+DC80..U+DCFF
    parser, at, values = json.JSONDecoder(parse_constant=refuse), 0, []
    while (at := at + len(text[at:]) - len(text[at:].lstrip(" \t\r\n"))) < len(text) and text[at] in "[{":
        try:
            value, at = parser.raw_decode(text, at)
        except ValueError:
            break
        shown = json.dumps(value, ensure_ascii=False)
        if any("\ud800" <= letter <= "\udc7f" for letter in shown):  # an escaped half of a pair
            break
        if "Infinity" not in shown and not any("\udc80" <= letter <= "\udcff" for letter in shown):
            values.append(value)
    return values


@given(st.lists(soup | st.binary(max_size=40), max_size=3))
def test_agreement_with_the_parser_of_python(parts: list[bytes]) -> None:
    packet = b"".join(b'["r","k",' + part + b"]" for part in parts)
    found = Decoder(expect=Expect.REQUESTS).feed(packet)
    check(found)
    assert [["r", "k", message.payload] for message in found if isinstance(message, Request)] == [
        value for value in expected(packet) if isinstance(value, list) and len(value) == 3
    ]


@pytest.mark.parametrize("seed", range(4))
def test_a_good_message_survives_damage_around_it(seed: int) -> None:
    """Flip, cut and insert bytes in one packet; the second good packet after it is always understood."""
    rng = random.Random(seed)
    decoder = Decoder()
    for _ in range(2_500):
        packet = bytearray(b'["3f0c","fibonacci_worker",{"length":10,"note":"\\u00e9 [x] {y}"}]')
        for _ in range(rng.randrange(1, 6)):
            packet[rng.randrange(len(packet))] = rng.choice(b'[]{}",:\\ux0 ')
        check(decoder.feed(bytes(packet[: rng.randrange(1, len(packet) + 1)])))
        decoder.feed(b'["first","key",1]')
        last = decoder.feed(b'["second","key",2]')
        assert last
        assert last[-1] == Request("second", "key", 2)

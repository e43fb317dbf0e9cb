"""Messages over the size that one call of the json module may take: encoded and read in steps."""

import itertools
import json
from collections.abc import Generator
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import LocalError
from core.values import JsonValue
from core.wire.rpc_message import (
    LARGE,
    MAX_CONTAINERS,
    Decoder,
    Expect,
    Large,
    Malformed,
    Message,
    Reply,
    Request,
    encode_request,
    encode_request_steps,
    encode_result,
    encode_result_steps,
    is_large,
)

T = TypeVar("T")


def drain(steps: Generator[None, None, T]) -> T:
    """Run steps to their end."""
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            result: T = stop.value
            return result


def read(decoder: Decoder, packet: bytes) -> list[Message]:
    """Feed a packet; read what is large in steps."""
    return [
        drain(decoder.read_steps(message)) if isinstance(message, Large) else message
        for message in decoder.feed(packet)
    ]


@pytest.mark.parametrize("payload", [[10**1000] * 500, {"text": "é\n[{" * 50_000}, [[1, "x"]] * 30_000, "x" * 100_000])
def test_a_large_message_is_the_same_in_steps(payload: JsonValue) -> None:
    assert is_large(payload)
    request, result = encode_request("r", "k", payload), encode_result("r", payload)
    assert drain(encode_request_steps("r", "k", payload)) == request
    assert drain(encode_result_steps("r", payload)) == result
    assert read(Decoder(expect=Expect.REQUESTS, large=LARGE), request) == [Request("r", "k", payload)]
    assert read(Decoder(expect=Expect.REPLIES, large=LARGE), result) == [Reply("r", None, payload)]


@pytest.mark.parametrize("payload", [None, {"length": 10}, list(range(1000)), "x" * 60_000, [10**1000] * 50])
def test_a_small_message_is_not_large(payload: JsonValue) -> None:
    assert not is_large(payload)
    assert len(encode_result("r", payload)) <= LARGE


def test_a_large_value_keeps_its_place_among_the_others() -> None:
    decoder = Decoder(expect=Expect.REQUESTS, large=50)
    big = json.dumps(["big", "k", "x" * 50]).encode()
    assert decoder.feed(b'["a","k",1]' + big[:30]) == [Request("a", "k", 1)]
    assert decoder.feed(big[30:60]) == []
    found = decoder.feed(big[60:] + b'["b","k",2]')
    assert found == [Large(bytearray(big)), Request("b", "k", 2)]
    assert drain(decoder.read_steps(Large(bytearray(big)))) == Request("big", "k", "x" * 50)


@pytest.mark.parametrize("size", [49, 50, 51, 52])
def test_exactly_what_is_over_the_limit_is_large(size: int) -> None:
    packet = b'["r","k","' + b"x" * (size - 12) + b'"]'
    assert len(packet) == size
    for pieces in ([packet], [packet[:20], packet[20:]]):
        decoder = Decoder(expect=Expect.REQUESTS, large=50)
        found = [message for piece in pieces for message in decoder.feed(piece)]
        assert [type(message) for message in found] == [Large if size > 50 else Request]


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (b'["r","k",[1e999]]', "out of range"),
        (b'["r","k","\xff\xfe"]', "not UTF-8"),
        (b'["r",5,[1,2,3]]', "shape"),
        (b'{"r":"k","key":[1,2,3]}', "shape"),
    ],
)
def test_a_large_value_that_is_no_message_costs_only_itself(packet: bytes, reason: str) -> None:
    decoder = Decoder(expect=Expect.REQUESTS, large=10)
    found = read(decoder, packet + b'["after","k",null]')
    assert isinstance(found[0], Malformed)
    assert reason in found[0].reason
    assert not found[0].fatal
    assert found[1] == Request("after", "k", None)
    assert decoder.malformed == 1


payloads = st.recursive(
    st.none() | st.integers() | st.text(max_size=30),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=15,
)


@given(st.lists(payloads, max_size=3), st.integers(1, 40), st.integers(0, 60))
def test_a_decoder_that_reads_in_steps_finds_what_another_finds(made: list[JsonValue], piece: int, large: int) -> None:
    data = b"".join(json.dumps(["r", "k", payload]).encode() for payload in made)
    stepwise, plain = Decoder(expect=Expect.REQUESTS, large=large), Decoder(expect=Expect.REQUESTS)
    for at in range(0, len(data), piece):
        packet = data[at : at + piece]
        assert read(stepwise, packet) == plain.feed(packet)


def test_a_large_message_over_the_limit_is_refused_before_all_of_it_is_written() -> None:
    steps = encode_result_steps("r", ["x" * 10_000] * 1000, max_bytes=100_000)
    for _ in range(10):
        next(steps)
    with pytest.raises(LocalError, match="over the limit") as caught:
        list(itertools.islice(steps, 20))
    assert caught.value.name == "ERR_MESSAGE_SIZE"


@pytest.mark.parametrize("bad", [float("nan"), b"bytes", "\ud800", [10**5000], {(1, 2): 3}])
def test_a_large_result_that_is_no_json_is_a_named_error(bad: JsonValue) -> None:
    with pytest.raises(LocalError) as caught:
        drain(encode_result_steps("r", ["x" * 100_000, bad]))
    assert caught.value.name == "ERR_MESSAGE_ENCODE"


def test_a_result_that_changes_while_it_is_written_is_a_named_error() -> None:
    changing: dict[str, JsonValue] = {str(index): "x" * 1000 for index in range(1000)}
    steps = encode_result_steps("r", changing)
    for _ in range(10):
        next(steps)
    changing["new"] = 1
    with pytest.raises(LocalError, match="changed") as caught:
        drain(steps)
    assert caught.value.name == "ERR_MESSAGE_ENCODE"


def test_containers_of_a_message_are_limited_both_ways() -> None:
    most: JsonValue = [[]] * (MAX_CONTAINERS - 2)  # with itself and the message
    data = encode_result("r", most)
    assert drain(encode_result_steps("r", most)) == data
    assert Decoder(expect=Expect.REPLIES).feed(data) == [Reply("r", None, most)]
    more: JsonValue = [[]] * (MAX_CONTAINERS - 1)
    for encode in (encode_result, lambda rid, result: drain(encode_result_steps(rid, result))):
        with pytest.raises(LocalError, match="200,000 lists"):
            encode("r", more)
    found = Decoder(expect=Expect.REPLIES).feed(json.dumps(["r", None, more]).encode())
    assert [type(message) for message in found] == [Malformed]
    assert isinstance(found[0], Malformed)
    assert found[0].fatal


def test_brackets_in_a_text_are_no_containers() -> None:
    text = "[{" * MAX_CONTAINERS
    data = encode_result("r", text)
    assert drain(encode_result_steps("r", text)) == data
    assert Decoder(expect=Expect.REPLIES).feed(data) == [Reply("r", None, text)]


def test_containers_are_counted_for_each_message() -> None:
    decoder = Decoder(expect=Expect.REPLIES)
    data = encode_result("r", [[]] * (MAX_CONTAINERS // 2))
    for _ in range(3):
        assert [type(message) for message in decoder.feed(data)] == [Reply]


@pytest.mark.parametrize("packet", [b'["r",null,NaN]', b'["r",null,"\\ud800"]', b'["r",null,"\x01"]', b'["r",null,01]'])
def test_a_whole_packet_is_read_as_strictly_as_its_pieces(packet: bytes) -> None:
    at_once, in_pieces = Decoder(expect=Expect.REPLIES), Decoder(expect=Expect.REPLIES)
    whole = at_once.feed(packet)  # nothing yet where the other half of a surrogate pair may still come
    pieces = [message for byte in packet for message in in_pieces.feed(bytes([byte]))]
    assert not any(isinstance(message, Reply) for message in whole + pieces)

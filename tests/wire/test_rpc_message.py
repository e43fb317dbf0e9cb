"""RPC messages: exact bytes out, any concatenation and any split in, and the way back after what is no message."""

import json
import sys
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.errors import LocalError
from core.values import JsonValue
from core.wire.rpc_message import (
    MAX_DEPTH,
    Decoder,
    Expect,
    Malformed,
    Message,
    Reply,
    Request,
    encode_error,
    encode_request,
    encode_result,
)
from tests.support.samples import some

GOOD = b'["rid","key",{}]'
REQUEST = Request("rid", "key", {})

json_values: st.SearchStrategy[JsonValue] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**60), 10**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
requests = st.builds(Request, st.text(min_size=1, max_size=40), st.text(min_size=1, max_size=40), json_values)
replies = st.builds(Reply, st.text(min_size=1, max_size=40), st.none(), json_values)


def fed(decoder: Decoder, *chunks: bytes) -> list[Message]:
    """Feed packets one after another."""
    return [message for chunk in chunks for message in decoder.feed(chunk)]


def cut(data: bytes, at: list[int]) -> list[bytes]:
    """Split `data` at these places, taken modulo its length."""
    places = sorted({0, len(data), *(place % (len(data) + 1) for place in at)})
    return [data[start:end] for start, end in pairwise(places)]


@st.composite
def written(draw: st.DrawFn, message: Request | Reply) -> bytes:
    """Write a message as some peer might: escaped or not, tight or with white space."""
    second = message.key if isinstance(message, Request) else message.error
    third = message.payload if isinstance(message, Request) else message.result
    text = json.dumps(
        [message.rid, second, third], ensure_ascii=draw(st.booleans()), indent=draw(st.sampled_from([None, 0, 1]))
    )
    return draw(st.sampled_from(["", " ", "\r\n\t "])).encode() + text.encode()


@given(st.data())
def test_any_split_of_any_concatenation_is_understood(data: st.DataObject) -> None:
    unmistakable = requests.filter(lambda each: not each.key.startswith("ERR_"))  # the others may be error replies
    messages = data.draw(st.lists(unmistakable | replies, min_size=1, max_size=4))
    stream = b"".join(data.draw(written(message)) for message in messages)
    cuts = data.draw(st.lists(st.integers(min_value=0, max_value=10_000), max_size=30))
    decoder = Decoder()
    assert fed(decoder, *cut(stream, cuts)) == messages
    assert decoder.malformed == 0
    assert not decoder.unfinished


@given(requests)
@example(Request("r", "k", '\U0001f600\\"\u00ff\x00\x1f\u2028'))
@example(Request("r", "k", {"a": [], "b": {}, "": [[], [0.5e-7, -0.0, True]]}))
def test_byte_by_byte(request: Request) -> None:
    for ascii_only in (True, False):
        text = json.dumps([request.rid, request.key, request.payload], ensure_ascii=ascii_only)
        decoder = Decoder(expect=Expect.REQUESTS)
        assert fed(decoder, *(bytes([byte]) for byte in text.encode())) == [request]


@given(requests)
def test_what_is_encoded_decodes_to_the_same(request: Request) -> None:
    data = encode_request(request.rid, request.key, request.payload)
    assert Decoder(expect=Expect.REQUESTS).feed(data) == [request]


def test_the_exact_bytes() -> None:
    assert encode_request("r", "fibonacci_worker", {"length": 10}) == b'["r","fibonacci_worker",{"length":10}]'
    assert encode_result("r", [1, 1, 2]) == b'["r",null,[1,1,2]]'
    assert encode_error("r", "ERR_X: \u00fc") == '["r","ERR_X: \u00fc",null]'.encode()


def test_big_integers_are_exact() -> None:
    number = 3**8000
    assert Decoder().feed(encode_result("r", [number, -number])) == [Reply("r", None, [number, -number])]


def circle() -> JsonValue:
    loop: list[JsonValue] = []
    loop.append(loop)
    return loop


def nested(depth: int) -> JsonValue:
    value: JsonValue = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "payload",
    [
        float("nan"),
        float("inf"),
        "\ud800",
        {"\udfff": 1},
        10**4400,
        circle(),
        nested(MAX_DEPTH),
        nested(200_000),
        {1, 2},
        b"x",
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_json_is_refused_by_name(payload: JsonValue) -> None:
    with pytest.raises(LocalError) as caught:
        encode_result("r", payload)
    assert caught.value.name == "ERR_MESSAGE_ENCODE"


def test_the_deepest_message_that_is_sent_is_also_read() -> None:
    value = nested(MAX_DEPTH - 1)
    assert Decoder().feed(encode_result("r", value)) == [Reply("r", None, value)]


def test_wide_is_not_deep() -> None:
    value: JsonValue = [[] for _ in range(MAX_DEPTH * 2)]
    assert Decoder().feed(encode_result("r", value)) == [Reply("r", None, value)]


def test_a_message_over_the_limit_is_refused_by_name() -> None:
    assert len(encode_request("r", "k", "x" * 10, max_bytes=22)) == 22
    with pytest.raises(LocalError) as caught:
        encode_result("r", "x" * 100, max_bytes=50)
    assert caught.value.name == "ERR_MESSAGE_SIZE"


@pytest.mark.parametrize(("rid", "key"), [("", "k"), ("r" * 129, "k"), ("r", "k" * 1025)])
def test_ids_and_keys_are_bounded(rid: str, key: str) -> None:
    with pytest.raises(LocalError):
        encode_request(rid, key, None)
    assert isinstance(Decoder(expect=Expect.REQUESTS).feed(json.dumps([rid, key, 1]).encode())[0], Malformed)


def test_an_error_text_always_travels() -> None:
    assert Decoder().feed(encode_error("r", "ERR_\ud800")) == [Reply("r", "ERR_?", None)]
    assert Decoder(expect=Expect.REPLIES).feed(encode_error("r", "")) == [Reply("r", "ERR_GENERIC", None)]


@pytest.mark.parametrize(
    ("expect", "data", "message"),
    [
        (Expect.ANY, b'["r","ERR_X",null]', Reply("r", "ERR_X", None)),
        (Expect.REPLIES, b'["r","ERR_X",null]', Reply("r", "ERR_X", None)),
        (Expect.REQUESTS, b'["r","ERR_X",null]', Request("r", "ERR_X", None)),
        (Expect.ANY, b'["r","k",null]', Request("r", "k", None)),
        (Expect.REPLIES, b'["r","some words",null]', Reply("r", "some words", None)),
        (Expect.REPLIES, b'["r","",5]', Reply("r", None, 5)),
        (Expect.ANY, b'["r","ERR_X",5]', Request("r", "ERR_X", 5)),
    ],
)
def test_an_error_reply_is_told_from_a_request_by_who_reads(expect: Expect, data: bytes, message: Message) -> None:
    assert Decoder(expect=expect).feed(data) == [message]


@pytest.mark.parametrize(
    "value",
    ["[]", "{}", "[1,2,3]", '["r"]', '["r","k"]', '["r","k",1,2]', '[1,"k",{}]', '["r",1,{}]', '["",null,1]',
     '["r",{},1]', '["r",true,1]', '["r","k",1e999]', '{"r":"k"}', '["r","k",' + "1" * 5000 + "]"],
)  # fmt: skip
def test_a_value_that_is_no_message_costs_only_itself(value: str) -> None:
    decoder = Decoder()
    first, second = decoder.feed(value.encode() + GOOD)
    assert isinstance(first, Malformed)
    assert not first.fatal
    assert second == REQUEST
    assert decoder.malformed == 1


def test_bytes_that_are_no_utf8_cost_only_their_message() -> None:
    first, second = Decoder().feed(b'["r","k","\xff"]' + GOOD)
    assert first == Malformed("a message is not UTF-8")
    assert second == REQUEST
    assert Decoder().feed(b'["r","k","\xed\xa0\x80"]') == [Malformed("a message is not UTF-8")]  # a surrogate


INVALID = [
    "garbage", "]", '"r"', "12", "null", "\ufeff[]", "[}", "{]", "[,]", "[1,]", "[1 2]", '["a" "b"]', "[01]", "[+1]",
    "[.5]", "[1.]", "[1e]", "[NaN]", "[Infinity]", "[-Infinity]", "[nul]", "[True]", "['a']", "{1:2}", "{a:1}", '{"a"}',
    '{"a",1}', '{"a":}', '{"a":1,}', '["\\x"]', '["\\u12g4"]', '["\\ud800"]', '["\\udc00"]', '["\\ud800\\u0041"]',
    '["\\ud800x23456"]', '["\n"]', '["\x00"]', "[1//x\n]", "[\u00a01]",
]  # fmt: skip


@pytest.mark.parametrize("text", INVALID)
def test_garbage_is_dropped_with_the_rest_of_its_packet(text: str) -> None:
    decoder = Decoder()
    assert all(isinstance(message, Malformed) for message in decoder.feed(text.encode() + GOOD))
    assert decoder.malformed == 1
    assert not decoder.unfinished
    assert decoder.feed(GOOD) == [REQUEST]


@pytest.mark.parametrize("text", INVALID)
def test_what_precedes_garbage_in_its_packet_is_understood(text: str) -> None:
    first, second = Decoder().feed(GOOD + text.encode() + GOOD)
    assert first == REQUEST
    assert isinstance(second, Malformed)


@pytest.mark.parametrize(
    ("unfinished", "lost"),
    [
        (b'["abc', 0), (b'["abc"', 0), (b'["abc\\', 0), (b'["abc\\u12', 0), (b'["abc\\ud800', 0),
        (b'["abc\\ud800\\', 0), (b"[tru", 0), (b"[1", 0), (b'{"a"', 0), (b'{"a', 0),
        (b'["r","k",{}', 0), (b"{", 0), (b'{"a":1,', 0),
        (b"[", 1), (b'["r",', 1), (b'{"a":', 1), (b'["r","k",[[1,', 1),
    ],
)  # fmt: skip
def test_after_a_message_cut_short_the_next_packets_are_understood(unfinished: bytes, lost: int) -> None:
    decoder = Decoder()
    assert decoder.feed(unfinished) == []
    assert decoder.unfinished
    found = fed(decoder, *(b'["rid%d","key",{}]' % index for index in range(4)))
    assert [message.rid for message in found if isinstance(message, Request)] == [f"rid{i}" for i in range(lost, 4)]
    assert decoder.malformed == 1
    assert not decoder.unfinished


def test_the_way_back_in_the_order_of_the_task() -> None:
    decoder = Decoder()
    assert fed(decoder, b"garbage", b'["abc', GOOD)[-1] == REQUEST
    assert decoder.malformed == 2


def test_a_packet_read_again_may_itself_be_garbage_or_begin_a_message() -> None:
    decoder = Decoder()
    found = fed(decoder, b'["abc"', b"garbage", b'["abc"', GOOD[:5], GOOD[5:])
    assert found[-1] == REQUEST
    assert decoder.malformed == 3  # the first, what came instead of its rest, and the second


def test_a_continuation_that_holds_a_whole_message_is_still_a_continuation() -> None:
    decoder = Decoder()
    assert fed(decoder, b'["r","k",[', GOOD, b"]]") == [Request("r", "k", [["rid", "key", {}]])]


def test_only_white_space_may_stand_between_messages() -> None:
    assert fed(Decoder(), b" \r\n\t" + GOOD + b"\n", b" ", GOOD) == [REQUEST, REQUEST]
    assert isinstance(Decoder().feed(b"\x0b" + GOOD)[0], Malformed)
    assert isinstance(Decoder().feed(b"," + GOOD)[0], Malformed)


def test_many_bad_values_are_counted_in_one_place() -> None:
    decoder = Decoder()
    assert decoder.feed(b"[]" * 5000) == [Malformed("a value is no message: its shape is another", 5000)]
    assert decoder.malformed == 5000


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_message_over_the_size_is_fatal(size: int) -> None:
    decoder = Decoder(max_bytes=100)
    data = b'["r","k","' + b"x" * 200
    found = fed(decoder, *(data[at : at + size] for at in range(0, len(data), size)))
    assert [message.fatal for message in found if isinstance(message, Malformed)] == [True]
    assert decoder.feed(GOOD) == []  # nothing more


def test_the_size_of_one_message_is_limited_not_of_all() -> None:
    decoder = Decoder(max_bytes=len(GOOD))
    assert decoder.feed(GOOD * 50) == [REQUEST] * 50
    assert decoder.feed(GOOD[:-1] + b" ]") == [
        Malformed(f"a message is over the limit of {len(GOOD)} bytes", fatal=True)
    ]


@pytest.mark.parametrize("bracket", [b"[", b'{"a":'])
def test_too_deep_is_fatal(bracket: bytes) -> None:
    decoder = Decoder(max_depth=10)
    assert decoder.feed(bracket * 10) == []
    assert decoder.feed(bracket) == [Malformed("nested deeper than 10", fatal=True)]
    assert Decoder().feed(bracket * 1_000_000)[0] == Malformed(f"nested deeper than {MAX_DEPTH}", fatal=True)


def test_the_default_depth_is_within_the_parser_and_the_stack() -> None:
    data = b'["r","k",' + b"[" * (MAX_DEPTH - 1) + b"]" * (MAX_DEPTH - 1) + b"]"
    assert isinstance(Decoder().feed(data)[0], Request)
    assert sys.getrecursionlimit() > MAX_DEPTH * 2


def work(data: bytes, size: int) -> tuple[int, int]:
    """Return bytes scanned and Python calls made to decode `data` in pieces of `size` bytes."""
    decoder, calls, found = Decoder(), 0, 0

    def count(frame: object, event: str, arg: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        for at in range(0, len(data), size):
            found += len(decoder.feed(data[at : at + size]))
    finally:
        sys.setprofile(before)
    assert found == 1
    return decoder.scanned, calls


@pytest.mark.parametrize(
    "filling",
    [
        b'"' + b"x" * 990_000 + b'"',
        b"1234567890" * 400,
        b",".join([b'"\\n\\u00e9"'] * 15_000),
        b",".join([b"[{}]"] * 15_000),
    ],
    ids=["string", "number", "escapes", "lists"],
)
@pytest.mark.parametrize("size", some([1000, 1], 2))
def test_the_work_grows_with_the_bytes_not_faster(filling: bytes, size: int) -> None:
    once, twice = (b'["r","k",[' + b",".join([filling] * times) + b"]]" for times in (1, 2))
    if size == 1:  # one call per byte is slow enough on a shorter one
        once, twice = (b'["r","k",["' + b"\\u00e9x" * times + b'",12345]]' for times in (2000, 4000))
    scanned_once, calls_once = work(once, size)
    scanned_twice, calls_twice = work(twice, size)
    assert scanned_once == len(once)
    assert scanned_twice == len(twice)
    assert calls_twice <= calls_once * 2.1 + 100


def test_sixteen_megabytes_in_small_pieces_are_scanned_once() -> None:
    data = encode_request("r", "k", "x" * (16 * 1024 * 1024 - 20))
    decoder = Decoder()
    found = [message for at in range(0, len(data), 1000) for message in decoder.feed(data[at : at + 1000])]
    assert len(found) == 1
    assert decoder.scanned == len(data)


@given(
    st.lists(st.sampled_from([b'["a', b'["a",', b"[", b"]", b'"', b"\\", GOOD, b"x", b'{"a":', b"[1,1],"]), max_size=60)
)
def test_hostile_packets_are_looked_at_twice_at_most(chunks: list[bytes]) -> None:
    decoder = Decoder()
    fed(decoder, *chunks)
    assert decoder.scanned <= 2 * sum(map(len, chunks))

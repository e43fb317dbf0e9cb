"""core.wire.krpc: BEP 5's own examples, round trips, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import RemoteError
from core.values import Address
from core.wire.krpc import (
    MAX_MESSAGE_BYTES,
    Error,
    Fields,
    MalformedMessage,
    Message,
    Query,
    Reply,
    parse,
    take_bytes,
    take_id,
    take_int,
)
from tests.wire.test_bencoding import values
from tests.wire.test_compact import addresses

transactions = st.binary(min_size=1, max_size=16)
fields = st.dictionaries(st.binary(max_size=8), values, max_size=4)
texts = st.text(st.characters(codec="utf-8"), max_size=MAX_MESSAGE_BYTES // 4)
observed = st.none() | addresses
messages: st.SearchStrategy[Message] = st.one_of(
    st.builds(Query, transactions, st.binary(max_size=32), fields, st.booleans()),
    st.builds(Reply, transactions, fields, observed),
    st.builds(Error, transactions, st.integers(0, 1000), texts, observed),
)


@given(messages)
def test_parse_inverts_bytes(message: Message) -> None:
    assert parse(bytes(message)) == message


def test_the_ping_of_bep_5() -> None:
    raw = b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe"
    query = Query(b"aa", b"ping", {b"id": b"abcdefghij0123456789"})
    assert parse(raw) == query
    assert bytes(query) == raw


def test_the_reply_of_bep_5() -> None:
    raw = b"d1:rd2:id20:mnopqrstuvwxyz123456e1:t2:aa1:y1:re"
    assert parse(raw) == Reply(b"aa", {b"id": b"mnopqrstuvwxyz123456"})


def test_the_error_of_bep_5() -> None:
    raw = b"d1:eli201e23:A Generic Error Ocurrede1:t2:aa1:y1:ee"
    assert parse(raw) == Error(b"aa", 201, "A Generic Error Ocurred")
    assert bytes(Error(b"aa", 201, "A Generic Error Ocurred")) == raw


def test_a_service_key_travels_raw() -> None:
    raw = b"d1:ad2:id20:abcdefghij01234567899:info_hash16:fibonacci_workere1:q9:get_peers1:t2:aa1:y1:qe"
    message = parse(raw)
    assert isinstance(message, Query)
    assert message.arguments[b"info_hash"] == b"fibonacci_worker"


def test_bep_42_tells_the_requester_its_address() -> None:
    raw = bytes(Reply(b"aa", {}, Address("203.0.113.5", 258)))
    assert b"2:ip6:\xcb\x00\x71\x05\x01\x02" in raw
    short = b"d2:ip4:abcd1:rde1:t2:aa1:y1:re"
    assert parse(short) == Reply(b"aa", {}, None)


@pytest.mark.parametrize(
    "raw",
    [
        b"hello",
        b"le",
        b"d1:y1:qe",  # no t
        b"d1:t0:1:y1:qe",
        b"d1:t17:aaaaaaaaaaaaaaaaa1:y1:qe",  # a t that long would only serve to be echoed
        b"d1:ti5e1:y1:qe",
        b"d1:t2:aa1:y1:re",  # a reply without values
        b"d1:rle1:t2:aa1:y1:re",
        b"d1:t2:aa1:y1:xe",
        b"d1:ele1:t2:aa1:y1:ee",
        b"d1:el3:odde1:t2:aa1:y1:ee",
    ],
)
def test_what_deserves_no_answer(raw: bytes) -> None:
    with pytest.raises(MalformedMessage) as caught:
        parse(raw)
    assert caught.value.transaction is None


@pytest.mark.parametrize(
    "raw",
    [
        b"d1:t2:aa1:y1:qe",
        b"d1:ade1:t2:aa1:y1:qe",  # no method
        b"d1:q4:ping1:t2:aa1:y1:qe",  # no arguments
        b"d1:ale1:q4:ping1:t2:aa1:y1:qe",
        b"d1:ade1:q33:" + b"m" * 33 + b"1:t2:aa1:y1:qe",
    ],
)
def test_a_malformed_query_names_whom_to_answer(raw: bytes) -> None:
    with pytest.raises(MalformedMessage) as caught:
        parse(raw)
    assert caught.value.transaction == b"aa"


def test_fields_are_taken_within_their_bounds() -> None:
    arguments: Fields = {b"id": b"i" * 20, b"port": 5, b"name": b"abc"}
    assert take_id(arguments) == b"i" * 20
    assert take_bytes(arguments, b"name", 1, 3) == b"abc"
    assert take_int(arguments, b"port", 1, 5) == 5
    assert take_int(arguments, b"none", 0, 1, default=0) == 0
    for low, high in ((1, 2), (4, 9)):
        with pytest.raises(RemoteError):
            take_bytes(arguments, b"name", low, high)
    for name, low, high in ((b"port", 6, 9), (b"port", 1, 4), (b"name", 0, 9), (b"none", 0, 9)):
        with pytest.raises(RemoteError):
            take_int(arguments, name, low, high)
    with pytest.raises(RemoteError):
        take_id({b"id": b"short"})

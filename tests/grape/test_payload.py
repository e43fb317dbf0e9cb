"""Byte strings in JSON, in all the ways that callers of a Node grape send them, and values shown as text."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.grape.payload import bencodable, hash_bytes, hex_or_buffer, parse_json, stored_text, text_or_buffer
from core.values import JsonValue
from core.wire.bencoding import encode

JSON: st.SearchStrategy[JsonValue] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=20,
)


@given(st.binary(max_size=80))
def test_every_notation_means_the_same_bytes(raw: bytes) -> None:
    numbers: list[JsonValue] = list(raw)
    node_buffer: JsonValue = {"type": "Buffer", "data": numbers}
    notations: list[JsonValue] = [node_buffer, numbers, json.dumps(numbers), json.dumps(node_buffer)]
    assert hex_or_buffer(raw.hex()) == raw
    for notation in notations:
        assert hex_or_buffer(notation) == text_or_buffer(notation) == raw


@pytest.mark.parametrize(
    ("value", "salt"),
    [
        ("pepper", b"pepper"),
        ("123", b"123"),
        ("é", "é".encode()),
        ("[97,98]", b"ab"),
        ("[nope", b"[nope"),
        ("{}", b"{}"),
    ],
)
def test_salt_is_text_unless_it_holds_a_buffer(value: JsonValue, salt: bytes) -> None:
    assert text_or_buffer(value) == salt


def test_hex_ends_at_the_first_wrong_digit() -> None:
    assert hex_or_buffer("aabbz1") == b"\xaa\xbb"
    assert hex_or_buffer("abc") == b"\xab"


@given(JSON)
def test_any_json_gives_bytes_or_type_error(value: JsonValue) -> None:
    for read in (hex_or_buffer, text_or_buffer):
        try:
            assert isinstance(read(value), bytes)
        except TypeError:
            assert not isinstance(value, str)


@given(JSON)
def test_any_json_is_bencodable_or_refused(value: JsonValue) -> None:
    try:
        encoded = encode(bencodable(value))
    except (TypeError, ValueError):
        return
    assert encoded[:1] in b"0123456789ild"


@pytest.mark.parametrize(
    ("value", "text"),
    [(b"x", "x"), (5, "5"), ([b"a", 1, [b"b"]], "a,1,b"), ({b"a": 1}, "[object Object]"), (b"\xff", "�")],
)
def test_stored_value_as_text(value: object, text: str) -> None:
    assert stored_text(value) == text


def test_hash_is_forty_hex_digits() -> None:
    assert hash_bytes("Aa" * 20) == b"\xaa" * 20
    assert [hash_bytes(wrong) for wrong in ("aa" * 19, "zz" * 20, 5, None, "aa" * 20 + "\n")] == [None] * 5


@given(st.binary(max_size=200))
def test_any_body_is_json_or_value_error(raw: bytes) -> None:
    try:
        value = parse_json(raw)
    except ValueError:
        return
    assert json.loads(raw.decode("utf-8", "replace")) == value

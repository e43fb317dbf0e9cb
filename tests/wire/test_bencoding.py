"""core.wire.bencoding: canonical form, bounds, one error type."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import RemoteError
from core.wire.bencoding import MAX_BYTES, MAX_DEPTH, Bencoded, decode, encode

values: st.SearchStrategy[Bencoded] = st.recursive(
    st.binary(max_size=40) | st.integers(-(2**70), 2**70),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.binary(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@given(values)
def test_decode_inverts_encode(value: Bencoded) -> None:
    assert decode(encode(value)) == value


@given(st.binary(max_size=60))
def test_what_is_accepted_is_canonical(data: bytes) -> None:
    try:
        value = decode(data)
    except RemoteError:
        return
    assert encode(value) == data


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"d1:bi1e1:ai2ee",  # keys out of order
        b"d1:ai1e1:ai2ee",  # a key twice
        b"di1ei2ee",  # a key that is no string
        b"i-0e",
        b"i03e",
        b"i+1e",
        b"ie",
        b"01:a",
        b"-1:a",
        b"5:abc",
        b"99999999999999999999999999:a",
        b"i1ei2e",  # trailing bytes
        b"li1e",
        b"x",
        b"\xff\xfe",
        b"i" + b"9" * 5000 + b"e",  # CPython refuses so many digits, with an error of its own
    ],
)
def test_anything_else_is_a_remote_error(data: bytes) -> None:
    with pytest.raises(RemoteError):
        decode(data)


def test_nesting_is_bounded_on_the_way_in() -> None:
    allowed = b"l" * MAX_DEPTH + b"e" * MAX_DEPTH
    assert encode(decode(allowed)) == allowed
    for levels in (MAX_DEPTH + 1, 200, MAX_BYTES // 2):
        with pytest.raises(RemoteError):
            decode(b"l" * levels + b"e" * levels)
    with pytest.raises(RemoteError):
        decode(b"d1:a" * (MAX_DEPTH + 1) + b"i1e" + b"e" * (MAX_DEPTH + 1))


def test_letters_inside_strings_are_not_nesting() -> None:
    assert decode(b"100:" + b"ld" * 50) == b"ld" * 50


def test_size_is_bounded() -> None:
    content = b"x" * (MAX_BYTES - 5)
    assert decode(b"%d:%s" % (len(content), content)) == content
    with pytest.raises(RemoteError):
        decode(b"%d:%s" % (len(content) + 1, content + b"x"))


@pytest.mark.parametrize("value", [None, 1.5, "text", True, {"text": 1}, [None], {b"a": {b"b": 1.0}}])
def test_types_that_bencode_lacks_are_refused(value: Bencoded) -> None:
    with pytest.raises(ValueError, match="not bytes, int, list or dict"):
        encode(value)


def test_circular_and_deep_values_are_refused() -> None:
    circle: list[Bencoded] = []
    for _ in range(2):  # itself twice: what is bounded in depth alone takes 2**32 steps
        circle.append(circle)
        with pytest.raises(ValueError, match="nests deeper"):
            encode(circle)
    deep: Bencoded = 1
    for _ in range(MAX_DEPTH):
        deep = [deep]
    assert encode(deep).count(b"l") == MAX_DEPTH
    with pytest.raises(ValueError, match="nests deeper"):
        encode([deep])


def test_integers_beyond_the_digit_limit_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot be bencoded"):
        encode(10**5000)

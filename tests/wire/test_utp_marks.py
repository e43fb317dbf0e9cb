"""Marks: eight bytes that say what a peer of ours can do, and nothing for anybody else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.wire.utp_marks import ALL_MARKS, MARK_BYTES, Marks, pack_marks, parse_marks


@pytest.mark.parametrize("flags", range(ALL_MARKS + 1))
def test_parse_inverts_pack(flags: int) -> None:
    assert parse_marks(pack_marks(Marks(flags))) == flags


def test_the_layout() -> None:
    assert pack_marks(Marks.JOINS | Marks.PROBES).hex() == "4752505601030000"


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="no extension"),
        pytest.param(bytes(8), id="libutp's"),
        pytest.param(b"GRPV\x02\x03\x00\x00", id="another version"),
        pytest.param(b"GRPU\x01\x03\x00\x00", id="another magic"),
        pytest.param(b"GRPV\x01\x03\x00", id="cut off"),
        pytest.param(b"GRPV\x01\x03\x00\x00\x00", id="too long"),
    ],
)
def test_what_is_not_ours_marks_nothing(content: bytes) -> None:
    assert parse_marks(content) == Marks(0)


def test_flags_and_bytes_of_the_future_are_ignored() -> None:
    assert parse_marks(b"GRPV\x01\xf9\x07\x09") == Marks.JOINS


@given(st.binary(max_size=2 * MARK_BYTES))
def test_any_bytes_give_known_flags(content: bytes) -> None:
    assert parse_marks(content) & ~ALL_MARKS == 0

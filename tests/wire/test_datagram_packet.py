"""Sealed datagrams: round trips, and nothing that is taken for something else on the same socket."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import RemoteError
from core.wire.datagram_keys import EXPORTED_BYTES, split_keys
from core.wire.datagram_packet import (
    COUNTERS,
    FIRST_BYTE,
    HEADER_BYTES,
    PIECES_MAX,
    Data,
    Piece,
    Ping,
    Pong,
    is_datagram,
    pack_content,
    pack_header,
    parse_content,
    parse_header,
)
from core.wire.punch_packet import PunchPacket
from core.wire.punch_packet import parse as parse_punch
from core.wire.utp_packet import is_utp

words = st.integers(0, 2**32 - 1)
contents = st.one_of(
    st.builds(Data, words, st.binary(max_size=100)),
    st.integers(2, PIECES_MAX).flatmap(
        lambda count: st.builds(
            Piece, words, words, st.integers(0, count - 1), st.just(count), st.binary(min_size=1, max_size=100)
        )
    ),
    st.builds(Ping, st.integers(0, 2**64 - 1)),
    st.builds(Pong, st.integers(0, 2**64 - 1)),
)


@given(contents)
def test_contents_come_back(content: Data | Piece | Ping | Pong) -> None:
    assert parse_content(pack_content(content)) == content


@given(st.binary(min_size=8, max_size=8), st.integers(0, COUNTERS - 1))
def test_headers_come_back(session: bytes, counter: int) -> None:
    header = pack_header(session, counter)
    assert len(header) == HEADER_BYTES
    assert parse_header(header + bytes(30)) == (session, counter)


@given(st.binary(max_size=80))
def test_anything_is_a_content_or_an_error(data: bytes) -> None:
    parse_header(data)
    try:
        content = parse_content(data)
    except RemoteError:
        return
    packed = pack_content(content, len(data))
    assert parse_content(packed) == content
    assert len(packed) == len(data)


@pytest.mark.parametrize("data", [
    b"", b"\0abc", b"\1" + bytes(10), b"\1" + bytes(8) + b"\2\2x",
    b"\1" + bytes(8) + b"\0\1x", b"\1" + bytes(8) + b"\0\x09x", b"\2short", b"\3" + bytes(9), b"\4" + bytes(20),
])  # fmt: skip
def test_malformed_contents(data: bytes) -> None:
    with pytest.raises(RemoteError):
        parse_content(data)


@given(st.binary(max_size=60))
def test_the_first_byte_is_nobody_elses(rest: bytes) -> None:
    datagram = bytes((FIRST_BYTE,)) + rest
    assert is_datagram(datagram)
    assert not is_utp(datagram)
    assert parse_punch(datagram) is None
    assert not any(is_datagram(packet.value) for packet in PunchPacket)
    with pytest.raises(UnicodeDecodeError):
        bytes((FIRST_BYTE,)).decode()


def test_a_ping_is_filled_up() -> None:
    assert len(pack_content(Ping(7), 1400)) == 1400


def test_each_direction_has_its_own_keys() -> None:
    exported = bytes(range(EXPORTED_BYTES))
    ours, theirs = split_keys(exported, initiator=True), split_keys(exported, initiator=False)
    assert (ours.send, ours.receive) == (theirs.receive, theirs.send)
    assert ours.send != ours.receive
    assert "0" not in repr(ours)
    with pytest.raises(ValueError, match="bytes"):
        split_keys(exported[1:], initiator=True)

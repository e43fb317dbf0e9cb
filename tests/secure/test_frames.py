"""Frames: what was framed comes out, however it is cut; what is too long does not begin."""

import contextlib
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import RemoteError
from core.secure.frames import HEADER_BYTES, FrameReader, RecordCounter, header

MESSAGES = st.lists(st.binary(max_size=40), max_size=8)


@given(MESSAGES, st.lists(st.integers(0, 400), max_size=12))
def test_messages_come_out_however_they_are_cut(messages: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(header(len(message)) + message for message in messages)
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    reader = FrameReader(100)
    pieces = [piece for at, end in itertools.pairwise(edges) for piece in reader.feed(stream[at:end])]
    assert b"".join(pieces) == b"".join(messages)
    assert not reader.unfinished
    assert all(pieces)


@given(MESSAGES)
def test_no_piece_is_of_two_messages(messages: list[bytes]) -> None:
    stream = b"".join(header(len(message)) + message for message in messages)
    assert FrameReader(100).feed(stream) == [message for message in messages if message]


@given(st.binary(max_size=60))
def test_any_bytes_are_pieces_or_too_long(data: bytes) -> None:
    """No other error, and never more than the limit."""
    with contextlib.suppress(RemoteError):
        pieces = FrameReader(20).feed(data)
        assert sum(map(len, pieces)) <= len(data)
        assert all(0 < len(piece) <= 20 for piece in pieces)


@given(st.binary(min_size=1, max_size=20), st.integers(1, 23))
def test_a_frame_that_is_not_whole_is_unfinished(message: bytes, missing: int) -> None:
    stream = header(len(message)) + message
    cut = stream[: max(1, len(stream) - missing)]
    reader = FrameReader(20)
    reader.feed(cut)
    assert reader.unfinished == (len(cut) < len(stream))


def test_the_limit_is_exact() -> None:
    assert FrameReader(5).feed(header(5) + b"hello") == [b"hello"]
    with pytest.raises(RemoteError, match="6 bytes is over the limit of 5") as refused:
        FrameReader(5).feed(header(6))
    assert refused.value.name == "ERR_MESSAGE_SIZE"


def test_the_layout() -> None:
    assert header(258) == b"\x00\x00\x01\x02"
    assert len(header(0)) == HEADER_BYTES


@pytest.mark.parametrize("step", [1, 3, 5, 7, 100, 10_000])
def test_records_are_counted_however_they_are_split(step: int) -> None:
    sizes = [1, 0, 300, 16_640, 17, 5]
    stream = b"".join(bytes((23, 3, 3)) + size.to_bytes(2, "big") + bytes(size) for size in sizes)
    counter = RecordCounter()
    assert sum(counter.count(stream[at : at + step]) for at in range(0, len(stream), step)) == len(sizes)
    assert counter.count(bytes((23, 3, 3, 0, 9)) + bytes(8)) == 0
    assert counter.count(b"x") == 1


@pytest.mark.parametrize("data", [b'["rid","key",1]', bytes((23, 2, 3, 0, 1)), bytes((23, 3, 3, 255, 255))])
def test_what_is_no_record_is_openssl_s_to_refuse_at_once(data: bytes) -> None:
    assert RecordCounter().count(data) == 1

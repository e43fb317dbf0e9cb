"""Datagrams in pieces: whole or not at all, whatever comes, and never more than is allowed."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from core.datagrams.assembly import Assembly, cut, fits
from core.datagrams.config import DatagramConfig
from core.wire.datagram_packet import PIECES_MAX, SEALED_BYTES, Piece, pack_content


@given(st.integers(548, 1472), st.floats(0, 1), st.integers())
def test_a_datagram_comes_back_in_whatever_order(size: int, part: float, seed: int) -> None:
    random = Random(seed)
    length = size + int(part * (PIECES_MAX - 1) * (size - SEALED_BYTES - 20))
    data = random.randbytes(length)
    assert fits(length, size)
    pieces = cut(7, 9, data, size)
    assert all(len(pack_content(piece)) + SEALED_BYTES <= size for piece in pieces)
    assert 2 <= len(pieces) <= PIECES_MAX
    random.shuffle(pieces)
    assembly = Assembly(DatagramConfig())
    assert [assembly.add(piece) for piece in pieces] == [None] * (len(pieces) - 1) + [data]
    assert assembly.bytes == 0


def test_what_is_never_whole_makes_room_by_number_and_by_bytes() -> None:
    assembly = Assembly(DatagramConfig(partial=4, partial_bytes=5000))
    for message in range(10):
        assert assembly.add(Piece(1, message, 0, 2, bytes(100))) is None
    assert (assembly.bytes, assembly.dropped) == (400, 6)
    assert assembly.add(Piece(1, 6, 1, 2, b"end")) == bytes(100) + b"end"
    for part in range(7):
        assembly.add(Piece(1, 99, part, 8, bytes(900)))
    assert assembly.bytes <= 5000
    assert assembly.dropped >= 7


def test_pieces_that_contradict_or_repeat_are_dropped() -> None:
    assembly = Assembly(DatagramConfig())
    assert assembly.add(Piece(1, 1, 0, 3, b"a")) is None
    assert assembly.add(Piece(1, 1, 0, 3, b"other")) is None
    assert assembly.add(Piece(1, 1, 1, 2, b"of two")) is None
    assert assembly.add(Piece(2, 1, 1, 3, b"of another stream")) is None
    assert assembly.add(Piece(1, 1, 1, 3, b"b")) is None
    assert assembly.add(Piece(1, 1, 2, 3, b"c")) == b"abc"

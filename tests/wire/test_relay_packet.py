"""Frames and beats: there and back, and what is malformed is refused."""

import pytest

from core.errors import RemoteError
from core.values import Address
from core.wire.relay_packet import (
    FROM_RELAY,
    OVERHEAD,
    TO_RELAY,
    Beat,
    Bye,
    Ping,
    Pong,
    pack_beat,
    pack_frame,
    parse_beat,
    parse_beat_header,
    parse_frame,
    passed_on,
    slot_of,
)

HOME = Address("192.168.1.7", 4000)
SIX = Address("2001:db8::7", 4000)


@pytest.mark.parametrize(
    "beat",
    [Ping(7), Ping(2**64 - 1, (HOME,) * 8), Ping(1, (SIX,)), Ping(1, (HOME, SIX, SIX)), Pong(5), Pong(5, HOME), Bye()],
    ids=lambda beat: str(beat)[:12],
)
def test_beats_come_back(beat: Beat) -> None:
    assert parse_beat(pack_beat(beat)) == beat


def test_an_answer_is_never_longer_than_its_question() -> None:
    assert len(pack_beat(Pong(1, HOME))) <= len(pack_beat(Ping(1)))


@pytest.mark.parametrize("content", [b"", b"\x01", b"\x02" + bytes(15), b"\x01" + bytes(8) + b"\x09" + bytes(90),
                                     b"\x01" + bytes(8) + b"\x02" + bytes(6), b"\x04" + bytes(14)])  # fmt: skip
def test_a_beat_that_is_malformed_is_refused(content: bytes) -> None:
    with pytest.raises(RemoteError):
        parse_beat(content)


def test_frames_come_back_under_another_slot() -> None:
    frame = pack_frame(b"12345678", 9, b"m" * 8, b"payload")
    assert slot_of(frame, TO_RELAY) == b"12345678"
    there = passed_on(frame, b"abcdefgh")
    assert (slot_of(there, FROM_RELAY), len(there)) == (b"abcdefgh", len(frame))
    assert parse_frame(there) == (9, b"m" * 8, b"payload")


def test_what_is_too_short_is_no_frame_and_no_beat() -> None:
    assert slot_of(bytes((TO_RELAY,)) + bytes(OVERHEAD - 1), TO_RELAY) is None
    assert slot_of(bytes((FROM_RELAY,)) + bytes(99), TO_RELAY) is None
    assert slot_of(b"", TO_RELAY) is None
    assert parse_beat_header(b"\xfd" + bytes(20)) is None

"""WebSocket frames: whole, cut anywhere, in fragments, and wrong."""

import random

import pytest

from core.wire.websocket_frame import (
    PROTOCOL_ERROR,
    TOO_BIG,
    FrameError,
    FrameReader,
    Kind,
    Message,
    accept_key,
    close_frame,
    frame,
    is_key,
    mask_with,
)

MASK = b"\x79\x50\x81\xaa"


def test_the_key_of_the_rfc() -> None:
    assert accept_key("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    assert is_key("dGhlIHNhbXBsZSBub25jZQ==")
    assert not any(map(is_key, [None, "", "short", "!" * 24]))


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 100_000])
def test_what_is_framed_is_read_however_it_is_cut(size: int) -> None:
    data = random.Random(size).randbytes(size)
    raw = frame(Kind.BINARY, data, MASK) + frame(Kind.PING, b"p", MASK)
    reader, found, at = FrameReader(200_000, masked=True), list[Message](), 0
    chance = random.Random(1)
    while at < len(raw):
        step = chance.randint(1, 20_000)
        found += reader.feed(raw[at : at + step])
        at += step
    assert found == [(Kind.BINARY, data), (Kind.PING, b"p")]
    assert reader.held == 0


def test_the_masked_example_of_the_rfc() -> None:
    reader = FrameReader(100, masked=True)
    assert reader.feed(bytes.fromhex("818537fa213d7f9f4d5158")) == [(Kind.TEXT, b"Hello")]
    assert mask_with(mask_with(b"abcde", MASK), MASK) == b"abcde"


def test_fragments_are_joined_and_control_frames_come_between() -> None:
    reader = FrameReader(100, masked=False)
    assert reader.feed(b"\x01\x02He") == []
    assert reader.feed(frame(Kind.PING, b"")) == [(Kind.PING, b"")]
    assert reader.feed(b"\x80\x03llo") == [(Kind.TEXT, b"Hello")]


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (frame(Kind.TEXT, b"unmasked"), PROTOCOL_ERROR),
        (b"\xc1\x80" + MASK, PROTOCOL_ERROR),  # a reserved bit
        (b"\x83\x80" + MASK, PROTOCOL_ERROR),  # a reserved opcode
        (b"\x80\x80" + MASK, PROTOCOL_ERROR),  # continues nothing
        (b"\x09\x80" + MASK, PROTOCOL_ERROR),  # a control frame in fragments
        (b"\x89\xfe\x00\x7e" + MASK, PROTOCOL_ERROR),  # a long control frame
        (b"\x01\x80" + MASK + b"\x01\x80" + MASK, PROTOCOL_ERROR),  # a message within another
        (b"\x81\xff\x00\x00\x00\x00\x7f\xff\xff\xff", TOO_BIG),
        (b"\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff", TOO_BIG),
    ],
)
def test_what_is_no_frame_has_a_code(raw: bytes, code: int) -> None:
    with pytest.raises(FrameError) as failure:
        FrameReader(1000, masked=True).feed(raw)
    assert failure.value.code == code


def test_fragments_cannot_grow_beyond_the_limit() -> None:
    reader = FrameReader(10, masked=False)
    reader.feed(b"\x01\x06sixsix")
    with pytest.raises(FrameError, match="over 10"):
        reader.feed(b"\x00\x06sixsix")


def test_bytes_of_anybody_raise_nothing_else() -> None:
    for seed in range(300):
        reader = FrameReader(1000, masked=bool(seed % 2))
        try:
            for _ in range(20):
                reader.feed(random.Random(seed).randbytes(50))
        except FrameError:
            pass


def test_a_close_says_why() -> None:
    assert close_frame(1000) == b"\x88\x02\x03\xe8"
    assert close_frame(None) == b"\x88\x00"


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5, 124, 125, 126, 251, 252, 253, 256, 1001])
def test_a_mask_is_laid_on_byte_by_byte(size: int) -> None:
    data = random.Random(size).randbytes(size)
    assert mask_with(data, MASK) == bytes(byte ^ MASK[at % 4] for at, byte in enumerate(data))


def test_a_short_text_within_another_message_and_over_the_limit_is_refused_as_a_long_one_is() -> None:
    reader = FrameReader(100, masked=False)
    reader.feed(b"\x01\x02He")
    with pytest.raises(FrameError) as failure:
        reader.feed(frame(Kind.TEXT, b"another"))
    assert failure.value.code == PROTOCOL_ERROR
    with pytest.raises(FrameError) as failure:
        FrameReader(10, masked=False).feed(frame(Kind.TEXT, b"x" * 11))
    assert failure.value.code == TOO_BIG

"""Frames of byte streams: round trips however they are split, limits, and reasons that cannot be read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import RemoteError
from core.wire.stream_frame import (
    REASON_MAX,
    Frame,
    FrameParser,
    Kind,
    Reason,
    pack_frame,
    pack_header,
    pack_reason,
    parse_reason,
)

EXACT = {Kind.CREDIT: 4, Kind.PING: 8, Kind.PONG: 8, Kind.END: 0}
frames = st.builds(
    lambda kind, stream, payload: (
        Frame(kind, stream, payload[:8].ljust(EXACT[kind], b"0")[: EXACT[kind]])
        if kind in EXACT
        else Frame(kind, stream, payload)
    ),
    st.sampled_from(Kind),
    st.integers(0, 2**32 - 1),
    st.binary(max_size=200),
)


@given(st.lists(frames, max_size=6), st.integers(1, 50))
def test_frames_come_back_however_they_are_split(sent: list[Frame], size: int) -> None:
    wire = b"".join(pack_frame(*frame) for frame in sent)
    parser = FrameParser()
    got: list[Frame] = []
    for at in range(0, len(wire), size):
        for frame in parser.feed(wire[at : at + size]):
            pieces = got and frame.kind is Kind.DATA and got[-1].kind is Kind.DATA and got[-1].stream == frame.stream
            if pieces:
                got[-1] = Frame(Kind.DATA, frame.stream, got[-1].payload + frame.payload)
            else:
                got.append(frame)
    joined: list[Frame] = []
    for frame in sent:
        if joined and frame.kind is Kind.DATA and joined[-1].kind is Kind.DATA and joined[-1].stream == frame.stream:
            joined[-1] = Frame(Kind.DATA, frame.stream, joined[-1].payload + frame.payload)
        else:
            joined.append(frame)
    assert [frame for frame in got if frame.payload or frame.kind is not Kind.DATA] == [
        frame for frame in joined if frame.payload or frame.kind is not Kind.DATA
    ]


def test_a_header_alone_is_that_of_the_frame() -> None:
    assert pack_header(Kind.DATA, 7, 3) + b"abc" == pack_frame(Kind.DATA, 7, b"abc")


def test_a_payload_over_the_limit_is_our_mistake_or_theirs() -> None:
    with pytest.raises(ValueError, match="OPEN frame holds"):
        pack_frame(Kind.OPEN, 1, bytes(5000))
    with pytest.raises(RemoteError, match="OPEN frame of 5,000"):
        list(FrameParser().feed(pack_header(Kind.OPEN, 1, 5000)))


@given(st.text(max_size=3000))
def test_a_reason_fits_whatever_it_says(message: str) -> None:
    packed = pack_reason(Reason("ERR_X", message))
    assert len(packed) <= REASON_MAX
    assert parse_reason(packed).name == "ERR_X"


@pytest.mark.parametrize("payload", [b"", b"{", b"[1,2]", b'["x","y"]', b"[[[[", b'["ERR_\\n", "y"]', b"\xff"])
def test_a_reason_that_cannot_be_read_is_still_a_refusal(payload: bytes) -> None:
    assert parse_reason(payload).name == "ERR_STREAM_RESET"

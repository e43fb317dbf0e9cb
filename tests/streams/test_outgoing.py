"""What an engine hands to its connection at a time: up to the bytes that it was asked for, headers included."""

from random import Random

import pytest

from core.secure.frames import ONCE_BYTES
from core.streams.config import StreamConfig
from core.streams.events import Received
from core.wire.stream_frame import HEADER_BYTES
from tests.streams.pair import Pair


def emptied(pair: Pair, most: Random | int) -> tuple[list[int], bytes, list[int]]:
    """Carry all that `a` has; return how many bytes each step took, the data, and the most that each step might."""
    sizes: list[int] = []
    asked: list[int] = []
    data = b""
    while pair.a.waiting:
        asked.append(most if isinstance(most, int) else most.randint(2 * HEADER_BYTES + 1, 70_000))
        sent = b"".join(pair.a.outgoing(asked[-1]))
        sizes.append(len(sent))
        pair.b.receive(sent, 0.0)
        data += b"".join(event.data for event in pair.b.events() if isinstance(event, Received))
    assert pair.a.outgoing(1000) == []
    return sizes, data, asked


@pytest.mark.parametrize("streams", [1, 2, 7, 100])
def test_no_step_has_more_than_it_was_asked_for_and_all_but_the_last_are_full(streams: int) -> None:
    pair = Pair()
    numbers = [pair.opened() for _ in range(streams)]
    for number in numbers:
        pair.a.write(number, bytes(60_000))
        pair.a.end(number)
    sizes, data, asked = emptied(pair, Random(streams))
    assert len(data) == 60_000 * streams
    assert all(size <= most for size, most in zip(sizes, asked, strict=True))
    missing = [most - size for size, most in zip(sizes, asked, strict=True)][:-1]
    assert all(each <= 2 * HEADER_BYTES for each in missing), "the next frame begins with what is left"
    assert pair.b.error is None


@pytest.mark.parametrize("most", [0, 1, HEADER_BYTES, HEADER_BYTES + 1])
def test_each_step_goes_on_however_little_it_is_asked_for(most: int) -> None:
    pair = Pair()
    number = pair.opened()
    pair.a.write(number, b"abc")
    pair.a.end(number)
    sizes, data, _ = emptied(pair, most)
    assert data == b"abc"
    assert max(sizes) <= 2 * HEADER_BYTES + 1


def test_a_full_stream_fills_what_is_sealed_in_one_step() -> None:
    pair = Pair()
    number = pair.opened()
    for side in (pair.a, pair.b):
        side.outgoing(1000)
    size = StreamConfig().send_buffer
    pair.a._streams[number].outbound.credit = size  # private: a window that has grown
    assert pair.a.write(number, bytes(2 * size)) == size
    assert len(b"".join(pair.a.outgoing(ONCE_BYTES))) == ONCE_BYTES
    assert not pair.a.waiting, "a rest of some bytes would cost a record and a packet"

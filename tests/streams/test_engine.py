"""The stream engine: opened and refused, byte exact, bounded, fair; what a hostile other side can and cannot do."""

import tracemalloc
from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import LocalError
from core.streams.config import FIRST_WINDOW, StreamConfig
from core.streams.engine import StreamEngine
from core.streams.events import (
    Accepted,
    DatagramReceived,
    Ended,
    Finished,
    Goodbye,
    Opening,
    Received,
    Refused,
    Reset,
    StreamEvent,
    Writable,
)
from core.streams.flow import Outbound
from core.wire.stream_frame import FrameParser, Kind, Reason, pack_frame
from tests.streams.pair import MOST, Pair

WHY = Reason("ERR_NOT_TRUSTED", "this service is for people its owner trusts")


def data_of(events: list[tuple[str, StreamEvent]], side: str = "b", number: int = 1) -> bytes:
    return b"".join(e.data for who, e in events if who == side and isinstance(e, Received) and e.stream == number)


def test_an_open_is_answered_within_one_round_trip_and_carries_data_with_it() -> None:
    pair = Pair()
    number = pair.a.open(b"ssh", 0.0)
    pair.a.write(number, b"hello")
    pair.send(pair.a, pair.b)
    opening, *rest = pair.b.events()
    assert opening == Opening(number, b"ssh")
    assert data_of([("b", event) for event in rest]) == b"hello"
    pair.b.accept(number, b"yes")
    pair.send(pair.b, pair.a)
    assert pair.a.events() == [Accepted(number, b"yes")]


def test_a_refusal_says_why_and_frees_the_number() -> None:
    pair = Pair()
    number = pair.a.open(b"ssh", 0.0)
    pair.settle()
    pair.b.refuse(number, WHY)
    assert ("a", Refused(number, WHY)) in pair.settle()
    assert len(pair.a) == len(pair.b) == 0
    pair.a.write(number, b"late")
    pair.b.accept(number)
    assert pair.settle() == []


def test_each_direction_ends_by_itself_and_the_stream_is_over_after_both() -> None:
    pair = Pair()
    number = pair.opened()
    pair.a.write(number, b"question")
    pair.a.end(number)
    events = pair.settle()
    assert data_of(events) == b"question"
    assert ("b", Ended(number)) in events
    pair.b.consumed(number, 8, 0.0)
    pair.b.write(number, b"answer")
    pair.b.end(number)
    events = pair.settle()
    assert data_of(events, "a") == b"answer"
    assert ("b", Finished(number)) in events
    pair.a.consumed(number, 6, 0.0)
    assert pair.a.events() == [Finished(number)]
    assert len(pair.a) == len(pair.b) == 0


def test_a_reset_drops_what_is_under_way_both_ways() -> None:
    pair = Pair()
    number = pair.opened()
    pair.a.write(number, bytes(1000))
    pair.b.write(number, bytes(1000))
    pair.b.reset(number, WHY)
    events = pair.settle()
    assert ("a", Reset(number, WHY)) in events
    assert len(pair.a) == len(pair.b) == 0
    assert pair.a.unread == pair.b.unread == 0


def test_a_reader_that_reads_nothing_is_sent_one_window_and_no_more() -> None:
    pair = Pair()
    number = pair.opened()
    sent = 0
    for _ in range(10):
        sent += pair.a.write(number, bytes(100_000))
        pair.settle()
    assert pair.b.unread == FIRST_WINDOW
    assert sent == FIRST_WINDOW + StreamConfig().send_buffer
    pair.b.consumed(number, FIRST_WINDOW, 5.0)
    pair.settle()
    assert pair.b.unread == FIRST_WINDOW  # as much again, and not more: it read slowly


def test_a_quick_reader_gets_a_greater_window_within_the_bound_of_all() -> None:
    config = StreamConfig(windows=3 * FIRST_WINDOW, window_max=FIRST_WINDOW * 16, send_buffer=1 << 20)
    pair = Pair(config)
    number = pair.opened()
    for _ in range(20):
        pair.a.write(number, bytes(1 << 20))
        pair.settle()
        pair.b.consumed(number, pair.b.unread, pair.now)
        pair.settle()
    pair.settle()
    assert pair.b.unread == 4 * FIRST_WINDOW


def test_a_short_write_is_told_when_half_is_free() -> None:
    pair = Pair()
    number = pair.opened()
    assert pair.a.write(number, bytes(300_000)) == StreamConfig().send_buffer
    told = [event for event in pair.settle() if event == ("a", Writable(number))]
    assert len(told) == 1  # a window of 64 KiB left, which is half
    pair.b.consumed(number, pair.b.unread, 0.0)
    assert ("a", Writable(number)) not in pair.settle()  # nobody waits


def test_streams_take_turns_and_a_new_one_does_not_wait_for_a_full_one() -> None:
    pair = Pair()
    greedy, modest = pair.opened(), pair.opened()
    pair.a.write(greedy, bytes(100_000))
    pair.a.write(modest, b"a few bytes")
    first = b"".join(pair.a.outgoing(20_000))
    assert b"a few bytes" in first


def test_a_hundred_streams_share_alike() -> None:
    pair = Pair(StreamConfig(send_buffer=64 * 1024))
    numbers = [pair.opened() for _ in range(100)]
    for number in numbers:
        pair.a.write(number, bytes(60_000))
    sent: Counter[int] = Counter()
    pair.b.receive(b"".join(pair.a.outgoing(2_000_000)), 0.0)
    for event in pair.b.events():
        if isinstance(event, Received):
            sent[event.stream] += len(event.data)
    assert set(sent) == set(numbers)
    assert min(sent.values()) * 2 >= max(sent.values())


def test_datagrams_arrive_whole_and_the_oldest_of_too_many_is_dropped() -> None:
    pair = Pair(StreamConfig(datagrams=3))
    number = pair.opened()
    for at in range(5):
        assert pair.a.send_datagram(number, bytes((at,)) * (at + 1))
    assert not pair.a.send_datagram(number, bytes(70_000))
    events = [event for _, event in pair.settle()]
    assert events == [DatagramReceived(number, bytes((at,)) * (at + 1)) for at in (2, 3, 4)]


def test_a_ping_measures_the_round_trip_once_at_a_time() -> None:
    pair = Pair()
    pair.a.ping(1.0)
    pair.a.ping(2.0)
    pair.now = 1.25
    pair.settle()
    assert pair.a.round_trip == 0.25


def test_after_a_goodbye_old_streams_go_on_and_new_ones_are_not_opened() -> None:
    pair = Pair()
    number = pair.opened()
    pair.b.goodbye(Reason("ERR_CLOSING", "this peer is closing"))
    assert ("a", Goodbye(Reason("ERR_CLOSING", "this peer is closing"))) in pair.settle()
    pair.a.write(number, b"still")
    assert data_of(pair.settle()) == b"still"
    with pytest.raises(LocalError, match="no new streams"):
        pair.a.open(b"", 0.0)


def test_too_many_streams_are_refused_by_both_sides() -> None:
    pair = Pair(StreamConfig(streams=3))
    for _ in range(3):
        pair.opened()
    with pytest.raises(LocalError, match="3 streams are open"):
        pair.a.open(b"", 0.0)
    few = StreamEngine(initiator=False, config=StreamConfig(unanswered=2))
    few.receive(b"".join(pack_frame(Kind.OPEN, number, b"") for number in (1, 3, 5)), 0.0)
    assert few.events() == [Opening(1, b""), Opening(3, b"")]
    assert b"ERR_STREAM_LIMIT" in b"".join(few.outgoing(MOST))
    few.refuse(1, WHY)
    few.receive(pack_frame(Kind.OPEN, 7, b""), 0.0)
    assert few.events() == [Opening(7, b"")]


@pytest.mark.parametrize(
    ("frames", "complaint"),
    [
        ([pack_frame(Kind.DATA, 1, b"x")], "never opened"),
        ([pack_frame(Kind.OPEN, 2, b"")], "not theirs"),
        ([pack_frame(Kind.OPEN, 3, b""), pack_frame(Kind.OPEN, 1, b"")], "taken"),
        ([pack_frame(Kind.OPEN, 1, b""), pack_frame(Kind.ACCEPT, 1, b"")], "no answer"),
        ([pack_frame(Kind.OPEN, 1, b""), pack_frame(Kind.END, 1), pack_frame(Kind.END, 1)], "ended twice"),
        ([pack_frame(Kind.OPEN, 1, b""), pack_frame(Kind.END, 1), pack_frame(Kind.DATA, 1, b"x")], "after its end"),
        ([pack_frame(Kind.OPEN, 1, b""), *[pack_frame(Kind.DATA, 1, bytes(40_000))] * 2], "beyond"),
        ([b"\x63" + bytes(7)], "kind 99"),
        ([b"\x05\x00\x00\x03" + bytes(4)], "CREDIT frame of 3"),
        ([b"\x01\xff\xff\xff" + bytes(4)], "OPEN frame of"),
    ],
)
def test_what_breaks_the_rules_ends_the_session_with_a_reason(frames: list[bytes], complaint: str) -> None:
    engine = StreamEngine(initiator=False)
    engine.receive(b"".join(frames), 0.0)
    assert complaint in str(engine.error)
    engine.receive(pack_frame(Kind.OPEN, 9, b""), 0.0)  # nothing counts after that
    assert Opening(9, b"") not in engine.events()


def test_who_opens_and_never_reads_our_answers_is_given_up() -> None:
    engine = StreamEngine(initiator=False, config=StreamConfig(unanswered=1))
    for number in range(1, 200_001, 2):
        engine.receive(pack_frame(Kind.OPEN, number, b""), 0.0)
        if engine.error is not None:
            break
    assert "does not read" in str(engine.error)
    assert len(b"".join(engine.outgoing(1))) < 70_000


def test_a_session_whose_readers_are_slow_is_congested_until_they_read() -> None:
    pair = Pair(StreamConfig(unread=FIRST_WINDOW))
    number = pair.opened()
    pair.a.write(number, bytes(FIRST_WINDOW))
    pair.settle()
    assert pair.b.congested
    pair.b.consumed(number, 1, 0.0)
    assert not pair.b.congested


class Story:
    """A pair, what was written and read on each stream, and what nobody has consumed yet."""

    def __init__(self, seed: int) -> None:
        self.pair, self.random = Pair(seed=seed), Random(seed)
        self.sent: dict[int, bytes] = {}
        self.got: dict[int, bytes] = {}
        self.unread: Counter[int] = Counter()
        self.numbers: list[int] = []

    def act(self, act: str, which: int, size: int) -> None:
        number = self.numbers[which % len(self.numbers)] if self.numbers else 0
        if act == "open":
            self.numbers.append(self.pair.a.open(b"", self.pair.now))
        elif act == "write":
            data = self.random.randbytes(size)
            self.sent[number] = self.sent.get(number, b"") + data[: self.pair.a.write(number, data)]
        elif act == "end":
            self.pair.a.end(number)
        elif act == "reset":
            self.pair.b.reset(number, WHY)
        else:
            self.read(number)

    def read(self, number: int) -> None:
        self.pair.b.consumed(number, self.unread.pop(number, 0), self.pair.now)

    def carry(self) -> None:
        for who, event in self.pair.settle():
            if who == "b" and isinstance(event, Opening):
                self.pair.b.accept(event.stream)
            elif who == "b" and isinstance(event, Received):
                self.got[event.stream] = self.got.get(event.stream, b"") + event.data
                self.unread[event.stream] += len(event.data)


steps = st.tuples(st.sampled_from(("open", "write", "end", "reset", "read")), st.integers(0, 5), st.integers(1, 90_000))


@settings(max_examples=60, deadline=None)
@given(st.lists(steps, max_size=60), st.integers(0, 1000))
def test_in_whatever_order_things_happen_bytes_arrive_in_order_and_counts_do_not_drift(
    acts: list[tuple[str, int, int]], seed: int
) -> None:
    story = Story(seed)
    for act in acts:
        story.act(*act)
        story.carry()
    for _ in range(8):
        for number in story.numbers:
            story.read(number)
        story.carry()
    assert story.pair.a.error is story.pair.b.error is None
    assert all(story.sent.get(number, b"").startswith(data) for number, data in story.got.items())
    assert story.pair.a.unread == story.pair.b.unread == 0


@given(st.binary(max_size=300))
def test_any_bytes_give_events_or_one_error(data: bytes) -> None:
    engine = StreamEngine(initiator=False)
    engine.receive(data, 0.0)
    assert len(engine.events()) <= len(data)


def test_streams_that_nobody_reads_do_not_hold_up_those_of_others() -> None:
    """Neither those that were fast first, and so have great windows, nor hundreds that never were read."""
    config = StreamConfig()
    pair = Pair()
    piece = bytes(config.send_buffer)

    def fill(number: int) -> None:
        while pair.a.write(number, piece):
            pair.settle()

    def opened(count: int) -> list[int]:
        numbers = [pair.a.open(b"x", pair.now) for _ in range(count)]
        for name, event in pair.settle():
            if name == "b" and isinstance(event, Opening):
                pair.b.accept(event.stream)
        return numbers

    numbers = opened(40)
    for number in numbers * 20:  # they are read at once, and their windows grow
        pair.now += 0.001
        pair.a.write(number, piece)
        for name, event in pair.settle():
            if name == "b" and isinstance(event, Received):
                pair.b.consumed(event.stream, len(event.data), pair.now)
    assert pair.b.unread == 0
    for number in numbers + opened(200):
        fill(number)
    assert not pair.b.congested


def test_single_bytes_that_wait_hold_no_more_than_they_are() -> None:
    outbound, size = Outbound(StreamConfig()), 60_000
    letters = [bytes([number % 256]) for number in range(size)]
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for letter in letters:
            outbound.add(letter, size)
        held = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert held < 1.5 * size
    out: list[bytes | memoryview] = []
    while outbound.queued:
        outbound.take(1, 777, out)
    frames = FrameParser().feed(b"".join(out))
    assert b"".join(frame.payload for frame in frames) == b"".join(letters)


def test_a_part_of_a_long_write_keeps_nothing_of_the_rest() -> None:
    outbound = Outbound(StreamConfig(send_buffer=1000))
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        assert outbound.add(bytes(1_000_000), 1 << 20) == 1000
        assert tracemalloc.get_traced_memory()[0] - before < 10_000
    finally:
        tracemalloc.stop()


def test_a_reader_reads_for_a_stream_what_it_takes_and_is_told_when_to_go_on() -> None:
    pair = Pair(config=StreamConfig(send_buffer=64 * 1024))
    stream = pair.opened()
    assert pair.a.room(stream) == 64 * 1024
    pair.a.write(stream, bytes(60 * 1024))
    assert pair.a.room(stream) == 0  # 4 KiB are not worth a read
    assert not [event for event in pair.a.events() if isinstance(event, Writable)]
    pair.a.outgoing(MOST)
    assert Writable(stream) in pair.a.events()
    assert pair.a.room(stream) == 64 * 1024
    pair.a.end(stream)
    assert pair.a.room(stream) == 0


def test_many_slow_readers_together_hold_what_one_session_may() -> None:
    config = StreamConfig(unsent=1024 * 1024)
    pair = Pair(config)
    numbers = [pair.opened() for _ in range(100)]
    for number in numbers * 2:
        while size := min(pair.a.room(number), 64 * 1024):
            assert pair.a.write(number, bytes(size)) == size
        pair.settle()
    assert pair.a.held <= config.unsent + config.send_buffer + 100 * config.quantum
    last = numbers[-1]
    assert pair.a.write(last, bytes(1_000_000)) <= config.quantum  # and not a buffer
    for number in numbers:
        pair.b.consumed(number, FIRST_WINDOW, 0.0)
    told = pair.settle()
    assert {("a", Writable(number)) for number in numbers} <= set(told)  # and each goes on
    for number in numbers:
        pair.a.reset(number, WHY)
    pair.settle()
    assert pair.a.held == 0

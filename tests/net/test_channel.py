"""A channel between an engine and a driver that only record: when it flushes."""

import asyncio
from typing import Any, cast

import pytest

from core.errors import PeerError, TransportClosed
from core.net.channel import OFFER_MAX, TOGETHER_BYTES, Channel
from core.net.joined import JOINED_MAX
from core.utp.connection import Connection
from core.utp.events import Closed, Connected, Ended, Readable, Writable
from core.values import Buffer
from core.wire.utp_marks import Marks
from tests.net.fakes import A
from tests.support.interpreted import interpreted

# the engine's connection is replaced by a recorder here, which is none to machine code
pytestmark = [pytest.mark.asyncio, interpreted]


class Recorder:
    """The connection and the driver at once: `log` has their calls in order."""

    remote = A

    def __init__(self) -> None:
        self.log: list[str] = []
        self.room = 4
        self.arrived: list[bytes] = []
        self.unsettled = False
        self.peer_marks = Marks(0)

    def now(self) -> float:
        return 1.0

    def flush(self) -> None:
        self.log.append("flush")

    def flush_soon(self) -> None:
        self.log.append("flush soon")

    def write(self, data: Buffer, now: float, *, boundary: bool, urgent: bool) -> int:
        taken = min(self.room, len(data))
        self.log.append(f"write {taken}{' joined' if urgent else ''}")
        return taken

    def writable(self) -> int:
        return self.room

    def read(self, now: float) -> list[bytes]:
        arrived, self.arrived = self.arrived, []
        return arrived

    def received(self, chunk: bytes) -> None:
        self.log.append(f"received {chunk.decode()}")

    def ended(self, error: PeerError | None) -> None:
        self.log.append(f"ended {error}")

    def close(self, now: float) -> None:
        self.log.append("close")


def channel(recorder: Recorder) -> Channel:
    connection = cast(Connection, cast(Any, recorder))
    return Channel(connection, recorder, lambda _: None, asyncio.get_running_loop())


async def test_what_a_channel_writes_when_there_is_room_leaves_at_once() -> None:
    recorder = Recorder()
    made = channel(recorder)
    async with asyncio.TaskGroup() as group:
        group.create_task(made.write(b"0123456789", boundary=True))
        await asyncio.sleep(0)
        assert recorder.log == ["write 4", "flush"]
        made.handle(Writable(made.connection))
        assert recorder.log == ["write 4", "flush", "write 4", "flush"]
        made.handle(Writable(made.connection))
    assert recorder.log[-2:] == ["write 2", "flush"]


async def test_reading_books_a_flush_once_for_all_chunks_and_a_closing_reader_flushes_what_it_drops() -> None:
    recorder = Recorder()
    made = channel(recorder)
    recorder.arrived = [b"a", b"b"]
    assert [await made.read(), await made.read()] == [b"a", b"b"]
    assert recorder.log == ["flush soon"]
    made.finish()
    made.handle(Readable(made.connection))
    assert recorder.log == ["flush soon", "close", "flush", "flush"]


async def test_a_listener_is_handed_what_arrives_within_the_event_and_what_came_before_at_once() -> None:
    recorder = Recorder()
    made = channel(recorder)
    recorder.arrived = [b"a"]
    made.listen(recorder)
    recorder.arrived = [b"b", b"c"]
    made.handle(Readable(made.connection))
    assert recorder.log == ["received a", "received b", "received c"]  # and nothing to flush
    recorder.unsettled = True
    made.handle(Readable(made.connection))
    assert recorder.log[3:] == ["flush"]
    made.handle(Ended(made.connection))
    made.handle(Closed(made.connection, None))
    assert recorder.log[-1] == "ended None"
    assert recorder.log.count("ended None") == 1


async def test_what_a_wake_up_brings_of_a_stream_that_joins_messages_is_handed_over_in_one_piece() -> None:
    recorder = Recorder()
    recorder.peer_marks = Marks.JOINS
    made = channel(recorder)
    made.handle(Connected(made.connection))
    recorder.arrived = [b"a", b"b"]
    made.listen(recorder)
    recorder.arrived = [b"c" * JOINED_MAX, b"d"]  # what waited for a paused listener
    made.handle(Readable(made.connection))
    assert recorder.log == ["received ab", "received " + "c" * JOINED_MAX, "received d"]


async def test_much_that_waited_is_handed_over_in_few_pieces_in_order() -> None:
    recorder = Recorder()
    recorder.peer_marks = Marks.JOINS
    made = channel(recorder)
    made.handle(Connected(made.connection))
    made.listen(recorder)
    made.pause()
    packet = JOINED_MAX // 8
    recorder.arrived = [b"%c" % (65 + number) * packet for number in range(20)]
    made.handle(Readable(made.connection))
    made.resume()
    pieces = [each.removeprefix("received ") for each in recorder.log]
    assert [len(piece) // packet for piece in pieces] == [8, 8, 4]
    assert "".join(pieces) == "".join(chr(65 + number) * packet for number in range(20))


async def test_a_paused_listener_is_handed_nothing_not_even_the_end_until_it_resumes() -> None:
    recorder = Recorder()
    made = channel(recorder)
    made.listen(recorder)
    made.pause()
    recorder.arrived = [b"a"]
    made.handle(Readable(made.connection))
    assert recorder.arrived == [b"a"]  # in the engine, whose window it fills
    made.handle(Closed(made.connection, TransportClosed("it broke")))
    assert recorder.log == []
    made.resume()
    assert recorder.log == ["received a", "ended it broke"]


async def test_a_listener_that_pauses_within_a_call_is_spared_the_rest() -> None:
    recorder = Recorder()
    made = channel(recorder)

    class Slow(Recorder):
        def received(self, chunk: bytes) -> None:
            super().received(chunk)
            made.pause()

    slow = Slow()
    recorder.arrived = [b"a", b"b", b"c"]
    made.listen(slow)
    assert slow.log == ["received a"]
    recorder.arrived = [b"d"]
    made.handle(Readable(made.connection))
    for _ in range(3):
        made.resume()
    assert slow.log == ["received a", "received b", "received c", "received d"]


async def test_closing_ends_a_listener_though_it_is_paused() -> None:
    recorder = Recorder()
    made = channel(recorder)
    made.listen(recorder)
    made.pause()
    made.let_go(1.0)
    assert recorder.log[-1] == "ended None"
    made.end(None)  # which ends its patience too
    assert recorder.log.count("ended None") == 1


async def test_an_offer_is_taken_whole_at_once_or_not_at_all() -> None:
    recorder = Recorder()
    made = channel(recorder)
    assert not made.offer(b"12345", soon=False)  # no room
    recorder.room = 1 << 20
    assert not made.offer(b"x" * (OFFER_MAX + 1), soon=False)
    assert not made.offer(b"", soon=False)
    assert recorder.log == []
    assert made.offer(b"1234", soon=False)
    assert made.offer(b"1234", soon=True)
    assert recorder.log == ["write 4", "flush", "write 4", "flush soon"]
    made.finish()
    assert not made.offer(b"1234", soon=False)


async def test_a_packets_worth_of_what_may_leave_soon_leaves_at_once_and_the_count_begins_again() -> None:
    recorder = Recorder()
    recorder.room = 1 << 20
    made = channel(recorder)
    for _ in range(2):
        recorder.log.clear()
        assert all(made.offer(b"x" * 300, soon=True) for _ in range(4))
        assert 3 * 300 < TOGETHER_BYTES < 4 * 300
        assert recorder.log == ["write 300", "flush soon"] * 3 + ["write 300", "flush"]
    assert made.offer(b"x" * 900, soon=True)
    assert made.offer(b"x", soon=False)
    recorder.log.clear()
    assert made.offer(b"x" * 300, soon=True)
    assert recorder.log == ["write 300", "flush soon"]  # what left at once took the others along


async def test_an_offer_never_overtakes_a_message_under_way() -> None:
    recorder = Recorder()
    made = channel(recorder)
    async with asyncio.TaskGroup() as group:
        group.create_task(made.write(b"0123456789", boundary=True))
        await asyncio.sleep(0)
        assert not made.offer(b"a", soon=False)
        recorder.room = 100
        made.handle(Writable(made.connection))
    assert made.offer(b"a", soon=False)


async def test_messages_are_joined_for_a_peer_that_reads_them_joined_and_for_no_other() -> None:
    for marks, expected in ((Marks.JOINS, "write 1 joined"), (Marks(0), "write 1")):
        recorder = Recorder()
        recorder.peer_marks = marks
        made = channel(recorder)
        made.handle(Connected(made.connection))
        await made.write(b"a", boundary=True)
        assert made.offer(b"b", soon=True)
        assert [entry for entry in recorder.log if entry.startswith("write")] == [expected] * 2
        await made.write(b"c", boundary=False)
        assert recorder.log[-2:] == ["write 1", "flush"]

"""A channel between an engine and a driver that only record: when it flushes."""

import asyncio
from typing import Any, cast

import pytest

from core.net.channel import Channel
from core.utp.connection import Connection
from core.utp.events import Readable, Writable
from core.values import Buffer
from tests.net.fakes import A

pytestmark = pytest.mark.asyncio


class Recorder:
    """The connection and the driver at once: `log` has their calls in order."""

    remote = A

    def __init__(self) -> None:
        self.log: list[str] = []
        self.room = 4
        self.arrived: list[bytes] = []

    def now(self) -> float:
        return 1.0

    def flush(self) -> None:
        self.log.append("flush")

    def flush_soon(self) -> None:
        self.log.append("flush soon")

    def write(self, data: Buffer, now: float, *, boundary: bool) -> int:
        taken = min(self.room, len(data))
        self.log.append(f"write {taken}")
        return taken

    def read(self, now: float) -> list[bytes]:
        arrived, self.arrived = self.arrived, []
        return arrived

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

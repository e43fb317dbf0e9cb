"""How a session writes to its encrypted connection: in full TLS records, without a task while there is room."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from core.secure.frames import ONCE_BYTES, RECORD_BYTES, SEAL_BYTES, SLICE_BYTES
from core.secure.stream import SecureStream
from core.streams.config import StreamConfig
from core.tunnel.session import WRITE_BYTES, Session
from core.tunnel.stream import ByteStream
from tests.rpc.streams import MemoryStream, pair
from tests.secure.test_stream import secured
from tests.support.virtual_time import settle

pytestmark = pytest.mark.virtual_time

FULL = SLICE_BYTES // RECORD_BYTES * (RECORD_BYTES + SEAL_BYTES)  # bytes of eight records
SIZE = StreamConfig().send_buffer


class Two:
    """Two sessions on encrypted connections; `ours` and `theirs` are the ends of each stream."""

    def __init__(self, near: SecureStream, far: SecureStream) -> None:
        self.carrier = near._carrier
        self.ours: list[ByteStream] = []
        self.theirs: list[ByteStream] = []
        self.near = Session(near, initiator=True, on_opening=lambda stream: None)
        self.far = Session(far, initiator=False, on_opening=self._take)
        self.near.start()
        self.far.start()

    def _take(self, stream: ByteStream) -> None:
        stream.accept()
        self.theirs.append(stream)

    async def open(self) -> None:
        self.ours.append(await self.near.open_accepted(b"", 5.0))

    @property
    def written(self) -> list[int]:
        assert isinstance(self.carrier, MemoryStream)
        return [len(data) for data, _ in self.carrier.written]


@asynccontextmanager
async def scene(**how: int) -> AsyncIterator[Two]:
    two = Two(*await secured(*pair(**how)))
    try:
        yield two
    finally:
        two.near.abort()
        two.far.abort()
        await settle()


async def read(stream: ByteStream, size: int) -> int:
    """Take so many bytes; return how many came."""
    got = 0
    while got < size:
        got += len(await stream.read())
    return got


async def test_a_bulk_stream_leaves_in_full_records_and_no_others() -> None:
    assert WRITE_BYTES == ONCE_BYTES, "neither layer knows the other"
    async with scene(buffer=1 << 30) as two:
        await two.open()
        ours, theirs = two.ours[0], two.theirs[0]
        async with asyncio.TaskGroup() as group:
            group.create_task(ours.write(bytes(2 << 20)))  # its window has grown then
            assert await read(theirs, 2 << 20) == 2 << 20
        await settle()
        before = len(two.written)
        assert ours.offer(bytes(SIZE)) == SIZE
        await settle(3)
        assert two.written[before:] == [FULL]
        assert isinstance(two.carrier, MemoryStream)
        assert two.carrier.written[-1][1] is False, "its last bytes wait for the next packet"
        assert ours.offer(bytes(60_000)) == 60_000
        await settle(3)
        assert two.carrier.written[-1][1] is True, "nothing follows"


async def test_what_there_is_room_for_is_written_without_a_task() -> None:
    async with scene(buffer=1 << 30) as two:
        await two.open()
        tasks = len(asyncio.all_tasks())
        two.ours[0].offer(bytes(60_000))
        await asyncio.sleep(0)  # the turn in which it is sent
        assert len(asyncio.all_tasks()) == tasks
        assert max(two.written) > 60_000


async def test_many_full_streams_leave_in_full_records_a_turn_of_the_loop_for_each_eight() -> None:
    async with scene(buffer=1 << 30) as two:
        for _ in range(20):
            await two.open()
        await settle()
        before = len(two.written)
        for stream in two.ours:
            assert stream.offer(bytes(60_000)) == 60_000
        for turn in range(1, 4):
            await asyncio.sleep(0)
            assert two.written[before:] == [FULL] * turn
        sums = await asyncio.gather(*(read(stream, 60_000) for stream in two.theirs))
        assert sums == [60_000] * 20


async def test_without_room_it_waits_and_nothing_is_lost_or_overtaken() -> None:
    async with scene(buffer=100_000) as two:
        await two.open()
        ours, theirs = two.ours[0], two.theirs[0]
        text = b"".join(b"%07d\n" % number for number in range(100_000))
        got = b""
        async with asyncio.TaskGroup() as group:
            group.create_task(ours.write(text))
            while len(got) < len(text):
                got += await theirs.read()
        assert got == text

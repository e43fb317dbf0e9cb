"""A local port under each loop: what a program says before its stream is open."""

import asyncio

import pytest

from core.kinds.table import make
from core.tunnel.stream import ByteStream
from core.using.tcp import TcpUse
from tests.kinds.streams import joined
from tests.kinds.test_tcp import echo, share


async def speaks_first(use: TcpUse, text: bytes, *, ends: bool) -> bytes:
    """Connect, say something at once, and return the answer to it."""
    reader, writer = await asyncio.open_connection(*use.address)
    writer.write(text)
    if ends:
        writer.write_eof()
    answer = await asyncio.wait_for(reader.readexactly(len(text)), 10)
    writer.close()
    return answer


@pytest.mark.parametrize("ends", [False, True])
@pytest.mark.parametrize("name", ["asyncio", "uvloop"])
def test_what_a_program_says_before_its_stream_is_open_is_not_lost(name: str, ends: bool) -> None:
    """uvloop reads a connection that was paused in `connection_made`: a browser's first request vanished."""
    late = asyncio.Event()

    async def scene() -> None:
        async with echo() as port, joined(make(share(str(port)))) as pair:

            async def slowly() -> ByteStream:
                await late.wait()
                return await pair.open()

            use = TcpUse(slowly)
            await use.start()
            answer = asyncio.get_running_loop().create_task(speaks_first(use, b"GET /" * 100, ends=ends))
            await asyncio.sleep(0.05)  # until the loop has had every chance to read
            late.set()
            assert await answer == b"GET /" * 100
            await use.aclose()

    loop = pytest.importorskip("uvloop").new_event_loop() if name == "uvloop" else asyncio.new_event_loop()
    try:
        loop.run_until_complete(asyncio.wait_for(scene(), 30))
    finally:
        loop.close()

"""Standard input and output joined to a byte stream, with half-close and back-pressure both ways.

Threads read and write, as asyncio cannot wait for a file or for what Windows has; they are daemons, as nobody can wake
one that waits for a terminal. So pipes, files and terminals are all the same.
"""

import asyncio
import contextlib
import os
import queue
import threading
from collections.abc import Callable
from typing import Final

from core.aio.tasks import TaskSet
from core.errors import PeerError
from core.tunnel.stream import ByteStream

PIECE: Final = 256 * 1024  # bytes read at a time
AHEAD: Final = 4  # pieces read and not yet sent, or come and not yet written: 1 MB each way


async def join(stream: ByteStream, source: int = 0, sink: int = 1) -> None:
    """Join until both directions have ended. Raises what broke the stream; BrokenPipeError when nobody reads."""
    tasks = TaskSet("standard input and output")
    sending = tasks.spawn(_send(stream, source), name="stdin to the stream")
    try:
        await _receive(stream, sink)
        if not stream.over:  # the other side still reads, for as long as we send
            over = tasks.spawn(stream.wait_over(), name="wait for the end")
            await asyncio.wait((sending, over), return_when=asyncio.FIRST_COMPLETED)
    finally:
        await tasks.aclose()


async def _send(stream: ByteStream, source: int) -> None:
    loop = asyncio.get_running_loop()
    room = threading.Semaphore(AHEAD)
    pieces: asyncio.Queue[bytes] = asyncio.Queue()  # at most AHEAD, by `room`

    def read() -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody wants to know
            while True:
                room.acquire()
                try:
                    data = os.read(source, PIECE)
                except OSError:
                    data = b""
                loop.call_soon_threadsafe(pieces.put_nowait, data)
                if not data:
                    return

    threading.Thread(target=read, name="stdin", daemon=True).start()
    with contextlib.suppress(PeerError):  # who receives says what broke
        while data := await pieces.get():
            await stream.write(data)
            room.release()
        stream.end()


async def _receive(stream: ByteStream, sink: int) -> None:
    loop = asyncio.get_running_loop()
    waiting: queue.Queue[tuple[bytes, Callable[[Exception | None], None]] | None] = queue.Queue()
    threading.Thread(target=_write_forever, args=(waiting, sink), name="stdout", daemon=True).start()
    ahead: list[asyncio.Future[None]] = []
    try:
        while data := await stream.read():
            written: asyncio.Future[None] = loop.create_future()
            waiting.put((data, lambda error, to=written: _settle(loop, to, error)))  # type: ignore[misc]
            ahead.append(written)
            while len(ahead) > AHEAD or (ahead and ahead[0].done()):
                await ahead.pop(0)
    finally:
        await asyncio.gather(*ahead)  # what came is written, also when the stream broke
        waiting.put(None)


def _write_forever(waiting: "queue.Queue[tuple[bytes, Callable[[Exception | None], None]] | None]", sink: int) -> None:
    while (item := waiting.get()) is not None:
        data, tell = item
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(sink, view) :]
        except OSError as error:
            tell(error)
        else:
            tell(None)


def _settle(loop: asyncio.AbstractEventLoop, written: "asyncio.Future[None]", error: Exception | None) -> None:
    def settle() -> None:
        if not written.done():
            written.set_exception(error) if error is not None else written.set_result(None)

    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(settle)

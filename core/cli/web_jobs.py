"""What commands do over HTTP and WebSocket alone: streams, everybody at once, and publishers that are listened to."""

import asyncio
import contextlib
import os
import sys
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Final, TypeVar

from core.aio.tasks import TaskSet
from core.cli.jobs import LISTING_PATIENCE, LISTING_PAUSE, brief_peer
from core.cli.output import Output, dumps
from core.cli.progress import Progress
from core.errors import LookupEmpty, PeerError, RequestTimeout, TransportClosed
from core.files.shown import plain
from core.grenache.asker import Ask
from core.grenache.outgoing_stream import OutgoingStream
from core.profile.config import PeerConfig
from core.values import JsonValue
from core.wire.grenache_message import Meta, encode
from core.wire.rpc_message import MAX_BYTES

T = TypeVar("T")

PIECE: Final = 256 * 1024  # bytes read at a time
AGAIN: Final = 1.0  # seconds before a publisher that has gone is looked up again
QUEUE: Final = 1024  # messages that wait to be printed; the oldest make room


async def stream(
    config: PeerConfig, output: Output, target: str, body: "Path | JsonValue", named: tuple[str | None, JsonValue],
    to: Path | None, timeout: float, ask: Ask,
) -> None:  # fmt: skip
    """Send a file, or a request as it usually is, and write what comes to a file or to standard output, as it comes.

    `named`: an action and its arguments.
    """
    meta = Meta(action=named[0], args=named[1])
    async with brief_peer(config, output) as peer, aclosing(TaskSet("web")) as tasks:
        opened = await _patiently(lambda: peer.every.asker.stream(target, meta, timeout, ask), timeout)
        sending = tasks.spawn(
            _send(opened, body if isinstance(body, Path) else encode(None, None, body, max_bytes=MAX_BYTES)),
            name="send the body",
        )
        sink = sys.stdout.buffer.fileno() if to is None else os.open(to, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        size = 0
        try:
            with Progress(target, shown=to is not None and sys.stderr.isatty() and not output.as_json) as progress:
                while data := await opened.read():
                    await asyncio.to_thread(_write_all, sink, data)
                    size += len(data)
                    progress(size, 0)
            await sending
        finally:
            opened.close()
            if to is not None:
                os.close(sink)
        if to is not None:
            output.result("streamed", f"{to} ({size:,} bytes)", file=str(to), bytes=size)


async def map_all(
    config: PeerConfig, output: Output, target: str, payload: JsonValue, timeout: float, ask: Ask, limit: int
) -> None:
    """Ask everybody who is listed; print a line for each. Raises the first error when nobody answered."""
    async with brief_peer(config, output) as peer:
        found = await _patiently(lambda: peer.every.asker.map(target, payload, timeout, ask, limit), timeout)
        for each in found:
            if isinstance(each, PeerError):
                output.notice(f"{each.name}: {each}")
            else:
                output.result("reply", dumps(each.data), data=each.data, **{"from": str(each.peer)})
        errors = [each for each in found if isinstance(each, PeerError)]
        if errors and len(errors) == len(found):
            raise errors[0]


async def listen(config: PeerConfig, output: Output, target: str, once: bool, timeout: float, ask: Ask) -> None:
    """Print each message of a publisher, a line each, until cancelled; look for another when it goes."""
    async with brief_peer(config, output) as peer:
        messages: asyncio.Queue[bytes] = asyncio.Queue(QUEUE)

        def heard(message: bytes) -> None:
            if messages.full():
                messages.get_nowait()
            messages.put_nowait(message)

        while True:
            socket = await _patiently(lambda: peer.every.asker.subscribe(target, heard, timeout, ask.tls), timeout)
            try:
                while not socket.closed.done() or not messages.empty():
                    async with aclosing(TaskSet("web")) as tasks:
                        getting = tasks.spawn(messages.get(), name="a message")
                        await asyncio.wait((getting, socket.closed), return_when=asyncio.FIRST_COMPLETED)
                        if not getting.done():
                            break
                    _print(output, target, await getting)
                    if once:
                        return
            finally:
                socket.close()
            output.notice(f"the publisher of {target} has gone: another is looked for")
            await peer.rest(AGAIN)


async def poll(
    config: PeerConfig, output: Output, target: str, payload: JsonValue, once: bool, timeout: float, ask: Ask
) -> None:
    """Ask again and again, over HTTP or WebSocket, until cancelled; with `once` until the first reply."""
    async with brief_peer(config, output) as peer:
        while True:
            try:
                reply = await _patiently(lambda: peer.request(target, payload, timeout=timeout, ask=ask), timeout)
            except PeerError as error:
                if once:
                    raise
                output.notice(f"{error.name}: {error}")
            else:
                if not output.as_json:
                    output.result("reply", dumps(reply.data))
                if once:
                    return
            await peer.rest(AGAIN)


async def _patiently(ask: Callable[[], Awaitable[T]], timeout: float) -> T:
    """Ask until somebody is listed; our own grape may need a moment to find anybody."""
    loop = asyncio.get_running_loop()
    patience = loop.time() + min(timeout, LISTING_PATIENCE)
    while True:
        try:
            return await ask()
        except LookupEmpty:
            if loop.time() >= patience:
                raise
            await asyncio.sleep(LISTING_PAUSE)
        except TimeoutError:
            raise RequestTimeout(f"no connection within {timeout:g} s") from None


async def _send(stream: OutgoingStream, body: Path | bytes) -> None:
    with contextlib.suppress(TransportClosed):  # the reader hears what broke
        if isinstance(body, bytes):
            await stream.write(body)
        else:
            source = 0 if str(body) == "-" else os.open(body, os.O_RDONLY)
            try:
                while data := await asyncio.to_thread(os.read, source, PIECE):
                    await stream.write(data)
            finally:
                if source:
                    os.close(source)
        stream.end()


def _write_all(sink: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(sink, view) :]


def _print(output: Output, target: str, message: bytes) -> None:
    text = message.decode(errors="replace")
    output.result("value", plain(text), service=target, value=text)

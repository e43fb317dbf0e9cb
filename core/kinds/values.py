"""A series of values: the newest one is kept for late watchers, and each new one goes to all watchers."""

import asyncio
import json
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

from core.errors import LocalError, PeerError
from core.limits.fair import FairTable, Level, crowded, site_limit
from core.scope import network
from core.tunnel.stream import ByteStream
from core.values import JsonValue
from core.wire.stream_frame import Reason

QUEUE: Final = 64  # values that a slow watcher may be behind; then it loses the oldest: the newest counts
WATCHERS: Final = 256  # of one service; when all places are taken, the host with most loses its oldest
WATCHERS_HOST: Final = 64  # of one host: a household, or the browsers behind one NAT
NO_VALUE: Final = "ERR_NO_VALUE"
CROWDED: Final = Reason("ERR_RATE_LIMITED", f"{WATCHERS} watch this, many of them from your host: watch again later")


class Value(NamedTuple):
    """`at` is Unix seconds, of the machine that made it."""

    at: float
    value: JsonValue

    def line(self) -> bytes:
        """Return the line that carries it."""
        return (
            json.dumps([self.at, self.value], ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
            + b"\n"
        )


def parse_line(line: bytes) -> Value:
    """Read a line of a watched service. Raises ValueError."""
    said = json.loads(line)
    if (
        not isinstance(said, list)
        or len(said) != 2
        or isinstance(said[0], bool)
        or not isinstance(said[0], int | float)
    ):
        raise ValueError("a line of values is [time, value]")
    return Value(float(said[0]), said[1])


def value_of(line: bytes) -> JsonValue:
    """Return what a program meant by a line: JSON, or else its text. Raises ValueError for what is no text."""
    text = line.decode().strip()
    try:
        value: JsonValue = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return text
    return value


def _no_constant(text: str) -> JsonValue:
    raise ValueError(f"{text} is no JSON")


class _Watcher:
    def __init__(self) -> None:
        self.queue: deque[bytes] = deque(maxlen=QUEUE)  # lines; all watchers have the same ones
        self.news = asyncio.Event()


class Broadcast:
    """One source of values and those who watch it."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._watchers: FairTable[_Watcher, ByteStream, str] = FairTable(WATCHERS, WATCHERS)
        self.last: Value | None = None

    def __len__(self) -> int:
        """Return how many watch."""
        return len(self._watchers)

    def put(self, value: JsonValue) -> None:
        """Tell a new value."""
        self.last = Value(self._now(), value)
        line = self.last.line() if len(self._watchers) else b""
        for watcher in self._watchers:
            watcher.queue.append(line)
            watcher.news.set()

    def newest(self, name: str) -> JsonValue:
        """Return the newest value. Raises LocalError (ERR_NO_VALUE) while there is none."""
        if self.last is None:
            raise LocalError(f"{name} has no value yet: ask again later", name=NO_VALUE)
        return self.last.value

    async def send_to(self, stream: ByteStream) -> None:
        """Send the newest value and every further one, until the watcher goes."""
        with self._watching(stream) as watcher:
            gone = asyncio.get_running_loop().create_task(stream.wait_over())
            try:
                while not stream.over:
                    while watcher.queue:
                        await stream.write(watcher.queue.popleft())
                    watcher.news.clear()
                    news = asyncio.get_running_loop().create_task(watcher.news.wait())
                    try:
                        await asyncio.wait((news, gone), return_when=asyncio.FIRST_COMPLETED)
                    finally:
                        news.cancel()
            except PeerError:
                pass  # it has gone
            finally:
                gone.cancel()

    @contextmanager
    def _watching(self, stream: ByteStream) -> Iterator[_Watcher]:
        host = network(stream.remote.host)
        level = crowded(host, WATCHERS_HOST, site_limit(WATCHERS_HOST, WATCHERS), self._watchers)
        if level is not None:
            whose, count = "host" if level is Level.OWNER else "network", self._watchers.count(host, level)
            raise LocalError(f"{count} of your {whose} watch this already", name="ERR_RATE_LIMITED")
        watcher = _Watcher()
        if self.last is not None:
            watcher.queue.append(self.last.line())
        for gone in self._watchers.put(watcher, stream, host):
            gone.value.reset(CROWDED)
        try:
            yield watcher
        finally:
            self._watchers.pop(watcher)

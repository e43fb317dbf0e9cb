"""Bytes on a connection to the grape's HTTP API: the answers are the same however they are cut, and no bug shows.
Memory stays bounded, a malformed request ends the connection, and what a page may have forged is never carried out.
"""

import asyncio
import contextlib
import logging
import re
from collections.abc import Iterator

from core.grape.api import Api
from core.grape.config import GrapeConfig
from core.grape.http import ApiServer
from core.grape.http_connection import MALFORMED, HttpConnection
from tests.fuzz.inputs import Input, split
from tests.grape.fakes import FakeDht, request_bytes, rpc
from tests.support.virtual_time import VirtualLoop

WATCHED = [
    "core.grape.http_connection",
    "core.grape.http",
    "core.grape.forgeries",
    "core.grape.api",
    "core.grape.payload",
]
CONFIG = GrapeConfig(check_max_payload_size=600)
_LOOP = VirtualLoop()
_HASH = "ab" * 20
SEEDS = [
    b"\0" + request_bytes("/lookup", rpc("svc")) + request_bytes("/announce", rpc(["svc", 1337])),
    b"\2\0\x20\0\x60" + request_bytes("/put", rpc({"v": "value"})),
    b"\0" + request_bytes("/put", rpc({"v": [1, "2"], "k": "ab" * 32, "sig": "cd" * 64, "seq": 1, "salt": "s"})),
    b"\0" + request_bytes("/get", rpc({"hash": _HASH, "salt": {"type": "Buffer", "data": [1, 2]}})),
    b"\0" + request_bytes("/lookup", rpc("svc"), headers={"Origin": "http://evil.example"}),
    b"\0POST /lookup HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    b'5\r\n{"a":\r\n2\r\n1}\r\n0\r\n\r\n',
    b"\0GET /lookup HTTP/1.0\r\nHost: rebound.example\r\nSec-Fetch-Site: cross-site\r\n\r\n",
    b"\0POST /x HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9999\r\nExpect: 100-continue\r\n\r\n{}",
]


class Wire(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.out = bytearray()
        self.closed = False
        self.paused = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self.closed:
            self.out += data

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def get_extra_info(self, name: str, default: object = None) -> object:
        return ("198.51.100.7", 1) if name == "peername" else default


class Kept(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.seen: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.seen.append(record)


@contextlib.contextmanager
def bugs() -> Iterator[None]:
    """Fail on what the API logs as a bug of ours, and let nothing else be shown."""
    kept, before = Kept(), _LOG.propagate
    _LOG.addHandler(kept)
    _LOG.propagate = False
    try:
        yield
    finally:
        _LOG.removeHandler(kept)
        _LOG.propagate = before
    if kept.seen:
        raise AssertionError(kept.seen[0].getMessage()) from (kept.seen[0].exc_info or (None, None))[1]


_LOG = logging.getLogger("core.grape")


def run(data: bytes) -> None:
    source = Input(data)
    cuts = source.cuts()
    stream = source.rest()
    with bugs():
        whole, asked = answers([stream])
        parts, asked_parts = answers(split(stream, cuts))
    if not same(told(whole), told(parts)) or asked != asked_parts:
        raise AssertionError(f"the cuts changed the answers: {whole!r} {parts!r}")


def answers(chunks: list[bytes]) -> tuple[bytes, list[str]]:
    """Return what a connection answers to this, and what the DHT was asked."""
    return _LOOP.run_until_complete(_answers(chunks))


async def _answers(chunks: list[bytes]) -> tuple[bytes, list[str]]:
    dht, wire = FakeDht(), Wire()
    server = ApiServer(Api(dht), CONFIG)
    connection = HttpConnection(server)
    connection.connection_made(wire)
    for chunk in chunks:
        if wire.closed:
            break
        connection.data_received(chunk)
        for _ in range(50):
            if not (wire.paused or connection._resting):
                break
            await asyncio.sleep(0)
        if len(connection._unread) > len(chunk):
            raise AssertionError("more is kept than came")
    if not wire.closed:
        connection.eof_received()
    connection.connection_lost(None)
    await server.stop()
    return bytes(wire.out), dht.calls


def told(said: bytes) -> list[bytes]:
    """Return answers that can be compared: without their dates, and without those that only ask for more."""
    answers = re.split(rb"(?=HTTP/1\.1 \d{3} )", re.sub(rb"Date: [^\r]*", b"", said))
    return [answer for answer in answers if answer and not answer.startswith(b"HTTP/1.1 100 ")]


def same(whole: list[bytes], parts: list[bytes]) -> bool:
    """Return whether the answers are equal, except to a request with a refused head and a malformed body.

    It is answered once, for what is read first, and ends the connection either way.
    """
    if whole[-1:] == [MALFORMED] and parts and parts[-1].startswith((b"HTTP/1.1 403 ", b"HTTP/1.1 413 ")):
        return whole[:-1] == parts[:-1]
    return whole == parts

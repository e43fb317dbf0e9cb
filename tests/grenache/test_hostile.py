"""Mangled requests of every kind, in pieces, from callers that go at any moment: nothing fails, and nothing is left."""

import asyncio
import gzip
import random
from contextlib import aclosing
from typing import Any

import pytest

from core.aio.tasks import TaskSet
from core.errors import PeerError
from core.grenache.server import WebServer
from core.tunnel.stream import ByteStream
from core.wire.websocket_frame import Kind, frame
from tests.grenache.site import FakeSite, connected, request, serving
from tests.grenache.test_websocket import MASK, UPGRADE

pytestmark = pytest.mark.asyncio
STREAM = b'POST / HTTP/1.1\r\nHost: 127.0.0.1\r\n_gr: ["id","stream"]\r\nTransfer-Encoding: chunked\r\n\r\n'
SEEDS = [
    request(b'["r","svc",1]'),
    request(b'["r","svc",1]', b'_gr: ["a","stream"]', b"grc-compress: gzip"),
    request(gzip.compress(b'["r","svc",1]'), b"grc-compress: gzip"),
    STREAM + b"3\r\nabc\r\n0\r\n\r\n",
    UPGRADE + b"\r\n" + frame(Kind.TEXT, b'["r","svc",1]', MASK) * 3 + frame(Kind.CLOSE, b"\x03\xe8", MASK),
    b"OPTIONS * HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: http://x\r\n\r\n",
    b"HEAD / HTTP/1.0\r\n\r\n",
]


def mangled(chance: random.Random) -> bytes:
    data = bytearray(chance.choice(SEEDS) + chance.choice([b"", chance.choice(SEEDS)]))
    for _ in range(chance.randint(0, 5)):
        at = chance.randrange(len(data))
        match chance.randint(0, 3):
            case 0:
                data[at] = chance.randrange(256)
            case 1:
                data[at:at] = chance.randbytes(chance.randint(1, 6))
            case 2:
                del data[at : at + chance.randint(1, min(6, len(data) - 1))]
            case _:
                data[at:at] = chance.choice(SEEDS)[:40]
    return bytes(data)


async def say(server: WebServer, chance: random.Random) -> None:
    data = mangled(chance)
    async with connected(server) as bare:
        while data:
            size = chance.choice([1, 7, 100, 5000])
            bare.say(data[:size])
            data = data[size:]
            await asyncio.sleep(0)
        if chance.random() < 0.3:
            bare.writer.write_eof()
        await asyncio.sleep(0.01)


async def echo(stream: ByteStream) -> None:
    stream.accept()
    try:
        while data := await stream.read():
            await stream.write(data)
        stream.end()
    except PeerError:
        pass  # its caller is gone


@pytest.mark.parametrize("seed", range(4))
async def test_nothing_fails_and_nothing_is_left(seed: int) -> None:
    reports: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reports.append(context))
    tasks, chance = TaskSet("streams"), random.Random(seed)
    site = FakeSite(stream=lambda stream: tasks.spawn(echo(stream), name="echo"))
    async with aclosing(tasks), serving(site) as server:
        for _ in range(3):
            await asyncio.gather(*(say(server, chance) for _ in range(40)), return_exceptions=True)
        async with connected(server) as bare:
            assert await bare.ask(b'["r","svc",5]') == (200, b'["r",null,5]')
        assert (server.requests.used(), server.memory.used()) == (0, 0)
        assert server.statistics().connections <= 2
    assert reports == []

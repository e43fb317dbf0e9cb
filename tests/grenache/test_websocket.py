"""Requests over WebSocket: in any order, many at once, wrong frames, and callers that never read."""

import asyncio
import base64
import json

import pytest

from core.grenache.server import WebServer
from core.limits import bounds
from core.tunnel.stream import ByteStream
from core.values import JsonValue
from core.wire.websocket_frame import PROTOCOL_ERROR, TOO_BIG, FrameReader, Kind, frame
from tests.grenache.site import Bare, FakeSite, connected, serving
from tests.net.waiting import eventually

pytestmark = pytest.mark.asyncio

MASK = b"\x01\x02\x03\x04"
UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %b\r\n" % base64.b64encode(b"k" * 16)
)


class Client:
    def __init__(self, bare: Bare) -> None:
        self.bare = bare
        self.reader = FrameReader(100_000_000, masked=False)

    async def open(self, *headers: bytes) -> bytes:
        self.bare.say(UPGRADE + b"".join(header + b"\r\n" for header in headers) + b"\r\n")
        return await self.bare.head()

    def ask(self, text: bytes) -> None:
        self.bare.say(frame(Kind.TEXT, text, MASK))

    async def heard(self, count: int = 1) -> list[tuple[Kind, bytes]]:
        found: list[tuple[Kind, bytes]] = []
        async with asyncio.timeout(5):
            while len(found) < count:
                data = await self.bare.reader.read(65536)
                if not data:
                    break
                found += self.reader.feed(data)
        return found


async def test_a_request_is_one_text_frame_and_so_is_its_reply() -> None:
    async with serving(FakeSite()) as server, connected(server) as bare:
        client = Client(bare)
        assert (await client.open()).startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
        client.ask('["r","svc","wörld"]'.encode())
        assert await client.heard() == [(Kind.TEXT, '["r",null,"wörld"]'.encode())]


async def test_many_are_under_way_and_the_quick_ones_are_answered_first() -> None:
    async def wait(payload: JsonValue) -> JsonValue:
        await asyncio.sleep(0.05 if payload == 0 else 0)
        return payload

    async with serving(FakeSite(lambda key, payload: wait(payload))) as server, connected(server) as bare:
        client = Client(bare)
        await client.open()
        for number in range(200):
            client.ask(b'[%d,"svc",%d]' % (number, number))
        heard = [json.loads(data)[0] for _, data in await client.heard(200)]
        assert sorted(heard) == list(range(200))
        assert heard[0] != 0


async def test_what_is_refused_unread_has_its_id() -> None:
    """A Node client takes an answer without it for none, and waits for its time-out."""
    async with serving(FakeSite()) as server, connected(server) as bare:
        client = Client(bare)
        await client.open()
        for _ in range(bounds.REQUESTS_HOST):
            assert server.requests.take("127.0.0.1", 1)
        client.ask(b'["r","svc",1]')
        assert (await client.heard())[0][1].startswith(b'["r","ERR_RATE_LIMITED')


async def test_pings_fragments_binary_and_what_is_no_request() -> None:
    async with serving(FakeSite()) as server, connected(server) as bare:
        client = Client(bare)
        await client.open()
        bare.say(frame(Kind.PING, b"hi", MASK) + frame(Kind.BINARY, b'[1,"svc",2]', MASK))
        assert await client.heard(2) == [(Kind.PONG, b"hi"), (Kind.TEXT, b"[1,null,2]")]
        client.ask(b"{broken")
        assert b"ERR_REQUEST_PARSE" in (await client.heard())[0][1]
        bare.say(frame(Kind.CLOSE, b"\x03\xe8", MASK))
        assert await client.heard(1) == [(Kind.CLOSE, b"\x03\xe8")]
        assert await bare.gone()


@pytest.mark.parametrize(
    ("raw", "code"),
    [(frame(Kind.TEXT, b"unmasked"), PROTOCOL_ERROR), (b"\x81\xff\x00\x00\x00\x00\x7f\xff\xff\xff", TOO_BIG)],
)
async def test_wrong_frames_cost_the_connection_and_nothing_else(raw: bytes, code: int) -> None:
    """The Node server's process dies of both."""
    async with serving(FakeSite()) as server:
        async with connected(server) as bare:
            client = Client(bare)
            await client.open()
            bare.say(raw)
            assert await client.heard() == [(Kind.CLOSE, code.to_bytes(2))]
            assert await bare.gone()
        await _works(server)


async def test_an_upgrade_without_a_key_and_another_version_are_refused() -> None:
    async with serving(FakeSite()) as server:
        for wrong in (b"Sec-WebSocket-Key: short", b"Sec-WebSocket-Version: 8"):
            name = wrong.split(b":")[0]
            lines = [line for line in UPGRADE.split(b"\r\n") if line and not line.startswith(name)]
            async with connected(server) as bare:
                bare.say(b"\r\n".join([*lines, wrong]) + b"\r\n\r\n")
                assert (await bare.head()).startswith(b"HTTP/1.1 400 ")


async def test_a_web_page_is_refused() -> None:
    async with serving(FakeSite()) as server, connected(server) as bare:
        assert (await Client(bare).open(b"Origin: https://evil.example")).startswith(b"HTTP/1.1 403 ")


async def test_plain_http_is_told_to_upgrade_where_only_websocket_is_open() -> None:
    async with serving(FakeSite(transports=("ws",))) as server, connected(server) as bare:
        assert await bare.ask(b'[1,"svc",2]') == (426, b"Upgrade Required")


async def test_a_caller_that_never_reads_is_not_read_from_either() -> None:
    asked = 0

    def handle(key: str, payload: JsonValue) -> JsonValue:
        nonlocal asked
        asked += 1
        return "x" * 60_000

    async with serving(FakeSite(handle)) as server, connected(server) as bare:
        client = Client(bare)
        await client.open()
        bare.writer.transport.pause_reading()  # type: ignore[attr-defined]
        for number in range(5_000):
            client.ask(b'[%d,"svc",1]' % number)
        for _ in range(50):
            await asyncio.sleep(0.01)
        assert asked < 1_000, "some megabytes wait in the system's buffers, and nothing further is worked out"
        await _works(server)


async def test_a_subscriber_hears_the_values_as_they_are() -> None:
    streams: list[ByteStream] = []
    site = FakeSite(stream=streams.append, transports=("pub",))
    async with serving(site) as server, connected(server) as bare:
        client = Client(bare)
        await client.open()
        await streams[0].write('[1.5,"wörld"]\n[2.5,{"a":1}]\n'.encode())
        assert await client.heard(2) == [(Kind.TEXT, "wörld".encode()), (Kind.TEXT, b'{"a": 1}')]


async def test_messages_sent_ahead_are_counted_and_are_all_answered() -> None:
    gate = asyncio.Event()

    async def wait(payload: JsonValue) -> JsonValue:
        await gate.wait()
        return payload

    async with serving(FakeSite(lambda key, payload: wait(payload))) as server, connected(server) as bare:
        client = Client(bare)
        await client.open()
        bare.say(b"".join(frame(Kind.TEXT, b'[%d,"svc",0]' % number, MASK) for number in range(3_000)))
        await eventually(lambda: server.memory.used() > 20_000)
        assert server.memory.used() < 200_000  # as bytes, and not as 3,000 messages
        gate.set()
        heard = [json.loads(data)[0] for _, data in await client.heard(3_000)]
        assert sorted(heard) == list(range(3_000))
        await eventually(lambda: not server.memory.used())


async def _works(server: WebServer) -> None:
    """See that another caller is served meanwhile."""
    async with connected(server) as bare:
        client = Client(bare)
        assert (await client.open()).startswith(b"HTTP/1.1 101 ")
        bare.say(frame(Kind.PING, b"there", MASK))
        assert await client.heard() == [(Kind.PONG, b"there")]

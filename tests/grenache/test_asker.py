"""Asking over HTTP and WebSocket: by name, found out, everybody, kept connections, errors, streams and publishers."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from random import Random

import pytest

from core.aio.tasks import TaskSet
from core.errors import LookupEmpty, PayloadError, PeerError, RefusedError, RemoteError, RequestTimeout, TransportClosed
from core.grenache.asker import Answer, Ask, WebAsker
from core.tunnel.stream import ByteStream
from core.values import Address, JsonValue
from core.wire.grenache_message import Meta
from tests.grenache.site import FakeSite, serving

pytestmark = pytest.mark.asyncio
HTTP, WS = Ask("http"), Ask("ws")


class Names:
    """A directory."""

    def __init__(self, *places: Address) -> None:
        self.places = places
        self.asked = 0

    async def lookup(self, name: str, *, fresh: bool = False) -> list[Address]:
        self.asked += 1
        if not self.places:
            raise LookupEmpty("nobody")
        return list(self.places)


@asynccontextmanager
async def asking(*places: Address) -> AsyncIterator[WebAsker]:
    async with aclosing(WebAsker(Names(*places), random=Random(1))) as asker:
        yield asker


@asynccontextmanager
async def bare(
    answer: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[Address]:
    """A server that does what a test says with each connection."""
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        await answer(reader, writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield Address(*server.sockets[0].getsockname())
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
        await asyncio.sleep(0)


@pytest.mark.parametrize("ask", [HTTP, WS, Ask(), Ask("http", compress=True)])
async def test_a_service_is_asked_by_its_name(ask: Ask) -> None:
    async with serving(FakeSite(lambda key, payload: [key, payload])) as server, asking(server.address) as asker:
        payloads: list[JsonValue] = ["wörld", {"a": [1.5, None]}, "x" * 500_000]
        for payload in payloads:
            answer = await asker.request("svc", payload, 5.0, ask)
            assert (answer.data, answer.peer) == (["svc", payload], server.address)


async def test_the_transport_is_found_out_and_remembered() -> None:
    async with serving(FakeSite(transports=("ws",))) as server, asking(server.address) as asker:
        assert (await asker.request("svc", 1, 5.0)).transport == "ws"
        before = server.statistics().requests
        assert (await asker.request("svc", 1, 5.0)).transport == "ws"
        assert server.statistics().requests == before + 1


@pytest.mark.parametrize("ask", [HTTP, WS])
async def test_errors_have_their_names(ask: Ask) -> None:
    def handle(key: str, payload: JsonValue) -> JsonValue:
        raise PayloadError("say a number")

    async with serving(FakeSite(handle)) as server, asking(server.address) as asker:
        with pytest.raises(RefusedError, match="say a number") as failure:
            await asker.request("svc", 1, 5.0, ask)
        assert failure.value.name == "ERR_PAYLOAD"


@pytest.mark.parametrize("ask", [HTTP, WS])
async def test_many_at_once_share_connections_and_none_mixes_up(ask: Ask) -> None:
    async def slowly(payload: JsonValue) -> JsonValue:
        await asyncio.sleep(0.001)
        return payload

    async with serving(FakeSite(lambda key, payload: slowly(payload))) as server, asking(server.address) as asker:
        numbers = range(150)
        answers = await asyncio.gather(*(asker.request("svc", number, 10.0, ask) for number in numbers))
        assert [answer.data for answer in answers] == list(numbers)


async def test_everybody_is_asked_and_errors_stand_in_their_places() -> None:
    async with AsyncExitStack() as stack:
        servers = [
            await stack.enter_async_context(serving(FakeSite(lambda key, payload, who=number: who)))  # type: ignore[misc]
            for number in range(3)
        ]
        places = [servers[0].address, Address("127.0.0.1", 1), *(server.address for server in servers[1:])]
        async with asking(*places) as asker:
            found = await asker.map("svc", None, 5.0, HTTP)
            assert [each.data if isinstance(each, Answer) else each.name for each in found] == [
                0, "ERR_REQUEST_GENERIC", 1, 2,
            ]  # fmt: skip
            assert len(await asker.map("svc", None, 5.0, HTTP, limit=2)) == 2


async def test_retry_asks_another_and_nobody_listed_has_a_name() -> None:
    async with serving(FakeSite()) as server:
        async with asking(server.address, Address("127.0.0.1", 1)) as asker:
            for _ in range(5):
                assert (await asker.request("svc", 7, 5.0, Ask("http", retry=20))).data == 7
        async with asking() as asker:
            with pytest.raises(LookupEmpty):
                await asker.request("svc", 7, 5.0)


@pytest.mark.parametrize("ask", [HTTP, WS])
async def test_time_runs_out_exactly(ask: Ask) -> None:
    async def never(payload: JsonValue) -> JsonValue:
        return await asyncio.Event().wait()

    async with serving(FakeSite(lambda key, payload: never(payload))) as server, asking(server.address) as asker:
        began = asyncio.get_running_loop().time()
        with pytest.raises(RequestTimeout):
            await asker.request("svc", 7, 0.2, ask)
        assert asyncio.get_running_loop().time() - began < 3


REPLY = b'["x",null,5]'


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[1", TransportClosed),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnull", RemoteError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", RemoteError),
        (b"HTTP/1.1 204 No Content\r\n\r\n", RemoteError),
        (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", RefusedError),
        (b"HTTP/1.1 500 No\r\nContent-Length: 3\r\n\r\nbad", RefusedError),
        (b"nonsense\r\n\r\n", PeerError),
        (b"", TransportClosed),
    ],
)
async def test_what_is_no_answer_has_a_name(raw: bytes, error: type[PeerError]) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(raw)
        writer.close()

    async with bare(answer) as place, asking(place) as asker:
        with pytest.raises(error):
            await asker.request("svc", 1, 5.0, HTTP)


async def test_an_answer_until_the_end_of_the_connection_is_taken_as_ruby_sends_it() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = await reader.read(1000)
        writer.write(b'HTTP/1.1 200 OK\r\nConnection: close\r\nServer: thin\r\n\r\n[%b,null,"hi"]' % body[1:39])
        writer.close()

    async with bare(answer) as place, asking(place) as asker:
        assert (await asker.request("svc", 1, 5.0, HTTP)).data == "hi"


async def test_a_plain_answer_to_a_packed_request_is_refused_and_a_bomb_is_too() -> None:
    for body, name in (
        (REPLY, "ERR_REPLY_ENCODING_COMPRESSION"),
        (gzip.compress(b" " * 40_000_000), "ERR_PAYLOAD_SIZE"),
    ):

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: bytes = body) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

        async with bare(answer) as place, asking(place) as asker:
            with pytest.raises(RemoteError) as failure:
                await asker.request("svc", 1, 5.0, Ask("http", compress=True))
            assert failure.value.name == name


async def test_a_kept_connection_that_was_closed_meanwhile_costs_nothing() -> None:
    served = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal served
        served += 1
        await reader.readuntil(b"\r\n\r\n")
        body = await reader.read(1000)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 47\r\n\r\n[%b,null,5]" % body[1:39])
        await asyncio.sleep(0.01)
        writer.close()

    async with bare(answer) as place, asking(place) as asker:
        assert (await asker.request("svc", 1, 5.0, HTTP)).data == 5
        await asyncio.sleep(0.1)
        assert (await asker.request("svc", 1, 5.0, HTTP)).data == 5
        assert served == 2


async def test_a_websocket_that_ends_tells_all_who_wait_at_once() -> None:
    under_way, begun = asyncio.Event(), 0

    async def never(payload: JsonValue) -> JsonValue:
        nonlocal begun
        begun += 1
        if begun == 3:
            under_way.set()
        return await asyncio.Event().wait()

    async with asking() as asker, aclosing(TaskSet("test")) as tasks:
        async with serving(FakeSite(lambda key, payload: never(payload))) as server:
            waiting = [tasks.spawn(_outcome(asker, server.address), name="wait") for _ in range(3)]
            await under_way.wait()
        async with asyncio.timeout(5):
            assert [type(await each) for each in waiting] == [TransportClosed] * 3


async def _outcome(asker: WebAsker, place: Address) -> object:
    try:
        return await asker.ask(place, "svc", 1, 60.0, WS)
    except PeerError as error:
        return error


async def test_a_stream_goes_both_ways() -> None:
    async def upper(stream: ByteStream) -> None:
        stream.accept()
        while data := await stream.read():
            await stream.write(data.upper())
        stream.end()

    tasks = TaskSet("test")
    site = FakeSite(stream=lambda stream: tasks.spawn(upper(stream), name="upper"))
    async with aclosing(tasks), serving(site) as server, asking(server.address) as asker:
        stream = await asker.stream("stream", Meta(action="shout", args={"ä": 1}), 5.0)
        await stream.write(b"hello ")
        assert await stream.read() == b"HELLO "
        sent = tasks.spawn(_send(stream.write, stream.end), name="send")
        received = 0
        while data := await stream.read():
            received += len(data)
        await sent
        assert received == 20 * 100_000


async def _send(write: Callable[[bytes], Awaitable[None]], end: Callable[[], None]) -> None:
    for _ in range(20):
        await write(b"x" * 100_000)
    end()


async def test_a_publisher_is_listened_to() -> None:
    streams: list[ByteStream] = []
    heard: asyncio.Queue[bytes] = asyncio.Queue()
    site = FakeSite(stream=streams.append, transports=("pub",))
    async with serving(site) as server, asking(server.address) as asker:
        socket = await asker.subscribe("pub_test", heard.put_nowait, 5.0)
        await streams[0].write(b'[1,"one"]\n[2,2]\n')
        async with asyncio.timeout(5):
            assert [await heard.get(), await heard.get()] == [b"one", b"2"]
        streams[0].end()
        async with asyncio.timeout(5):
            await socket.closed


async def test_a_connection_is_not_kept_for_as_long_as_a_server_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    site = FakeSite()
    async with serving(site) as server, asking(server.address) as asker:
        for kept, ports in ((4.0, 1), (0.0, 2)):
            monkeypatch.setattr("core.grenache.http_client.KEPT", kept)
            site.callers.clear()
            for _ in range(2):
                await asker.request("svc", 1, 5.0, HTTP)
            assert len({caller.address.port for caller in site.callers}) == ports


async def test_a_listing_that_was_kept_and_is_old_is_looked_up_again() -> None:
    class Kept(Names):
        async def lookup(self, name: str, *, fresh: bool = False) -> list[Address]:
            await super().lookup(name)
            return list(self.places[1:]) if fresh else list(self.places[:1])

    async with serving(FakeSite()) as server:
        names = Kept(Address("127.0.0.1", 1), server.address)
        async with aclosing(WebAsker(names)) as asker:
            for ask in (HTTP, WS):
                assert (await asker.request("svc", 7, 5.0, ask)).data == 7
            assert names.asked == 4

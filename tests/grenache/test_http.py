"""Requests over HTTP: answered, packed, pipelined, wrong, too long, of a web page, and cut off."""

import asyncio
import gzip
import json
import socket
from contextlib import AsyncExitStack, ExitStack, aclosing

import pytest

from core.aio.tasks import TaskSet
from core.errors import LocalError, PayloadError
from core.grape.request_parser import HEAD_MAX
from core.grenache.config import WebConfig
from core.grenache.hosts import by_network
from core.limits import bounds
from core.rpc.memory import Standing
from core.scope import network
from core.tunnel.stream import ByteStream
from core.values import JsonValue, Outcome
from tests.grenache.site import Bare, FakeSite, connected, request, serving
from tests.net.waiting import eventually

pytestmark = pytest.mark.asyncio


async def test_a_request_is_answered_as_the_node_server_does() -> None:
    async with serving(FakeSite()) as server, connected(server) as bare:
        bare.say(request('["r","svc",{"hello":"wörld"}]'.encode()))
        head = await bare.head()
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"Keep-Alive: timeout=5\r\n" in head
        assert b"content-type" not in head.lower()
        assert await bare.reader.readexactly(29) == '["r",null,{"hello":"wörld"}]'.encode()


async def test_any_method_and_path_will_do_and_the_connection_stays() -> None:
    async with serving(FakeSite()) as server, connected(server) as bare:
        for method in (b"POST", b"PUT", b"GET", b"DELETE"):
            assert await bare.ask(b'[1,"svc",2]', method=method) == (200, b"[1,null,2]")


@pytest.mark.parametrize("body", [b"", b"{", b"null", b"{}", b"7", b'"abc"', b"\xff"])
async def test_what_is_no_request_is_answered_with_an_array_all_the_same(body: bytes) -> None:
    """A Node client would wait for ever, and would die of an object."""
    async with serving(FakeSite()) as server, connected(server) as bare:
        status, said = await bare.ask(body)
        assert status == 200
        assert json.loads(said)[:2][1].startswith("ERR_REQUEST_PARSE")
        assert await bare.ask(b'[1,"svc",2]') == (200, b"[1,null,2]"), "the next one is none the worse"


async def test_a_ruby_client_is_answered() -> None:
    """As grenache-ruby-http 0.2 sends it: what a form has as its content type, without a browser's fields."""
    headers = (b"Content-Type: application/x-www-form-urlencoded", b"User-Agent: Ruby", b"Connection: close")
    async with serving(FakeSite()) as server, connected(server) as bare:
        assert await bare.ask(b'["r","svc",2]', *headers) == (200, b'["r",null,2]')
        assert await bare.gone()


async def test_a_csharp_client_is_answered() -> None:
    """As the C# client sends it: the header beside an ordinary body."""
    headers = (b'_gr: ["r","svc"]', b"Content-Type: application/json; charset=utf-8")
    async with serving(FakeSite()) as server, connected(server) as bare:
        assert await bare.ask(b'["r","svc",2]', *headers) == (200, b'["r",null,2]')


async def test_errors_are_texts_under_200_and_nobody_learns_what_failed_inside() -> None:
    def handle(key: str, payload: JsonValue) -> Outcome:
        raise {"a": PayloadError("say a number"), "b": LocalError("no", name="ERR_NO"), "c": ValueError("secret")}[key]

    site = FakeSite(handle)
    async with serving(site) as server, connected(server) as bare:
        assert await bare.ask(b'[1,"a"]') == (200, b'[1,"ERR_PAYLOAD: say a number",null]')
        assert await bare.ask(b'[1,"b"]') == (200, b'[1,"ERR_NO: no",null]')
        assert await bare.ask(b'[1,"c"]') == (200, b'[1,"ERR_INTERNAL",null]')
    assert [error for _, error, _ in site.ended] == ["ERR_PAYLOAD: say a number", "ERR_NO: no", "ERR_INTERNAL"]


async def test_pipelined_requests_are_answered_in_their_order() -> None:
    async def slowly(payload: JsonValue) -> JsonValue:
        await asyncio.sleep(0.02 if payload == 0 else 0)
        return payload

    async with serving(FakeSite(lambda key, payload: slowly(payload))) as server, connected(server) as bare:
        bare.say(b"".join(request(b'[%d,"svc",%d]' % (number, number)) for number in range(40)))
        for number in range(40):
            assert await bare.answer() == (200, b"[%d,null,%d]" % (number, number))


async def test_chunks_and_half_bodies_and_continue() -> None:
    async with serving(FakeSite()) as server, connected(server) as bare:
        bare.say(b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n")
        assert await bare.head() == b"HTTP/1.1 100 Continue\r\n\r\n"
        for piece in (b'4\r\n[1,"\r\n', b'7\r\nsvc",2]\r\n', b"0\r\n\r\n"):
            bare.say(piece)
            await asyncio.sleep(0)
        assert await bare.answer() == (200, b"[1,null,2]")


@pytest.mark.parametrize(("version", "sent"), [(b"1.1", b"[1,"), (b"1.0", b"")])
async def test_who_has_begun_to_send_is_not_told_to_begin_and_http_1_0_never_is(version: bytes, sent: bytes) -> None:
    head = b"POST / HTTP/%b\r\nHost: 127.0.0.1\r\nContent-Length: 11\r\nExpect: 100-continue\r\n\r\n" % version
    async with serving(FakeSite()) as server, connected(server) as bare:
        bare.say(head + sent)
        while not server.statistics().requests:  # noqa: ASYNC110  the loop has nothing else to do
            await asyncio.sleep(0)
        bare.say(b'[1,"svc",2]'[len(sent) :])
        assert await bare.answer() == (200, b"[1,null,2]")


async def test_the_header_gr_outranks_the_body_and_a_broken_one_is_refused_byte_for_byte() -> None:
    async with serving(FakeSite(lambda key, payload: key)) as server, connected(server) as bare:
        assert await bare.ask(b'["x","y",1]', b'_gr: ["id","named"]') == (200, b'["id",null,"named"]')
        assert await bare.ask(b'["x","y",1]', b"_gr: {") == (500, b'[null, "ERR_HEADER_PARSE_GR", null]')


async def test_what_is_packed_is_answered_packed() -> None:
    async with serving(FakeSite()) as server, connected(server) as bare:
        body = json.dumps(["r", "svc", "x" * 200_000]).encode()
        status, said = await bare.ask(gzip.compress(body), b"grc-compress: gzip")
        assert (status, json.loads(gzip.decompress(said))) == (200, ["r", None, "x" * 200_000])
        plain = await bare.ask(b'[1,"svc",2]', b"grc-compress: gzip")
        assert gzip.decompress(plain[1]) == b"[1,null,2]", "what is not packed in spite of it is taken as it is"
        broken = await bare.ask(gzip.compress(body)[:-9], b"grc-compress: gzip")
        assert b"ERR_REQUEST_PARSE" in gzip.decompress(broken[1])


async def test_a_bomb_and_a_long_body_are_refused_by_name() -> None:
    async with serving(FakeSite(message_bytes=10_000)) as server:
        for body, *headers in (
            (b"[" + b" " * 20_000,),
            (gzip.compress(b" " * 50_000_000), b"grc-compress: gzip"),
        ):
            async with connected(server) as bare:
                status, said = await bare.ask(body, *headers)
                said = gzip.decompress(said) if said[:2] == b"\x1f\x8b" else said
                assert (status, json.loads(said)[1][:16]) == (200, "ERR_PAYLOAD_SIZE")


@pytest.mark.parametrize(
    "header",
    [b"Origin: https://evil.example", b"Origin: null", b"Sec-Fetch-Site: cross-site",
     b"Content-Type: text/plain\r\nSec-Fetch-Mode: no-cors"],
)  # fmt: skip
async def test_a_web_page_is_refused_and_nothing_is_done(header: bytes) -> None:
    site = FakeSite()
    async with serving(site) as server, connected(server) as bare:
        status, said = await bare.ask(b'[1,"svc",2]', header)
        assert (status, b"ERR_FORBIDDEN" in said) == (403, True)
    assert site.ended == []


async def test_a_page_that_the_owner_named_may_call_and_read() -> None:
    async with (
        serving(FakeSite(), WebConfig(origins=("https://good.example",))) as server,
        connected(server) as bare,
    ):
        bare.say(request(b"", b"Origin: https://good.example", method=b"OPTIONS"))
        assert b"Access-Control-Allow-Origin: https://good.example\r\n" in await bare.head()
        assert await bare.ask(b'[1,"s",2]', b"Origin: https://good.example") == (200, b"[1,null,2]")


async def test_a_name_that_points_here_is_refused() -> None:
    async with serving(FakeSite()) as server, connected(server) as bare:
        bare.say(b"POST / HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 0\r\n\r\n")
        assert (await bare.answer())[0] == 403


@pytest.mark.parametrize(
    "raw",
    [
        b"nonsense\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n[1,2]",
        b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST / HTTP/1.1\r\nHost : 127.0.0.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nX: " + b"y" * 20_000 + b"\r\n\r\n",
    ],
)
async def test_smuggled_and_broken_headers_end_the_connection(raw: bytes) -> None:
    async with serving(FakeSite()) as server:
        async with connected(server) as bare:
            bare.say(raw)
            assert await bare.gone()
        async with connected(server) as bare:
            assert await bare.ask(b'[1,"svc",2]') == (200, b"[1,null,2]")


async def test_a_caller_that_goes_has_its_request_stopped_and_told() -> None:
    started, stopped = asyncio.Event(), asyncio.Event()

    async def never() -> JsonValue:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()
        return None

    site = FakeSite(lambda key, payload: never())
    async with serving(site) as server:
        async with connected(server) as bare:
            bare.say(request(b'[1,"svc",2]'))
            await started.wait()
            bare.reset()
        async with asyncio.timeout(5):
            await stopped.wait()
    assert site.ended == [("svc", "ERR_TRANSPORT_CLOSE", 0)]


async def test_a_port_that_is_taken_is_said() -> None:
    async with serving(FakeSite()) as server:
        with pytest.raises(LocalError, match="--listen"):
            async with serving(FakeSite(), WebConfig(port=server.address.port)):
                pass


async def test_a_large_result_is_written_whole() -> None:
    async with serving(FakeSite(lambda key, payload: ["x" * 100] * 20_000)) as server, connected(server) as bare:
        status, said = await bare.ask(b'[1,"svc"]')
        assert (status, len(json.loads(said)[2])) == (200, 20_000)


async def test_streams_go_both_ways_at_once() -> None:
    async def echo(stream: ByteStream) -> None:
        stream.accept()
        while data := await stream.read():
            await stream.write(data.upper())
        stream.end()

    tasks = TaskSet("test")
    site = FakeSite(stream=lambda stream: tasks.spawn(echo(stream), name="echo"))
    async with aclosing(tasks), serving(site) as server, connected(server) as bare:
        bare.say(b'POST / HTTP/1.1\r\nHost: 127.0.0.1\r\n_gr: ["id","stream"]\r\nTransfer-Encoding: chunked\r\n\r\n')
        assert b"chunked" in await bare.head()
        await _say_and_hear(bare, b"3\r\nabc\r\n", b"3\r\nABC\r\n")
        await _say_and_hear(bare, b"2\r\nde\r\n", b"2\r\nDE\r\n")
        await _say_and_hear(bare, b"0\r\n\r\n", b"0\r\n\r\n")
        assert await bare.gone()


async def _say_and_hear(bare: Bare, said: bytes, heard: bytes) -> None:
    bare.say(said)
    async with asyncio.timeout(5):
        assert await bare.reader.readexactly(len(heard)) == heard


async def test_requests_beyond_those_that_one_host_may_have_under_way_wait_for_their_turn() -> None:
    """A Node client that sends a thousand at once took an answer without its id for none, and ran into its time-out."""
    gate, begun = asyncio.Event(), 0

    async def wait(payload: JsonValue) -> JsonValue:
        nonlocal begun
        begun += 1
        await gate.wait()
        return payload

    async with serving(FakeSite(lambda key, payload: wait(payload))) as server, AsyncExitStack() as stack:
        asked = bounds.REQUESTS_HOST + 40
        bares = [await stack.enter_async_context(connected(server)) for _ in range(asked)]
        for number, bare in enumerate(bares):
            bare.say(request(b'[%d,"svc",2]' % number))
        await eventually(lambda: begun == bounds.REQUESTS_HOST and server.memory.used() > 0)
        bares.pop().reset()
        gate.set()
        for number, bare in enumerate(bares):
            assert await bare.answer() == (200, b"[%d,null,2]" % number)
        await eventually(lambda: not server.memory.used())


async def test_addresses_of_one_network_are_one_host() -> None:
    assert network("2001:db8::1") == network("2001:db8::ffff:1:2:3") == "2001:db8::/64"
    assert network("fe80::1%eth0") == "fe80::1%eth0"  # on a link each machine is a host of its own
    assert (network("192.0.2.7"), network("odd:one")) == ("192.0.2.7", "odd:one")
    standing = Standing("2001:db8::1", False, 1)
    assert by_network(standing) == Standing("2001:db8::/64", False, 1)


async def test_one_connection_too_many_costs_the_oldest_of_its_host() -> None:
    async with serving(FakeSite(), per_host=16) as server, AsyncExitStack() as stack:
        first = await stack.enter_async_context(connected(server))
        assert await first.ask(b'[1,"svc",2]') == (200, b"[1,null,2]")
        for _ in range(16):
            last = await stack.enter_async_context(connected(server))
        assert await last.ask(b'[1,"svc",2]') == (200, b"[1,null,2]")
        assert await first.gone()
        assert server.statistics().connections == 16


async def test_a_header_that_never_ends_is_counted_and_cut_off() -> None:
    field = b"X: " + b"a" * 8_000 + b"\r\n"
    async with serving(FakeSite()) as server, connected(server) as bare:
        assert await bare.ask(b'["r","svc",1]', field.strip()) == (200, b'["r",null,1]')  # what others send is taken
        bare.say(b"POST / HTTP/1.1\r\n" + field)
        await eventually(lambda: 8_000 < server.memory.used() < 9_000)
        for _ in range(HEAD_MAX // len(field)):
            bare.say(field)
            await asyncio.sleep(0.01)
        assert (await bare.head()).startswith(b"HTTP/1.1 400 ")
        assert await bare.gone()
        await eventually(lambda: not server.memory.used())


async def test_requests_of_any_size_leave_nothing_counted() -> None:
    async with serving(FakeSite()) as server, connected(server) as bare:
        for size in (10, 5_000, 300_000, 10, 70_000):
            assert (await bare.ask(b'["r","svc","%b"]' % (b"x" * size)))[0] == 200
            assert server.memory.used() == 0


async def test_many_who_connect_at_once_are_all_taken_while_we_work() -> None:
    """The loop set its own, shorter queue: those beyond a hundred were let in by their second SYN, seconds later."""
    async with serving(FakeSite()) as server:
        with ExitStack() as stack:
            for _ in range(300):  # and the loop has no turn meanwhile
                stack.enter_context(socket.create_connection(server.address, timeout=0.9))


async def test_what_is_sent_ahead_of_its_turn_is_counted_and_bounded_by_host() -> None:
    gate = asyncio.Event()

    async def wait(payload: JsonValue) -> JsonValue:
        await gate.wait()
        return payload

    ahead = request(b'["r","svc",1]') * 2_000  # 146 kB, of which a connection reads all that comes in one piece
    async with serving(FakeSite(lambda key, payload: wait(payload))) as server, AsyncExitStack() as stack:
        bares = [await stack.enter_async_context(connected(server)) for _ in range(120)]
        for bare in bares:
            bare.say(ahead)
        for _ in range(50):
            await asyncio.sleep(0.01)
            assert server.memory.used() <= bounds.INPUT_HOST
        assert server.memory.used() > bounds.INPUT_HOST / 2
        assert server.statistics().connections < len(bares)  # the others are cut off
        gate.set()
        await stack.aclose()
        await eventually(lambda: not server.memory.used())

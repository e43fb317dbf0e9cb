"""A web page through two proxies and byte streams: bodies, ranges, events, WebSockets; what other pages may not do."""

import asyncio
import contextlib
import gzip
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from core.errors import LocalError, RefusedError, RequestTimeout
from core.kinds.http import HttpService
from core.kinds.share import Share
from core.kinds.table import make
from core.tunnel.stream import ByteStream
from core.using.http import LocalPages, label
from core.values import JsonValue
from tests.kinds.streams import CALLER, joined

pytestmark = pytest.mark.asyncio
GO = web.AppKey("go", asyncio.Event)
BIG = Random(5).randbytes(8_000_000)


async def show(request: web.Request) -> web.Response:
    return web.json_response({"path": request.raw_path, "headers": dict(request.headers), "method": request.method})


async def big(request: web.Request) -> web.StreamResponse:
    return web.Response(body=BIG[request.http_range] if "Range" in request.headers else BIG)


async def upload(request: web.Request) -> web.Response:
    seen = hashlib.sha256()
    async for piece in request.content.iter_any():
        seen.update(piece)
    return web.Response(text=seen.hexdigest())


async def events(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    for number in range(3):
        await response.write(f"data: {number}\n\n".encode())
        await request.app[GO].wait()
    return response


async def socket(request: web.Request) -> web.WebSocketResponse:
    response = web.WebSocketResponse(protocols=("chat",))
    await response.prepare(request)
    async for message in response:
        if message.data == "bye":
            await response.close(code=4001)
        elif message.type is aiohttp.WSMsgType.TEXT:
            await response.send_str(f"{request.headers.get('Origin')} {message.data}")
        else:
            await response.send_bytes(message.data)
    return response


async def breaks(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b"a part")
    assert request.transport is not None
    request.transport.abort()
    return response


class Site:
    """A web page at home, shared, and open here at `url`."""

    def __init__(self) -> None:
        self.app = web.Application(client_max_size=1 << 30)
        self.app[GO] = asyncio.Event()
        self.app.router.add_get("/big", big)
        self.app.router.add_post("/upload", upload)
        self.app.router.add_get("/events", events)
        self.app.router.add_get("/socket", socket)
        self.app.router.add_get("/breaks", breaks)
        self.app.router.add_get("/cookies", self.set_cookies)
        self.app.router.add_route("*", "/{rest:.*}", show)
        self.cookies: list[str] = []
        self.refusal: Exception | None = None
        self.opened = 0

    async def set_cookies(self, request: web.Request) -> web.Response:
        response = web.Response()
        response.headers.extend([("Set-Cookie", cookie) for cookie in self.cookies])
        return response


@asynccontextmanager
async def shared(**options: JsonValue) -> AsyncIterator[tuple[Site, str, aiohttp.ClientSession]]:
    site = Site()
    runner = web.AppRunner(site.app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    service = make(Share("garden", "http", {"target": f"http://127.0.0.1:{port}", **options}))
    assert isinstance(service, HttpService)
    pages = LocalPages()
    await pages.start()
    async with joined(service) as pair:

        async def open_stream() -> ByteStream:
            site.opened += 1
            if site.refusal is not None:
                raise site.refusal
            return await pair.open()

        url = pages.add("garden", "Anna", open_stream)
        resolver = aiohttp.TCPConnector(resolver=Loopback())
        async with aiohttp.ClientSession(connector=resolver, auto_decompress=False) as browser:
            yield site, url.rstrip("/"), browser
        await pages.aclose()
    await runner.cleanup()


class Loopback(aiohttp.abc.AbstractResolver):
    """Resolves every name to this machine, as browsers do with *.localhost (RFC 6761 section 6.3)."""

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[aiohttp.abc.ResolveResult]:
        return [{"hostname": host, "host": "127.0.0.1", "port": port, "family": 2, "proto": 0, "flags": 0}]

    async def close(self) -> None: ...


async def test_a_page_is_passed_on_with_its_own_name_and_without_what_is_only_for_one_connection() -> None:
    async with shared(tell_caller=True) as (_, url, browser):
        lies = {
            "X-Forwarded-For": "6.6.6.6",
            "X-Grapevine-Peer": "me",
            "Connection": "keep-alive, X-Secret",
            "X-Secret": "1",
        }
        async with browser.get(f"{url}/a%2Fb?q=%20x", headers=lies) as answer:
            seen = await answer.json()
        headers = {name.lower(): value for name, value in seen["headers"].items()}
        assert seen["path"] == "/a%2Fb?q=%20x"
        assert headers["host"].startswith("127.0.0.1:")
        assert headers["x-forwarded-host"] == url.removeprefix("http://")
        assert headers["x-grapevine-peer"] == str(CALLER.peer_id)
        assert not {"x-forwarded-for", "x-secret", "x-real-ip"} & set(headers)


async def test_the_callers_id_is_told_only_where_the_owner_wants() -> None:
    async with shared() as (_, url, browser), browser.get(url, headers={"X-Grapevine-Peer": "me"}) as answer:
        assert "X-Grapevine-Peer" not in (await answer.json())["headers"]


@pytest.mark.parametrize("path", ["//evil.example/x", "/http://evil.example/", "/..//evil.example", "/@evil.example"])
async def test_no_path_leads_anywhere_else(path: str) -> None:
    async with shared() as (_, url, browser):
        target = URL(url + path, encoded=True)
        async with browser.get(target) as answer:
            assert (await answer.json())["headers"]["Host"].startswith("127.0.0.1:")


async def test_bodies_are_streamed_both_ways_byte_for_byte_and_ranges_are_kept() -> None:
    async with shared() as (_, url, browser):
        async with browser.get(f"{url}/big") as answer:
            assert await answer.read() == BIG
        async with browser.get(f"{url}/big", headers={"Range": "bytes=100-199"}) as answer:
            assert await answer.read() == BIG[100:200]

        async def pieces() -> AsyncIterator[bytes]:
            for at in range(0, len(BIG), 70_000):
                yield BIG[at : at + 70_000]

        async with browser.post(f"{url}/upload", data=pieces()) as answer:
            assert await answer.text() == hashlib.sha256(BIG).hexdigest()


async def test_a_packed_body_goes_on_as_it_came() -> None:
    unpacked = bytes(30_000_000)
    async with shared() as (_, url, browser):
        fields = {"Content-Encoding": "gzip"}
        async with browser.post(f"{url}/upload", data=gzip.compress(unpacked), headers=fields) as answer:
            assert await answer.text() == hashlib.sha256(unpacked).hexdigest()  # unpacked once, by the page itself


async def test_events_arrive_as_they_are_sent() -> None:
    async with shared() as (site, url, browser), browser.get(f"{url}/events") as answer:
        assert await answer.content.readuntil(b"\n\n") == b"data: 0\n\n"
        site.app[GO].set()
        assert await answer.content.read() == b"data: 1\n\ndata: 2\n\n"


async def test_a_web_socket_carries_messages_its_protocol_and_its_close_code() -> None:
    async with (
        shared() as (_, url, browser),
        browser.ws_connect(f"{url}/socket", protocols=("other", "chat"), headers={"Origin": url}) as ws,
    ):
        assert ws.protocol == "chat"
        await ws.send_str("hello")
        message = await ws.receive()
        assert message.data.startswith("http://127.0.0.1:")  # its own name, which it expects
        assert message.data.endswith(" hello")
        await ws.send_bytes(BIG[:1_000_000])
        assert (await ws.receive()).data == BIG[:1_000_000]
        await ws.send_str("bye")
        await ws.receive()
        assert ws.close_code == 4001


async def test_an_answer_that_breaks_off_breaks_off() -> None:
    async with shared() as (_, url, browser), browser.get(f"{url}/breaks") as answer:
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.read()


async def test_head_and_empty_answers_have_no_body() -> None:
    async with shared() as (_, url, browser), browser.head(f"{url}/big") as answer:
        assert answer.headers["Content-Length"] == str(len(BIG))
        assert await answer.read() == b""


async def test_many_requests_share_few_streams() -> None:
    async with shared() as (site, url, browser):
        for _ in range(20):
            async with browser.get(url) as answer:
                await answer.read()
        assert site.opened == 1


async def test_a_dead_page_is_told_by_its_port_and_an_absent_peer_comes_back_by_itself() -> None:
    async with shared() as (site, url, browser):
        site.refusal = RequestTimeout("nobody answered <b>x</b>")
        async with browser.get(url) as answer:
            text = await answer.text()
            assert answer.status == 503
            assert 'http-equiv="refresh"' in text
            assert "&lt;b&gt;x" in text
        site.refusal = RefusedError("the owner was asked whether you may", name="ERR_NOT_TRUSTED")
        async with browser.get(url) as answer:
            assert answer.status == 403
            assert "the owner was asked" in await answer.text()
    service = make(Share("garden", "http", {"target": "1"}))
    check = await service.check()
    assert not check.ok
    assert "127.0.0.1:1" in check.sentence
    async with joined(service) as pair:
        pages = LocalPages()
        await pages.start()
        url = pages.add("garden", "Anna", pair.open)
        async with (
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(resolver=Loopback())) as browser,
            browser.get(url) as answer,
        ):
            assert answer.status == 502
            assert "Nothing answers on port 1 of the other side" in await answer.text()
        await pages.aclose()


FORGED = [
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
    {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
]


@pytest.mark.parametrize("headers", FORGED)
async def test_what_another_page_sends_is_refused_before_it_reaches_the_peer(headers: dict[str, str]) -> None:
    async with shared() as (site, url, browser), browser.get(url, headers=headers) as answer:
        assert answer.status == 403
        assert site.opened == 0


async def test_a_form_of_another_page_is_refused_and_a_link_is_followed() -> None:
    navigation = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    async with shared() as (_, url, browser):
        async with browser.post(url, headers=navigation, data=b"x") as answer:
            assert answer.status == 403
        async with browser.get(url, headers=navigation) as answer:
            assert answer.status == 200
        async with browser.post(url, headers={"Origin": url, "Sec-Fetch-Site": "same-origin"}, data=b"x") as answer:
            assert answer.status == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "garden.anna.localhost", "other.anna.localhost", ""])
async def test_only_the_name_of_an_open_page_with_its_port_leads_to_it(host: str) -> None:
    async with shared() as (site, url, browser):
        port = url.rpartition(":")[2]
        field = host if host == "garden.anna.localhost" else f"{host}:{port}"
        async with browser.get(url, headers={"Host": field}) as answer:
            assert answer.status == 421
        assert site.opened == 0


async def test_smuggled_lengths_are_refused_whole() -> None:
    async with shared() as (site, url, _):
        host, _, port = url.removeprefix("http://").partition(":")
        reader, writer = await asyncio.open_connection("127.0.0.1", int(port))
        writer.write(
            f"POST / HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
            "0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n".encode()
        )
        assert b"400" in await reader.readline()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        assert site.opened == 0


@pytest.mark.parametrize("target", ["ftp://x/", "http://", "http://user@x/", "nonsense", "http://x:99999/"])
async def test_a_target_that_is_no_page_is_refused(target: str) -> None:
    with pytest.raises(LocalError) as caught:
        make(Share("garden", "http", {"target": target}))
    assert caught.value.name == "ERR_SHARE"


async def test_names_become_labels() -> None:
    assert label("Anna's Garten") == "anna-s-garten"
    assert label("日本") == "x"
    assert len(label("a" * 100)) == 63


async def test_two_pages_alike_have_two_origins_and_one_can_be_closed() -> None:
    pages = LocalPages()
    await pages.start()

    async def nobody() -> ByteStream:
        raise RequestTimeout("nobody")

    first, second = pages.add("garden", "Anna", nobody), pages.add("garden", "anna", nobody)
    assert first != second
    await pages.remove(first)
    await pages.remove(first)
    assert pages.add("garden", "Anna", nobody) == first
    await pages.aclose()


@pytest.mark.parametrize("name", ["X_Grapevine_Peer", "x-grapevine_peer", "X_Forwarded_For", "Transfer_Encoding"])
async def test_a_name_that_some_servers_take_for_ours_is_not_passed_on(name: str) -> None:
    async with shared(tell_caller=True) as (_, url, browser), browser.get(f"{url}/", headers={name: "lie"}) as answer:
        seen = (await answer.json())["headers"]
    assert "lie" not in seen.values()
    assert seen["X-Grapevine-Peer"] == str(CALLER.peer_id)


async def test_a_cookie_is_for_the_page_that_set_it_alone() -> None:
    async with shared() as (site, url, browser):
        site.cookies = ["a=1; Path=/; Domain=anna.localhost; HttpOnly", "domain=x; DOMAIN = localhost;Secure", "b=2"]
        async with browser.get(f"{url}/cookies") as answer:
            assert answer.headers.getall("Set-Cookie") == ["a=1; Path=/; HttpOnly", "domain=x;Secure", "b=2"]


@pytest.mark.parametrize("size", [1, 3_000_000])
async def test_who_waits_to_be_told_to_send_a_body_is_told(size: int) -> None:
    """`Expect: 100-continue`, as curl sends it with every upload of a megabyte."""
    body = BIG[:size]
    async with shared() as (_, url, _session):
        address = URL(url)
        reader, writer = await asyncio.open_connection("127.0.0.1", address.port)
        fields = (
            "POST /upload HTTP/1.1",
            f"Host: {address.authority}",
            f"Content-Length: {size}",
            "Expect: 100-Continue",
        )
        writer.write("\r\n".join([*fields, "", ""]).encode())
        async with asyncio.timeout(10):
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            writer.write(body)
            answer = await reader.readuntil(b"\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
            assert await reader.readexactly(64) == hashlib.sha256(body).hexdigest().encode()
        writer.close()


async def test_an_expectation_is_not_passed_on() -> None:
    """A server that does not know it would keep the body waiting for ever."""
    async with (
        shared() as (_, url, session),
        session.put(f"{url}/there", data=b"x", headers={"Expect": "100-continue"}) as answer,
    ):
        assert "Expect" not in (await answer.json())["headers"]

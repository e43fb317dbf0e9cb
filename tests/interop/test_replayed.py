"""What clients in Ruby, Rust, C# and of browsers send, byte by byte: ours answers it as the Node packages do.

Ruby's was captured (GRENACHE_HTTP_WS section 2.5), the others are what the clients' sources say. None of those clients
can be installed from the registries that the checks have.
"""

import asyncio
import http.client
import json
import socket

import pytest

from core.values import Address, JsonValue
from tests.grenache.site import FakeSite, serving
from tests.interop.grapes import our_grape, two_node_grapes
from tests.support.ports import free_port
from tests.support.process import node

pytestmark = [pytest.mark.interop, pytest.mark.asyncio]

PATIENCE = 10.0  # seconds
RID = "45c3241c-5c20-4e0a-aaf7-38af4fe3fe9f"
RUBY = (
    "Content-Type: application/x-www-form-urlencoded", "Connection: close", "User-Agent: Ruby",
    "Accept-Encoding: gzip;q=1.0,deflate;q=0.6,identity;q=0.3", "Accept: */*",
)  # fmt: skip
RUST = ("content-type: application/json; charset=UTF-8",)
CSHARP = ("Content-Type: application/json; charset=utf-8",)
BROWSER = (
    "Content-Type: text/plain;charset=UTF-8", "Origin: http://page.example", "Referer: http://page.example/",
    "Sec-Fetch-Mode: cors", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Dest: empty",
)  # fmt: skip
CLIENTS = {"ruby": (RUBY, False), "rust": (RUST, False), "csharp": (CSHARP, False), "csharp chunked": (CSHARP, True)}


def request(path: str, value: JsonValue, headers: tuple[str, ...], *, chunked: bool = False) -> bytes:
    """Return a request's bytes."""
    body = json.dumps(value, separators=(",", ":")).encode()
    if chunked:
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body)}"
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: 127.0.0.1", framing, *headers, "", ""]).encode() + body


async def answered(place: Address, raw: bytes) -> tuple[int, bytes]:
    """Return a server's status and body."""

    def exchange() -> tuple[int, bytes]:
        with socket.create_connection(place, PATIENCE) as connection:
            connection.sendall(raw)
            response = http.client.HTTPResponse(connection)
            response.begin()
            return response.status, response.read()

    return await asyncio.to_thread(exchange)


def address(url: str) -> Address:
    """Return where a grape's API is."""
    return Address.parse(url.removeprefix("http://"))


@pytest.mark.parametrize("client", CLIENTS)
async def test_a_grape_answers_them_as_nodes_does(client: str) -> None:
    headers, chunked = CLIENTS[client]
    async with our_grape() as ours, two_node_grapes() as (theirs, _):
        # nobody is listed, somebody is announced, somebody is; a value is put
        orders: list[tuple[str, JsonValue]] = [
            ("/lookup", "rest:net:util"), ("/announce", ["rest:net:util", 31337]), ("/lookup", "rest:net:util"),
            ("/put", {"v": "hello"}),
        ]  # fmt: skip
        for path, data in orders:
            raw = request(path, {"rid": RID, "data": data}, headers, chunked=chunked)
            said = [await answered(address(url), raw) for url in (theirs.url, ours.url)]
            assert said[0] == said[1], (path, said)
        assert said[0][0] == 200


async def test_a_page_of_a_browser_is_refused_by_ours_and_cannot_read_what_nodes_says() -> None:
    """Node's grape allows no origin, so that a browser keeps its answer from the page; ours does not even act."""
    raw = request("/announce", {"rid": RID, "data": ["evil", 31337]}, BROWSER)
    async with our_grape() as ours, two_node_grapes() as (theirs, _):
        assert (await answered(address(theirs.url), raw))[0] == 200
        status, body = await answered(address(ours.url), raw)
        assert (status, json.loads(body)) != (200, 1)
        assert status == 403


@pytest.mark.parametrize("client", ["ruby", "csharp", "csharp chunked"])
async def test_a_service_answers_them_as_nodes_does(client: str) -> None:
    headers, chunked = CLIENTS[client]
    more = (f'_gr: ["{RID}","svc"]',) if client.startswith("csharp") else ()
    raw = request("/", [RID, "svc", {"hello": "world"}], (*headers, *more), chunked=chunked)
    port = free_port()
    site = FakeSite(lambda key, payload: {"key": key, "payload": payload})
    async with (
        our_grape() as grape,
        node("transports", {"grape": grape.url, "kind": "http"}) as theirs,
        serving(site) as ours,
    ):
        await theirs.command("listen", name="svc", port=port)
        expected = await answered(Address("127.0.0.1", port), raw)
        assert await answered(ours.address, raw) == expected
        assert expected == (200, f'["{RID}",null,{{"key":"svc","payload":{{"hello":"world"}}}}]'.encode())

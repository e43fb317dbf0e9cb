"""A DHT without a network, and a way to talk HTTP byte by byte."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple, TypeAlias

from core.dht.items import Item
from core.grape.service import FoundItem
from core.values import Address, JsonValue

RESPONDER = bytes(range(20))

Connection: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class FakeDht:
    """Keeps what it is told in dicts. `gate`, while clear, holds every operation; `error` fails the next ones."""

    def __init__(self) -> None:
        self.address = Address("0.0.0.0", 20001)
        self.peers: dict[bytes, list[Address]] = {}
        self.items: dict[bytes, Item] = {}
        self.calls: list[str] = []
        self.error: Exception | None = None
        self.token: bytes | None = None
        self.entered = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    async def _enter(self, verb: str) -> None:
        self.calls.append(verb)
        self.entered.set()
        await self.gate.wait()
        if self.error is not None:
            raise self.error

    async def lookup(self, key: bytes) -> Sequence[Address]:
        await self._enter("lookup")
        return self.peers.get(key, [])

    def listed(self, peers: Sequence[Address], client: str) -> Sequence[Address]:
        if client == "127.0.0.1":
            return peers
        return [Address(f"shown-to-{client}", peer.port) for peer in peers]

    async def announce(self, key: bytes, peer: Address) -> int:
        await self._enter("announce")
        self.peers.setdefault(key, []).append(peer)
        return 3

    async def put(self, item: Item) -> bytes:
        await self._enter("put")
        self.items[item.target()] = item
        return item.target()

    async def get(self, target: bytes, salt: bytes = b"") -> FoundItem | None:
        await self._enter(f"get {salt!r}")
        item = self.items.get(target)
        return None if item is None else FoundItem(item, RESPONDER, self.token)


class Answer(NamedTuple):
    """One HTTP response, parsed just enough."""

    status: int
    headers: dict[str, str]
    body: bytes


def request_bytes(path: str, body: bytes, *, method: str = "POST", headers: dict[str, str] | None = None) -> bytes:
    """Return an HTTP/1.1 request; a header of "" is left out."""
    fields = {"Host": "x", "Content-Length": str(len(body)), **(headers or {})}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items() if value)]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def rpc(data: JsonValue) -> bytes:
    """Return a request's body."""
    return json.dumps({"rid": "r", "data": data}).encode()


async def read_answer(reader: asyncio.StreamReader) -> Answer:
    """Read one response with a Content-Length."""
    async with asyncio.timeout(5):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        status, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        return Answer(
            int(status.split()[1]), headers, await reader.readexactly(int(headers.get("content-length", "0")))
        )


@contextlib.asynccontextmanager
async def connection(port: int, host: str = "127.0.0.1") -> AsyncIterator[Connection]:
    """Open a connection for the block."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def read_end(reader: asyncio.StreamReader) -> bytes:
    """Return what comes until the other side closes, by FIN or RST."""
    received = b""
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(1000):
            received += data
    return received


async def talk(port: int, raw: bytes) -> Answer:
    """Send bytes on a connection of their own, return the first response."""
    async with connection(port) as (reader, writer):
        writer.write(raw)
        return await read_answer(reader)


async def post(port: int, path: str, data: JsonValue) -> JsonValue:
    """Post as the Node link does; return the JSON value, None for an empty body."""
    answer = await talk(port, request_bytes(path, rpc(data)))
    value: JsonValue = json.loads(answer.body) if answer.body else None
    return value

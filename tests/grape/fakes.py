"""A DHT without a network, and a way to talk HTTP byte by byte."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Sequence
from typing import NamedTuple, TypeAlias, TypeVar

from core.dht.items import Item
from core.errors import PeerError
from core.grape.api import Api, HttpReply
from core.grape.service import Done, FoundItem, Watch
from core.values import Address, JsonValue

RESPONDER = bytes(range(20))

ResultT = TypeVar("ResultT")

Connection: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Gate:
    """Lets calls through while set, and those that waited once it is set again."""

    def __init__(self) -> None:
        self._open = True
        self._waiting: list[Callable[[], None]] = []

    def set(self) -> None:
        self._open = True
        waiting, self._waiting = self._waiting, []
        for call in waiting:
            call()

    def clear(self) -> None:
        self._open = False

    def enter(self, call: Callable[[], None]) -> None:
        if self._open:
            call()
        else:
            self._waiting.append(call)


class FakeDht:
    """Keeps what it is told in dicts. `gate`, while clear, holds every operation; `error` fails the next ones.

    `bug` is raised where the listing for a client is made.
    """

    def __init__(self) -> None:
        self.address = Address("0.0.0.0", 20001)
        self.peers: dict[bytes, list[Address]] = {}
        self.items: dict[bytes, Item] = {}
        self.calls: list[str] = []
        self.error: PeerError | None = None
        self.bug: Exception | None = None
        self.token: bytes | None = None
        self.entered = asyncio.Event()
        self.gate = Gate()

    def _enter(self, verb: str, done: Done[ResultT], work: Callable[[], ResultT]) -> None:
        self.calls.append(verb)
        self.entered.set()
        self.gate.enter(lambda: done(work() if self.error is None else self.error))

    def lookup(self, key: bytes, done: Done[Sequence[Address]]) -> None:
        self._enter("lookup", done, lambda: self.peers.get(key, []))

    def watch(self, key: bytes, done: Done[Watch], on_news: Callable[[], None]) -> None:
        self._enter("watch", done, lambda: Watch(self.peers.get(key, []), granted=False))

    def listed(self, peers: Sequence[Address], client: str) -> Sequence[Address]:
        if self.bug is not None:
            raise self.bug
        if client == "127.0.0.1":
            return peers
        return [Address(f"shown-to-{client}", peer.port) for peer in peers]

    def announce(self, key: bytes, peer: Address, done: Done[int]) -> None:
        def work() -> int:
            self.peers.setdefault(key, []).append(peer)
            return 3

        self._enter("announce", done, work)

    def put(self, item: Item, done: Done[bytes], *, host: str = "127.0.0.1") -> None:
        def work() -> bytes:
            self.items[item.target()] = item
            return item.target()

        self._enter("put", done, work)

    def get(self, target: bytes, salt: bytes, done: Done[FoundItem | None]) -> None:
        def work() -> FoundItem | None:
            item = self.items.get(target)
            return None if item is None else FoundItem(item, RESPONDER, self.token)

        self._enter(f"get {salt!r}", done, work)


def ask(api: Api, path: str, body: bytes, client: str | None) -> HttpReply:
    """Return the answer to a request that needs no waiting."""
    replies: list[HttpReply] = []
    api.answer(path, body, client, replies.append)
    (reply,) = replies
    return reply


class Answer(NamedTuple):
    """One HTTP response, parsed just enough."""

    status: int
    headers: dict[str, str]
    body: bytes


def request_bytes(path: str, body: bytes, *, method: str = "POST", headers: dict[str, str] | None = None) -> bytes:
    """Return an HTTP/1.1 request; a header of "" is left out."""
    fields = {"Host": "127.0.0.1", "Content-Length": str(len(body)), **(headers or {})}
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

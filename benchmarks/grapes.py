"""The HTTP API of a grape that has one neighbour of its kind: lookup, announce, put and get at 1 and 8 connections.

Each grape is a process; the same client, in this process, asks both kinds. It is a bare HTTP/1.1 client on asyncio
protocols, so that it is not what is measured; what the asked grape itself uses of the processor is a row of its own.
Both kinds do the same work: two grapes, one name, values that are all different, and a warm-up (Node compiles what
runs often; without it the first row would compare ours with its interpreter).
"""

import asyncio
import importlib.util
import json
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import NamedTuple, cast

from benchmarks.peers import NODE, OURS, cpu_seconds
from benchmarks.runner import Sample, Settings, percentile
from core.values import JsonValue
from tests.interop.grapes import two_node_grapes
from tests.support.ports import free_port
from tests.support.process import grapevine, until

FAST = f"{OURS}, uvloop"
HOST = "127.0.0.1"
CONNECTIONS = (1, 8)
NAME, PORT = "bench_worker", 4242
PATIENCE = 10.0  # seconds beyond the measured ones
WARM_UP = 0.4  # seconds of each operation: some thousand requests
HEAD = "POST /{} HTTP/1.1\r\nHost: " + HOST + "\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n"
RID = "c9f3a1de-6f0b-4d2e-9a40-0b1d5c0a8f11"  # a grape does not look at it; a link makes a new one each time


class Asked(NamedTuple):
    """The grape that is asked: its HTTP port and its process."""

    port: int
    pid: int


class Client(asyncio.Protocol):
    """One kept connection; one request at a time."""

    def __init__(self) -> None:
        self._buffer = b""
        self._answer: asyncio.Future[bytes] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, error: Exception | None) -> None:
        """Tell who waits."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionError("the grape closed the connection"))

    def data_received(self, data: bytes) -> None:
        """Hand over the answer once it is whole."""
        self._buffer += data
        body = _body(self._buffer)
        if body is not None and self._answer is not None and not self._answer.done():
            self._buffer = b""
            self._answer.set_result(body)

    async def ask(self, kind: str, data: JsonValue) -> JsonValue:
        """Post one request; return the answer's JSON, None for an empty body."""
        if self._transport is None:
            raise RuntimeError("not connected")
        body = json.dumps({"rid": RID, "data": data})
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write((HEAD.format(kind, len(body)) + body).encode())
        answer = await self._answer
        return cast("JsonValue", json.loads(answer)) if answer else None

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()


def _body(answer: bytes) -> bytes | None:
    """Return the body of a whole HTTP answer, or None. Both kinds of grape send a length or one set of chunks."""
    head, end, rest = answer.partition(b"\r\n\r\n")
    if not end:
        return None
    _, named, value = head.lower().partition(b"\r\ncontent-length: ")
    if named:
        length = int(value.partition(b"\r\n")[0])
        return rest[:length] if len(rest) >= length else None
    if not rest.endswith(b"0\r\n\r\n"):
        return None
    body = b""
    while (size := int(rest.partition(b"\r\n")[0], 16)) > 0:
        _, _, rest = rest.partition(b"\r\n")
        body, rest = body + rest[:size], rest[size + 2 :]
    return body


@asynccontextmanager
async def clients(port: int, number: int) -> AsyncIterator[list[Client]]:
    """Connect several clients."""
    loop = asyncio.get_running_loop()
    made = [(await loop.create_connection(Client, HOST, port))[1] for _ in range(number)]
    try:
        yield made
    finally:
        for client in made:
            client.close()


@asynccontextmanager
async def _ours(*, fast: bool) -> AsyncIterator[Asked]:
    dht, api = (free_port(), free_port()), (free_port(), free_port())
    loop = {} if fast else {"GRAPEVINE_LOOP": "asyncio"}
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        first = ("grape", "--dp", str(dht[0]), "--aph", str(api[0]), "--bind", HOST)
        second = ("grape", "--dp", str(dht[1]), "--aph", str(api[1]), "--bind", HOST, "--bn", f"{HOST}:{dht[0]}")
        async with (
            grapevine(*first, home=home, env=loop) as program,
            grapevine(*second, home=home, env=loop),
        ):
            yield Asked(api[0], program.pid)


@asynccontextmanager
async def _node() -> AsyncIterator[Asked]:
    async with two_node_grapes() as (first, _):
        yield Asked(int(first.url.rpartition(":")[2]), first.program.pid)


class Grapes:
    """One grape of each kind, with a neighbour of its own kind."""

    name = "grape"
    baseline = NODE
    once = False

    def __init__(self, settings: Settings) -> None:
        self._seconds = 3.0 if settings.full else 0.6

    def variants(self) -> tuple[str, ...]:
        """Both kinds, and ours on uvloop where that is installed."""
        fast = (FAST,) if importlib.util.find_spec("uvloop") else ()
        return (OURS, *fast, NODE)

    async def measure(self, variant: str) -> list[Sample]:
        """Ask for some seconds with each operation and number of connections."""
        samples: list[Sample] = []
        async with _node() if variant == NODE else _ours(fast=variant == FAST) as asked:
            digest = await _prepare(asked.port)
            unique = count()
            # announced names come back to a few, as the names of real services do; values are all different
            orders: dict[str, Callable[[], JsonValue]] = {
                "lookup": lambda: NAME,
                "announce": lambda: [NAME, PORT],
                "get": lambda: digest,
                # last: a grape keeps 5,000 values, and a fast one would have forgotten the one that `get` asks for
                "put": lambda: {"v": f"value {next(unique)}"},
            }
            for kind, order in orders.items():
                await _ask_for(WARM_UP, asked, CONNECTIONS[-1], kind, order)
            digest = await _prepare(asked.port)  # again, for the same reason
            for kind, order in orders.items():
                for number in CONNECTIONS:
                    samples += await _ask_for(self._seconds, asked, number, kind, order)
        return samples


async def _ask_for(
    seconds: float, asked: Asked, number: int, kind: str, order: Callable[[], JsonValue]
) -> list[Sample]:
    latencies: list[int] = []
    failed = 0
    async with clients(asked.port, number) as connections:
        used = cpu_seconds(asked.pid)
        began = time.monotonic()

        async def work(client: Client) -> None:
            nonlocal failed
            while (sent := time.monotonic()) < began + seconds:
                if _is_right(kind, await client.ask(kind, order())):
                    latencies.append(round((time.monotonic() - sent) * 1e6))
                else:
                    failed += 1

        async with asyncio.timeout(seconds + PATIENCE):
            await asyncio.gather(*map(work, connections))
        took = time.monotonic() - began
        used = cpu_seconds(asked.pid) - used
    row = f"{kind}, {number} connection{'s' * (number > 1)}"
    return [
        Sample(row, "rate", len(latencies) / took),
        Sample(row, "failed", failed),
        Sample(row, "p50", percentile(latencies, 50)),
        Sample(row, "p99", percentile(latencies, 99)),
        Sample(row, "server cpu", used * 1e6 / max(len(latencies), 1)),
    ]


async def _prepare(port: int) -> str:
    """Wait until both grapes know each other, announce the name and store the value; return its hash."""
    digest: JsonValue = None

    async def listening() -> bool:
        try:
            async with clients(port, 1) as (client,):
                return await client.ask("announce", [NAME, PORT]) == 1
        except OSError:
            return False

    async def stored() -> bool:
        nonlocal digest
        async with clients(port, 1) as (client,):
            digest = await client.ask("put", {"v": "kept"})
            return _is_right("put", digest) and _is_right("lookup", await client.ask("lookup", NAME))

    await until(listening, "the grape announces")
    await until(stored, "the grape stores")
    return str(digest)


def _is_right(kind: str, answer: JsonValue) -> bool:
    """Tell an answer from an error's name, which comes with status 200 too (PROTOCOL section 2)."""
    if kind == "lookup":
        return isinstance(answer, list) and len(answer) > 0
    if kind == "announce":
        return isinstance(answer, int) and answer > 0
    if kind == "put":
        return isinstance(answer, str) and len(answer) == 40
    return isinstance(answer, dict) and answer.get("v") == "kept"

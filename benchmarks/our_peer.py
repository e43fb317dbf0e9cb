"""Our peer of the benchmarks, a process of its own, with the loops that are measured inside it.

`python -m benchmarks.our_peer JSON`; talks JSON lines exactly as benchmarks/node_peer.js. Options: `role` (echo, sink,
mirror, swallow, gulp, fibonacci; without it connections are refused), `batching` (bool, where EndpointConfig has it),
`uvloop` (bool), `secure` (bool: `rpc`, `write` and `carry`, echo, fibonacci, swallow and gulp are encrypted).
"""

import asyncio
import gc
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import fields, replace
from typing import Any, TypeAlias

from core.aio.tasks import TaskSet
from core.errors import PeerError
from core.identity.identity import Identity
from core.net.endpoint import Endpoint, EndpointConfig
from core.net.stream import Stream
from core.rpc.client import RpcClient
from core.rpc.server import RpcServer
from core.rpc.stream import Stream as RpcStream
from core.secure.contexts import Contexts
from core.secure.dial import Dialer
from core.secure.handshakes import Handshakes
from core.services.fibonacci import FibonacciService
from core.tunnel.session import Session
from core.tunnel.stream import ByteStream
from core.utp.config import UtpConfig
from core.values import Address, Caller, JsonValue
from core.wire.utp_marks import OUR_MARKS, Marks
from tests.support.answers import answered_by

CHUNK = os.urandom(65536)  # bytes per write, as the Node side's
HELLO = b"hello"
CONNECTIONS = 30_000  # of one socket: the default bounds are for the wild, 10,000 idle ones are a case here

Options: TypeAlias = dict[str, Any]
Command: TypeAlias = Callable[..., Awaitable[Options]]


def has_batching() -> bool:
    """Return whether this version can send and receive many datagrams per system call."""
    return any(field.name == "batching" for field in fields(EndpointConfig))


def emit(event: str, **values: object) -> None:
    """Print one JSON line."""
    sys.stdout.write(json.dumps({"event": event, **values}) + "\n")
    sys.stdout.flush()


def utp_config() -> UtpConfig:
    """Return the default engine, but with room for many connections of one host."""
    known = {field.name for field in fields(UtpConfig)}
    bounds = {"connections": CONNECTIONS, "connections_per_host": CONNECTIONS, "closed_kept": CONNECTIONS}
    changes: Options = {name: value for name, value in bounds.items() if name in known}
    return replace(UtpConfig(), **changes)


class Throat:
    """Swallows what a stream brings."""

    def __init__(self, peer: "Peer", over: asyncio.Event) -> None:
        self._peer = peer
        self._over = over

    def received(self, chunk: bytes) -> None:
        """Count it."""
        self._peer.bytes += len(chunk)
        self._peer.last = time.monotonic_ns()

    def ended(self, error: PeerError | None) -> None:
        """Note the end."""
        self._over.set()


class Gullet:
    """Swallows what a byte stream of a session brings."""

    def __init__(self, peer: "Peer") -> None:
        self._peer = peer

    def received(self, data: bytes) -> None:
        """Count it."""
        self._peer.bytes += len(data)
        self._peer.last = time.monotonic_ns()

    def ended(self) -> None:
        """Do nothing: nothing is sent back."""

    def closed(self, error: PeerError | None) -> None:
        """Do nothing."""

    def writable(self) -> None:
        """Do nothing."""


class Peer:
    """One endpoint and the commands that run on it."""

    def __init__(self, endpoint: Endpoint, role: str | None, *, secure: bool = False) -> None:
        """`role` is what happens to connections that come in."""
        self.endpoint = endpoint
        contexts = Contexts(Identity.generate()) if secure else None

        async def own() -> Contexts | None:
            return contexts

        self._door = Handshakes(own)
        self._dialer = Dialer(lambda to, seconds: endpoint.connect(to, timeout=seconds), own)
        if secure:
            endpoint.mark(OUR_MARKS | Marks.SECURE)
        self.bytes = 0
        self.last = 0  # ns, CLOCK_MONOTONIC
        self._tasks = TaskSet("benchmark peer")
        self._rpc = RpcServer(answered_by(self._answer))
        self._held: list[Stream] = []
        service = FibonacciService()
        self._numbers = RpcServer(answered_by(lambda _, payload, caller: service.handle(payload, caller)))
        roles = {
            "echo": self._echo,
            "swallow": self._swallow,
            "gulp": self._gulp,
            "sink": self._sink,
            "mirror": self._mirror,
            "fibonacci": self._fibonacci,
        }
        if role is not None:
            serve = roles[role]
            endpoint.on_stream = lambda stream: self._start(serve(stream))

    def _start(self, work: Any) -> None:  # noqa: ANN401 - a coroutine of any kind
        self._tasks.spawn(work, name="benchmark")

    # -- what is done to connections that come in

    def _answer(self, _: str, payload: JsonValue, caller: Caller) -> JsonValue:
        return payload

    async def _echo(self, stream: Stream) -> None:
        await self._rpc.serve(stream, lambda: self._door.admit(stream))

    async def _fibonacci(self, stream: Stream) -> None:
        await self._numbers.serve(stream, lambda: self._door.admit(stream))

    async def _swallow(self, stream: Stream) -> None:
        opened = await self._door.admit(stream)
        over = asyncio.Event()
        opened.listen(Throat(self, over))
        await over.wait()
        await opened.close()

    async def _gulp(self, stream: Stream) -> None:
        def take(opened: ByteStream) -> None:
            opened.accept()
            opened.listen(Gullet(self))

        over = asyncio.Event()
        opened = await self._door.admit(stream)
        Session(opened, initiator=False, on_opening=take, on_over=lambda _: over.set()).start()
        await over.wait()

    async def _sink(self, stream: Stream) -> None:
        while chunk := await stream.read():
            self.bytes += len(chunk)
            self.last = time.monotonic_ns()
        await stream.close()

    async def _mirror(self, stream: Stream) -> None:
        try:
            while chunk := await stream.read():
                await stream.write(chunk)
            await stream.close()
        except PeerError:
            stream.abort()

    # -- commands

    async def rpc(
        self,
        address: str,
        workers: int,
        seconds: float,
        timeout: float,
        connections: int = 1,
        key: str = "bench",
        payload: JsonValue = None,
        megabytes: int = 0,
    ) -> Options:
        """`workers` loops over `connections`, each asking again once answered, for `seconds`.

        `megabytes` sends a payload of that many instead, which a service refuses once it has read it.
        """

        async def connect(remote: Address, allowed: float) -> RpcStream:
            return await self._dialer.dial(remote, allowed)

        clients, remote = [RpcClient(connect) for _ in range(connections)], Address.parse(address)
        latencies: list[int] = []  # microseconds
        failed = 0
        asking: JsonValue = {"length": 10} if payload is None else payload
        if megabytes:
            asking = {"length": ["0123456789" * 10] * (megabytes * 10_000)}
        if workers == 1:
            await clients[0].request(remote, key, asking, timeout=timeout)  # not the connecting
        began = time.monotonic()

        async def work(client: RpcClient) -> None:
            nonlocal failed
            while (asked := time.monotonic()) < began + seconds:
                try:
                    await client.request(remote, key, asking, timeout=timeout)
                except PeerError:
                    failed += 1
                else:
                    latencies.append(round((time.monotonic() - asked) * 1e6))

        await asyncio.gather(*(work(clients[number % connections]) for number in range(workers)))
        took = time.monotonic() - began
        await asyncio.gather(*(client.close() for client in clients))
        return {"seconds": took, "latencies": latencies, "failed": failed}

    async def pour(self, address: str, bytes: int, streams: int) -> Options:
        """Write `bytes` in all over `streams` connections; answers when it began, at once."""
        began = time.monotonic_ns()

        async def one() -> None:
            stream = await self.endpoint.connect(Address.parse(address), timeout=30)
            view = memoryview(CHUNK)
            left = bytes // streams
            while left > 0:
                await stream.write(CHUNK if left >= len(CHUNK) else view[:left].tobytes(), boundary=False)
                left -= len(CHUNK)
            await stream.close()

        for _ in range(streams):
            self._start(one())
        return {"began": began}

    async def write(self, address: str, bytes: int) -> Options:
        """Write messages of the size of a chunk over one connection, plain or encrypted; answers when it began."""
        began = time.monotonic_ns()

        async def one() -> None:
            stream = await self._dialer.dial(Address.parse(address), 30)
            for _ in range(bytes // len(CHUNK)):
                await stream.write(CHUNK)
            await stream.close()

        self._start(one())
        return {"began": began}

    async def carry(self, address: str, bytes: int) -> Options:
        """Write chunks to one byte stream of a session, as a shared port does; answers when it began."""
        session = Session(
            await self._dialer.dial(Address.parse(address), 30), initiator=True, on_opening=lambda stream: None
        )
        session.start()
        stream = await session.open_accepted(b"", 30)
        began = time.monotonic_ns()

        async def one() -> None:
            for _ in range(bytes // len(CHUNK)):
                await stream.write(CHUNK)
            stream.end()

        self._start(one())
        return {"began": began}

    async def _hello(self, remote: Address) -> Stream:
        stream = await self.endpoint.connect(remote, timeout=10)
        await stream.write(HELLO)
        await stream.read()
        return stream

    async def connections(self, address: str, workers: int, seconds: float) -> Options:
        """Connect, say a word, hear it back, close: again and again."""
        made = failed = 0
        began = time.monotonic()

        async def work() -> None:
            nonlocal made, failed
            while time.monotonic() < began + seconds:
                try:
                    stream = await self._hello(Address.parse(address))
                except PeerError:
                    failed += 1
                else:
                    self._start(stream.close())  # as the Node side: saying goodbye is not waited for
                    made += 1

        await asyncio.gather(*(work() for _ in range(workers)))
        return {"seconds": time.monotonic() - began, "made": made, "failed": failed}

    async def hold(self, address: str, count: int) -> Options:
        """Open `count` connections, 16 at a time, and keep them."""
        while len(self._held) < count:
            more = min(16, count - len(self._held))
            self._held += await asyncio.gather(*(self._hello(Address.parse(address)) for _ in range(more)))
        return {"held": len(self._held)}

    async def received(self) -> Options:
        """Return how much the sink took, and when the last of it came."""
        return {"bytes": self.bytes, "last": self.last}

    async def settle(self) -> Options:
        """Free what is garbage, so that memory can be read."""
        gc.collect()
        return {}


async def obey(commands: dict[str, Command]) -> None:
    """Run the commands of stdin, one at a time, until it closes."""
    lines = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        order = json.loads(line)
        try:
            emit("answer", id=order["id"], error=None, result=await commands[order["name"]](**order["args"]))
        except PeerError as error:
            emit("answer", id=order["id"], error=repr(error), result=None)


async def main(options: Options) -> None:
    """Open the endpoint and obey."""
    config = EndpointConfig(utp=utp_config())
    if "batching" in options and has_batching():
        change: Options = {"batching": options["batching"]}
        config = replace(config, **change)
    async with await Endpoint.open(Address("127.0.0.1", 0), config=config) as endpoint:
        peer = Peer(endpoint, options.get("role"), secure=bool(options.get("secure")))
        emit("ready", port=endpoint.address.port)
        names = ("rpc", "pour", "write", "carry", "connections", "hold", "received", "settle")
        await obey({name: getattr(peer, name) for name in names})


if __name__ == "__main__":
    given: Options = json.loads(sys.argv[1]) if len(sys.argv) > 1 else {}
    if given.get("uvloop"):
        import uvloop  # type: ignore[import-not-found, unused-ignore]

        uvloop.run(main(given))
    else:
        asyncio.run(main(given))

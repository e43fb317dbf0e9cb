"""A program of ours for the lab: one endpoint, one role, JSON lines. `python -m tests.natlab.talker JSON`.

Roles that listen on `port`: answer (RPC), sink, source. Roles that connect to `to`: ask (requests one after another
for `seconds`), pour and fetch (`bytes`). What is over is told with the longest time that nothing went on, in seconds.
"""

import asyncio
import hashlib
import json
import sys
import time
from typing import Any

from core.aio.tasks import TaskSet
from core.net.endpoint import Endpoint
from core.net.stream import Stream
from core.rpc.client import RpcClient
from core.rpc.server import RpcServer
from core.values import Address, Caller, JsonValue
from tests.support.answers import answered_by

CHUNK = 65_536  # bytes
PACE = 0.005  # seconds between chunks: a transfer that lasts, on a line without a limit of its own


class Silence:
    """The longest time between two calls of `over`."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._since = time.monotonic()

    def over(self) -> None:
        now = time.monotonic()
        self.longest, self._since = max(self.longest, now - self._since), now


def emit(event: str, **values: object) -> None:
    """Print one JSON line."""
    sys.stdout.write(json.dumps({"event": event, **values}) + "\n")
    sys.stdout.flush()


async def pour(stream: Stream, count: int) -> None:
    """Send `count` bytes, paced, and close."""
    digest = hashlib.sha256()
    for number in range(count // CHUNK):
        chunk = hashlib.sha256(number.to_bytes(8, "big")).digest() * (CHUNK // 32)
        digest.update(chunk)
        await stream.write(chunk, boundary=False)
        await asyncio.sleep(PACE)
    await stream.close()
    emit("poured", sha256=digest.hexdigest(), packet_bytes=stream.packet_bytes)


async def swallow(stream: Stream) -> None:
    """Read to the end."""
    digest, silence, count = hashlib.sha256(), Silence(), 0
    while chunk := await stream.read():
        digest.update(chunk)
        count += len(chunk)
        silence.over()
    emit("swallowed", bytes=count, sha256=digest.hexdigest(), longest=silence.longest)
    await stream.close()


async def ask(endpoint: Endpoint, to: Address, seconds: float) -> None:
    """Request one after another on one connection."""

    async def connect(remote: Address, allowed: float) -> Stream:
        return await endpoint.connect(remote, timeout=allowed)

    client, silence, count, until = RpcClient(connect), Silence(), 0, time.monotonic() + seconds
    while time.monotonic() < until:
        await client.request(to, "echo", count)
        silence.over()
        count += 1
        await asyncio.sleep(PACE)
    emit("asked", count=count, longest=silence.longest, connections=client.statistics().connected)
    await client.close()


async def echo(_: str, payload: JsonValue, __: Caller) -> JsonValue:
    """Answer with the question."""
    return payload


async def main(options: dict[str, Any]) -> None:
    """Open the endpoint and play the role."""
    role, size = options["role"], options.get("bytes", 0)
    tasks, server = TaskSet("talker"), RpcServer(answered_by(echo))

    async def give(stream: Stream) -> None:
        await pour(stream, size)

    def take(stream: Stream) -> None:
        tasks.spawn(listening[role](stream), name=role)

    listening = {"answer": server.serve, "sink": swallow, "source": give}
    async with await Endpoint.open(Address("0.0.0.0", options.get("port", 0))) as endpoint:
        if role in listening:
            endpoint.on_stream = take
        emit("ready")
        if role == "ask":
            await ask(endpoint, Address.parse(options["to"]), options["seconds"])
        elif role in ("pour", "fetch"):
            stream = await endpoint.connect(Address.parse(options["to"]), timeout=10)
            if role == "fetch":
                await stream.write(json.dumps({"bytes": size}).encode())  # a source on libutp waits for it
            await (pour(stream, size) if role == "pour" else swallow(stream))
        else:
            while True:
                await asyncio.sleep(0.1)
                emit("statistics", moved=endpoint.statistics().utp.moved)


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))

"""An RPC server, one client end, and handlers of requests, in virtual time."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from core.aio.tasks import TaskSet
from core.errors import LocalError, PayloadError, RefusedError, RequestTimeout
from core.rpc.config import RpcConfig
from core.rpc.server import RpcServer
from core.values import Caller, JsonValue, Outcome
from tests.rpc.streams import MemoryStream, pair
from tests.support.answers import Handler, answered_by
from tests.support.virtual_time import settle

Served = tuple[str, Caller, float, str | None, int, int]


async def echo(key: str, payload: JsonValue, caller: Caller) -> JsonValue:
    """Answer after as many seconds as a number says; raise what a name says."""
    if isinstance(payload, int | float):
        await asyncio.sleep(payload)
    if isinstance(payload, str) and payload in RAISED:
        raise RAISED[payload]
    return payload


def plain_echo(key: str, payload: JsonValue, caller: Caller) -> Outcome:
    """Do as `echo` does, but at once where that takes no time."""
    if isinstance(payload, int | float):
        return echo(key, payload, caller)
    if isinstance(payload, str) and payload in RAISED:
        raise RAISED[payload]
    return payload


RAISED: dict[str, BaseException] = {
    "payload": PayloadError("length must be from 0 to 10,000"),
    "local": LocalError("the disk is full", name="ERR_DISK"),
    "refused": RefusedError("a secret of another peer", name="ERR_OTHER"),
    "timeout": RequestTimeout("somewhere else"),
    "bug": RuntimeError("/home/me/secret.py line 7"),
    "own timeout": TimeoutError("inside"),
    "cancelled": asyncio.CancelledError(),
}


class Scene:
    """A server, one client end, and what the server reported."""

    def __init__(self, handler: Handler, config: RpcConfig | None, buffer: int) -> None:
        self.served: list[Served] = []
        self.server = RpcServer(answered_by(handler, lambda *report: self.served.append(report)), config)
        self.tasks = TaskSet("scene")
        self.client, self.stream = pair(buffer=buffer)
        self.serving = self.serve(self.stream)

    def serve(self, stream: MemoryStream) -> "asyncio.Task[None]":
        return self.tasks.spawn(self.server.serve(stream), name="serve")

    async def send(self, *requests: Sequence[object]) -> None:
        """Send messages, each as a packet."""
        for request in requests:
            await self.client.write(json.dumps(request).encode())

    async def replies(self, count: int) -> list[JsonValue]:
        """Return the next replies; every one is a packet here."""
        return [json.loads(await self.client.read()) for _ in range(count)]

    async def end(self) -> None:
        """The client hangs up; the server must end by itself."""
        await self.client.close()
        await self.serving


@asynccontextmanager
async def scene(
    *,
    handler: Handler = echo,
    config: RpcConfig | None = None,
    buffer: int = 1 << 20,
) -> AsyncIterator[Scene]:
    """Serve on a stream in memory; no task may be left."""
    stage = Scene(handler, config, buffer)
    try:
        yield stage
        await settle()
    finally:
        await stage.tasks.aclose()

"""The stage of the client's tests: a client, and a network of servers it reaches, in virtual time."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from core.errors import PayloadError
from core.rpc.client import Reply, RpcClient
from core.rpc.config import RpcConfig
from core.rpc.server import RpcServer
from core.values import Address, Caller, JsonValue
from tests.rpc.streams import SERVER, MemoryStream, Network
from tests.support.answers import answered_by
from tests.support.virtual_time import settle

OTHER = Address("203.0.113.10", 1337)


async def handler(key: str, payload: JsonValue, caller: Caller) -> JsonValue:
    """Answer after as many seconds as a number says."""
    if isinstance(payload, int | float):
        await asyncio.sleep(payload)
    if payload == "bad":
        raise PayloadError("give a length")
    return [key, payload]


class Stage:
    """A client and the network it reaches."""

    def __init__(self, network: Network | None = None, config: RpcConfig | None = None) -> None:
        self.network = network or Network.of(RpcServer(answered_by(handler)))
        self.client = RpcClient(self.network.connect, config)

    def ask(self, payload: JsonValue, *, address: Address = SERVER, retry: int = 0) -> "asyncio.Task[Reply]":
        """Ask in the background; the caller awaits it, so it needs no other owner."""
        request = self.client.request(address, "k", payload, retry=retry)
        return asyncio.get_running_loop().create_task(request, name="ask")


@asynccontextmanager
async def stage(*, network: Network | None = None, config: RpcConfig | None = None) -> AsyncIterator[Stage]:
    """Make a client and its network; no task may be left, and no failure unheard."""
    made = Stage(network, config)
    try:
        yield made
    finally:
        await made.client.close()
        await settle()
        await made.network.close()


def now() -> float:
    """Return the virtual time."""
    return asyncio.get_running_loop().time()


def scripted(*replies: bytes | None) -> Network:
    """Return a network that answers each packet with the next bytes (RID is replaced), or hangs up for None."""

    async def serve(stream: MemoryStream) -> None:
        for reply in replies:
            packet = await stream.read()
            if not packet:
                return
            if reply is None:
                await stream.close()
                return
            await stream.write(reply.replace(b"RID", str(json.loads(packet)[0]).encode()))
        await asyncio.sleep(1e6)

    return Network(serve)

"""A NAT in front of an endpoint rebinds: streams and requests on loopback go on at the new port."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from random import Random

import pytest

from core.net.endpoint import Endpoint
from core.net.stream import Stream
from core.rpc.client import RpcClient
from core.rpc.server import RpcServer
from core.values import Address, Caller, JsonValue
from tests.net.waiting import eventually
from tests.support.answers import answered_by
from tests.support.rebinder import rebinder

pytestmark = pytest.mark.asyncio

OpenEndpoint = Callable[..., Awaitable[Endpoint]]
BYTES = 3_000_000


async def pour(stream: Stream, seed: int) -> str:
    data = Random(seed).randbytes(BYTES)
    await stream.write(data, boundary=False)
    return hashlib.sha256(data).hexdigest()


async def swallow(stream: Stream) -> str:
    digest, count = hashlib.sha256(), 0
    while count < BYTES:
        chunk = await stream.read()
        digest.update(chunk)
        count += len(chunk)
    return digest.hexdigest()


async def test_a_transfer_both_ways_goes_on_at_the_new_port(open_endpoint: OpenEndpoint) -> None:
    server, client = await open_endpoint(), await open_endpoint()
    accepted: list[Stream] = []
    server.on_stream = accepted.append
    async with rebinder(server.address) as nat:
        here = await client.connect(nat.inside, timeout=5)
        await eventually(lambda: bool(accepted))
        there = accepted[0]
        assert there.remote == nat.outside
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(work) for work in (pour(here, 1), swallow(there), pour(there, 2), swallow(here))]
            await eventually(lambda: server.statistics().utp.received > 100)  # of 300 at least, long ones
            nat.rebind()
        sent, came, back, arrived = (task.result() for task in tasks)
        assert (came, arrived) == (sent, back)
        await eventually(lambda: there.remote == nat.outside)
        assert server.statistics().utp.moved == 1
        assert here.remote == nat.inside
        here.abort()


async def test_an_idle_rpc_connection_goes_on_with_the_next_request(open_endpoint: OpenEndpoint) -> None:
    server, client = await open_endpoint(), await open_endpoint()

    async def where(_: str, __: JsonValue, caller: Caller) -> JsonValue:
        return str(caller.address)

    async def connect(remote: Address, seconds: float) -> Stream:
        return await client.connect(remote, timeout=seconds)

    rpc, asking = RpcServer(answered_by(where)), RpcClient(connect)
    serving: list[asyncio.Task[None]] = []
    async with asyncio.TaskGroup() as group, rebinder(server.address) as nat:
        server.on_stream = lambda stream: serving.append(group.create_task(rpc.serve(stream)))
        assert (await asking.request(nat.inside, "where", None)).data == str(nat.outside)
        nat.rebind()
        await asking.request(nat.inside, "where", None, timeout=5)
        assert (await asking.request(nat.inside, "where", None)).data == str(nat.outside), "handlers see the new one"
        assert asking.statistics().connected == len(serving) == 1
        await asking.close()

"""A path that loses what is long and says nothing: a relay on loopback between two endpoints that could send 16 KB."""

import asyncio
from collections.abc import Awaitable, Callable
from hashlib import sha256
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
BYTES = 1_000_000


async def pour(stream: Stream, data: bytes) -> None:
    await stream.write(data, boundary=False)


async def swallow(stream: Stream) -> bytes:
    digest, count = sha256(), 0
    while count < BYTES:
        chunk = await stream.read()
        digest.update(chunk)
        count += len(chunk)
    return digest.digest()


@pytest.mark.parametrize("most", [1200, 600])
async def test_transfers_both_ways_arrive(open_endpoint: OpenEndpoint, most: int) -> None:
    server, client = await open_endpoint(), await open_endpoint()
    accepted: list[Stream] = []
    server.on_stream = accepted.append
    there_and_back = [Random(seed).randbytes(BYTES) for seed in (1, 2)]
    async with rebinder(server.address, most=most) as relay:
        here = await client.connect(relay.inside, timeout=5)
        await eventually(lambda: bool(accepted))
        there = accepted[0]
        async with asyncio.timeout(30), asyncio.TaskGroup() as group:
            group.create_task(pour(here, there_and_back[0]))
            group.create_task(pour(there, there_and_back[1]))
            came = [group.create_task(swallow(stream)) for stream in (there, here)]
        assert [task.result() for task in came] == [sha256(data).digest() for data in there_and_back]
        assert relay.lost > 0, "a longer one was tried"
        assert 548 <= here.packet_bytes <= most
        here.abort()


@pytest.mark.parametrize("most", [1200, 600])
async def test_requests_of_every_length_are_answered(open_endpoint: OpenEndpoint, most: int) -> None:
    server, client = await open_endpoint(), await open_endpoint()

    async def echo(_: str, payload: JsonValue, __: Caller) -> JsonValue:
        return payload

    async def connect(remote: Address, allowed: float) -> Stream:
        return await client.connect(remote, timeout=allowed)

    rpc, asking = RpcServer(answered_by(echo)), RpcClient(connect)
    async with asyncio.TaskGroup() as group, rebinder(server.address, most=most) as relay:
        serving: list[asyncio.Task[None]] = []
        server.on_stream = lambda stream: serving.append(group.create_task(rpc.serve(stream)))
        for length in (10, 500, 1000, 1300, 5000, 100_000):
            reply = await asking.request(relay.inside, "echo", "x" * length, timeout=20.0)
            assert reply.data == "x" * length
        assert asking.statistics().connected == len(serving) == 1
        await asking.close()

"""What is left of a connection that is over: nothing, or a flood of them makes the collector hold the loop for long."""

import asyncio
import gc

import pytest

from core.aio.tasks import TaskSet
from core.net.endpoint import Endpoint
from core.net.stream import Stream
from core.rpc.client import RpcClient
from core.rpc.server import RpcServer
from core.values import Address, Caller, JsonValue, Outcome
from tests.support.answers import answered_by
from tests.support.loops import pytest_asyncio_loop_factories

__all__ = ["pytest_asyncio_loop_factories"]

LOCAL = Address("127.0.0.1", 0)


def answer(key: str, payload: JsonValue, caller: Caller) -> Outcome:
    return payload


@pytest.mark.asyncio
@pytest.mark.parametrize("sent", [b"", b'["1","k",null]', b'["1","k","' + b"y" * 5000, b"}}}" * 100])
async def test_a_connection_that_ends_leaves_no_circles(sent: bytes) -> None:
    server = RpcServer(answered_by(answer))
    tasks = TaskSet("served")
    async with await Endpoint.open(LOCAL) as near, await Endpoint.open(LOCAL) as far:

        def serve(stream: Stream) -> None:
            tasks.spawn(server.serve(stream), name="serve")

        near.on_stream = serve

        async def visit() -> None:
            stream = await far.connect(near.address, timeout=5.0)
            if sent:
                await stream.write(sent)
            if sent.endswith(b"]"):
                await stream.read()
            stream.abort()
            await tasks.settle(5.0)

        await visit()
        gc.collect()
        gc.disable()
        try:
            left = []
            for _ in range(3):  # what another test left behind may fall due meanwhile, but not each time
                for _ in range(5):
                    await visit()
                await asyncio.sleep(0)
                left.append(gc.collect())
            assert min(left) < 5, "as many objects as connections would be one circle each"
        finally:
            gc.enable()
            await tasks.aclose()


@pytest.mark.asyncio
async def test_a_request_leaves_no_circles() -> None:
    server, tasks = RpcServer(answered_by(answer)), TaskSet("served")
    async with await Endpoint.open(LOCAL) as near, await Endpoint.open(LOCAL) as far:

        def serve(stream: Stream) -> None:
            tasks.spawn(server.serve(stream), name="serve")

        async def connect(address: Address, timeout: float) -> Stream:
            return await far.connect(address, timeout=timeout)

        near.on_stream = serve
        client = RpcClient(connect)
        await client.request(near.address, "k", [1], timeout=5.0)
        gc.collect()
        gc.disable()
        try:
            left = []
            for _ in range(3):
                for _ in range(20):
                    await client.request(near.address, "k", [1], timeout=5.0)
                left.append(gc.collect())
            assert min(left) < 20, "as many objects as requests would be one circle each"
        finally:
            gc.enable()
            await client.close()
            await tasks.aclose()

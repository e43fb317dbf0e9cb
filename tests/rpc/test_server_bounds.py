"""What an RPC server bears: garbage, too much, too many, and a listener that fails."""

import asyncio
import json

import pytest

from core.aio.tasks import TaskSet
from core.rpc.config import RpcConfig
from core.rpc.server import RpcServer
from core.values import Address
from tests.rpc.scene import echo, scene
from tests.rpc.streams import CLIENT, MemoryStream, pair, read_all
from tests.support.answers import answered_by
from tests.support.virtual_time import run, settle

pytestmark = pytest.mark.virtual_time


async def test_garbage_is_counted_and_the_next_request_answered() -> None:
    async with scene() as stage:
        for packet in (b"garbage", b'["abc', b'["r1","k",1]', b"[1,2,3]", b'["r2",null,5]', b'["r3","k",0]'):
            await stage.client.write(packet)
        assert await stage.replies(2) == [["r3", None, 0], ["r1", None, 1]]
        assert stage.server.statistics().malformed == 4


@pytest.mark.parametrize("flood", [b'["r","k","' + b"x" * 2000, b"[" * 200])
async def test_too_large_or_too_deep_ends_the_connection_at_once(flood: bytes) -> None:
    async with scene(config=RpcConfig(message_bytes=1000)) as stage:
        await stage.send(["r1", "k", 30])
        await stage.client.write(flood)
        await stage.serving
        assert stage.stream.aborted is flood.startswith(b"[[")
        assert asyncio.get_running_loop().time() == 0.0
        if not stage.stream.aborted:  # it can be told which request that was
            assert await stage.replies(1) == [
                ["r", "ERR_MESSAGE_SIZE: a message is over the limit of 1,000 bytes", None]
            ]


async def test_connections_of_one_host_and_of_all_are_limited() -> None:
    async with scene(config=RpcConfig(connections_per_host=2, connections=3)) as stage:

        def another(host: str) -> MemoryStream:
            client, stream = pair()
            stream.remote = Address(host, 5)
            stage.serve(stream)
            return client

        await settle()
        assert another(CLIENT.host) is not None
        await settle()
        newest, other = another(CLIENT.host), another("192.0.2.1")
        await settle()
        assert stage.client.broken, "the one of its host that is silent for longest makes room"
        assert not newest.broken
        assert not other.broken
        over_all = another("192.0.2.2")
        await settle()
        assert not over_all.broken
        assert not newest.broken
        assert stage.server.statistics().refused_connections == 2, "one of the host that had most"
        assert stage.server.statistics().connections == 3


async def test_requests_of_all_connections_together_are_limited() -> None:
    async with scene(config=RpcConfig(in_flight_total=3)) as stage:
        client, stream = pair()
        stage.serve(stream)
        await stage.send(*([f"r{index}", "k", 1] for index in range(3)))
        await settle()
        await client.write(b'["other","k",1]')
        await settle()
        assert stage.server.statistics().in_flight == 3
        assert json.loads(await client.read()) == ["other", None, 1]
        assert asyncio.get_running_loop().time() == pytest.approx(2.0)


def test_a_listener_that_fails_costs_nobody_anything(caplog: pytest.LogCaptureFixture) -> None:
    def fail(*report: object) -> None:
        raise RuntimeError("listener")

    async def whole() -> bytes:
        client, stream = pair()
        tasks = TaskSet()
        tasks.spawn(RpcServer(answered_by(echo, fail)).serve(stream), name="serve")
        await client.write(b'["r1","k",1]["r2","k",2]')
        await asyncio.sleep(5)
        await client.close()
        data = await read_all(client)
        await tasks.aclose()
        return data + b"".join(chunk for chunk in client._inbox)

    assert run(whole()).count(b"null") == 2
    assert "listener" in caplog.text


def test_limits_must_be_above_zero() -> None:
    with pytest.raises(ValueError, match="in_flight"):
        RpcConfig(in_flight=0)

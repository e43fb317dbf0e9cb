"""Connections that carry byte streams, lent by the server: what they hold is counted, and idle ones keep no place."""

import asyncio

import pytest

from core.limits import bounds
from core.limits.budget import Budget
from core.rpc.config import RpcConfig
from core.rpc.memory import Memory, Standing
from core.rpc.server import RpcServer
from core.values import Address
from core.wire.rpc_message import MAX_BYTES
from tests.rpc.streams import MemoryStream, pair
from tests.support.answers import answered_by

pytestmark = pytest.mark.virtual_time

MB = 1_000_000


class Lodger:
    def __init__(self, held: int = 0, idle: float = 0.0) -> None:
        self.holds, self.idles = held, idle
        self.over = False

    async def serve(self) -> None:
        try:
            await asyncio.sleep(1e6)
        finally:
            self.over = True

    def held(self) -> int:
        return self.holds

    def idle(self) -> float:
        return self.idles


def server(config: RpcConfig | None = None) -> RpcServer:
    memory = Memory(Budget(8 * MB, 4 * MB, kept=3 * MB, per_trusted=6 * MB), Budget(2 * MB, MB, kept=MB // 2))
    return RpcServer(
        answered_by(lambda key, payload, caller: payload),
        config,
        standing=lambda caller: Standing(caller.address.host, caller.address.host == "192.0.2.9", MAX_BYTES),
        memory=memory,
    )


async def serve(made: RpcServer, stream: MemoryStream, lodger: Lodger) -> None:
    await made.serve(stream, other=lambda admitted: lodger)


async def test_what_streams_hold_is_counted_and_the_host_that_holds_too_much_is_cut_off() -> None:
    made, group = server(), asyncio.TaskGroup()
    modest, greedy, friend = Lodger(MB), Lodger(5 * MB), Lodger(MB)
    async with group:
        tasks: list[asyncio.Task[None]] = []
        streams: list[MemoryStream] = []
        for lodger, host in ((modest, "192.0.2.1"), (greedy, "192.0.2.2"), (friend, "192.0.2.9")):
            _, stream = pair()
            stream.remote = Address(host, 5)
            streams.append(stream)
            tasks.append(group.create_task(serve(made, stream, lodger)))
        await asyncio.sleep(bounds.SWEEP_EVERY * 2)
        assert [stream.aborted for stream in streams] == [False, True, False]
        assert made.memory.used("192.0.2.1") >= MB
        assert made.memory.used("192.0.2.9") >= MB
        for task in tasks:
            task.cancel()
    assert made.memory.used() == 0


async def test_an_idle_lodger_of_a_stranger_loses_its_place_when_places_are_scarce() -> None:
    made, group = server(RpcConfig(connections=8)), asyncio.TaskGroup()
    async with group:
        tasks: list[asyncio.Task[None]] = []
        streams: list[MemoryStream] = []
        idle = bounds.IDLE_TIME_LOADED + 1
        lodgers = (Lodger(idle=idle), Lodger(), Lodger(idle=idle))
        for lodger, host in zip(lodgers, ("192.0.2.1", "192.0.2.2", "192.0.2.9"), strict=True):
            _, stream = pair()
            stream.remote = Address(host, 5)
            streams.append(stream)
            tasks.append(group.create_task(serve(made, stream, lodger)))
        for _ in range(3):
            _, stream = pair()
            stream.remote = Address("192.0.2.3", 5)
            tasks.append(group.create_task(serve(made, stream, Lodger())))
        await asyncio.sleep(bounds.SWEEP_EVERY * 2)
        assert [stream.aborted for stream in streams] == [True, False, False]
        for task in tasks:
            task.cancel()

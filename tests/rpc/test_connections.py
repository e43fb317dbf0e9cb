"""Which connections stay when there are too many."""

import asyncio

import pytest

from core.limits import bounds
from core.rpc.config import RpcConfig
from core.rpc.connections import Connections
from core.rpc.memory import Standing
from core.rpc.server import RpcServer
from core.values import Address
from tests.rpc.streams import MemoryStream, pair
from tests.support.answers import answered_by
from tests.support.virtual_time import run, settle


class Line:
    """A connection that notes its end."""

    def __init__(self, *, spared: bool = False) -> None:
        self.gone = False
        self._spared = spared

    def spared(self) -> bool:
        return self._spared

    def evict(self) -> None:
        self.gone = True


def stranger(host: str) -> Standing:
    return Standing(host, False, 1000)


def friend(name: str) -> Standing:
    return Standing(name, True, 1000)


def table(total: int = 8, per_host: int = 4) -> Connections[Line]:
    return Connections(RpcConfig(connections=total, connections_per_host=per_host))


def test_the_silent_one_of_the_host_with_most_makes_room() -> None:
    connections = table()
    crowd = [Line() for _ in range(4)]
    others = [Line() for _ in range(3)]
    for line in crowd:
        assert connections.admit(line, stranger("crowd"))
    connections.asked(crowd[0])
    for line in others:
        assert connections.admit(line, stranger("other"))
    newcomer = Line()
    assert connections.admit(newcomer, stranger("new"))
    assert [line.gone for line in crowd] == [False, True, False, False], "the first has asked"
    assert not any(line.gone for line in others)


@pytest.mark.parametrize("spared", [True, False])
def test_when_all_of_a_host_have_asked_an_unused_one_makes_room_or_the_newcomer_goes(spared: bool) -> None:
    connections = table()
    lines = [Line(spared=spared) for _ in range(4)]
    for line in lines:
        connections.admit(line, stranger("host"))
        connections.asked(line)
    assert connections.admit(Line(), stranger("host")) is not spared
    assert [line.gone for line in lines] == [not spared, False, False, False]


def test_one_who_is_trusted_always_finds_a_place_and_keeps_it() -> None:
    connections = table()
    mine = Line()
    assert connections.admit(mine, stranger("home"))
    connections.trust(mine, "friend")
    for number in range(100):
        line = Line()
        assert connections.admit(line, stranger(f"host {number}"))
        if number % 2:
            connections.asked(line)
    assert not mine.gone
    assert len(connections) <= 8
    again = Line()
    assert connections.admit(again, friend("friend"))
    connections.doubt(mine, "home")
    for number in range(20):
        line = Line()
        connections.admit(line, stranger(f"late {number}"))
        connections.asked(line)
    assert [mine.gone, again.gone] == [True, False], "one is trusted no longer"


def test_what_a_flood_leaves_behind_ends_with_it() -> None:
    """112 connections of a flood that was over held 35 MB for two minutes, by what lay beside them in the heap."""

    async def scene() -> None:
        server = RpcServer(answered_by(lambda key, payload, caller: payload))

        def connect(host: str) -> MemoryStream:
            client, stream = pair()
            stream.remote = Address(host, 5)
            group.create_task(server.serve(stream))
            return client

        async with asyncio.TaskGroup() as group:
            crowd = [connect(f"203.0.113.{number % 16}") for number in range(600)]
            await asyncio.sleep(2 * bounds.SWEEP_EVERY)
            for each in crowd[:400]:
                each.abort()
            await settle()
            assert server.statistics().connections == 200, "no longer are half of the places taken"
            await asyncio.sleep(bounds.SILENT_TIME_LOADED)
            assert server.statistics().connections == 0
            await asyncio.sleep(bounds.LOADED_LINGERS)
            quiet = connect("198.51.100.1")
            await asyncio.sleep(bounds.SILENT_TIME_LOADED + 2 * bounds.SWEEP_EVERY)
            assert server.statistics().connections == 1, "there is time again"
            await quiet.close()

    run(scene())


def test_a_thousand_silent_connections_lock_nobody_out() -> None:
    """FAULTS.md A3: 16 hosts with 64 connections each that say nothing."""

    async def scene() -> None:
        server = RpcServer(answered_by(lambda key, payload, caller: payload))
        crowd: list[MemoryStream] = []

        def connect(host: str) -> MemoryStream:
            client, stream = pair()
            stream.remote = Address(host, 5)
            crowd.append(client)
            group.create_task(server.serve(stream))
            return client

        async with asyncio.TaskGroup() as group:
            for number in range(1024):
                connect(f"203.0.113.{number % 16}")
            await settle()
            guest = connect("198.51.100.1")
            await settle()
            await guest.write(b'["r","k",1]')
            assert await guest.read() == b'["r",null,1]'
            at = asyncio.get_running_loop().time()
            await asyncio.sleep(bounds.SILENT_TIME_LOADED + 2 * bounds.SWEEP_EVERY)
            assert server.statistics().connections == 1, "silence is given less time under load"
            assert asyncio.get_running_loop().time() - at < 20
            await guest.close()

    run(scene())


def test_looking_at_many_connections_leaves_everybody_their_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []  # how many, in each turn of the loop: what is looked at is asked what it holds
    buffered = MemoryStream.buffered

    def counted(stream: MemoryStream) -> tuple[int, int]:
        looked[-1] += 1
        return buffered(stream)

    monkeypatch.setattr(MemoryStream, "buffered", counted)

    async def scene() -> None:
        server = RpcServer(answered_by(lambda key, payload, caller: payload))
        loop = asyncio.get_running_loop()
        crowd = []

        def turn() -> None:
            looked.append(0)
            if len(looked) < 200:
                loop.call_soon(turn)

        loop.call_later(bounds.SWEEP_EVERY, turn)  # with the sweep
        async with asyncio.TaskGroup() as group:
            for number in range(500):
                client, stream = pair()
                stream.remote = Address(f"203.0.113.{number % 16}", 5)
                crowd.append(client)
                group.create_task(server.serve(stream))
            await asyncio.sleep(bounds.SWEEP_EVERY * 1.5)
            for client in crowd:
                client.abort()

    looked.append(0)
    run(scene())
    assert sum(looked) == 500
    assert max(looked) <= 64


def test_a_host_that_comes_again_and_again_is_turned_away_at_the_door_under_load() -> None:
    async def scene() -> None:
        server = RpcServer(answered_by(lambda key, payload, caller: payload))
        greedy, other, here = (Address(host, 5) for host in ("203.0.113.1", "203.0.113.2", "127.0.0.1"))
        crowd = []
        assert all(server.welcomes(greedy) for _ in range(1000)), "there is room"
        async with asyncio.TaskGroup() as group:
            for number in range(600):
                client, stream = pair()
                stream.remote = Address(f"203.0.113.{number % 16}", 5)
                crowd.append(client)
                group.create_task(server.serve(stream))
            await settle()
            assert sum(server.welcomes(greedy) for _ in range(1000)) == bounds.NEWCOMERS_AT_ONCE
            assert server.welcomes(other)
            assert all(server.welcomes(here) for _ in range(100))
            await asyncio.sleep(1.0)
            assert sum(server.welcomes(greedy) for _ in range(1000)) == bounds.NEWCOMERS_LOADED
            assert server.statistics().refused_connections >= 1900
            for client in crowd:
                client.abort()

    run(scene())


def test_a_quiet_server_leaves_silent_connections_their_time() -> None:
    async def scene() -> None:
        server = RpcServer(answered_by(lambda key, payload, caller: payload))
        client, stream = pair()
        async with asyncio.TaskGroup() as group:
            group.create_task(server.serve(stream))
            await asyncio.sleep(100)
            await client.write(b'["r","k",1]')
            assert await client.read() == b'["r",null,1]'
            await client.close()

    run(scene())

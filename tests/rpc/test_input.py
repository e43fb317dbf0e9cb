"""What comes and is not whole yet, in virtual time: FAULTS.md A4, and its kin."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from core.limits import bounds
from core.limits.budget import Budget
from core.rpc.memory import Memory, Standing
from core.rpc.server import RpcServer
from core.values import Address, Caller, JsonValue
from tests.rpc.streams import MemoryStream, pair
from tests.support.answers import answered_by
from tests.support.virtual_time import settle

pytestmark = pytest.mark.virtual_time

KB = 1000
FRIEND = "203.0.113.99"
BEGINNING = b'["r1","k","'


def standing(caller: Caller) -> Standing:
    trusted = caller.address.host == FRIEND
    return Standing(caller.address.host, trusted, 10_000 * KB if trusted else 200 * KB)


def echo(key: str, payload: JsonValue, caller: Caller) -> JsonValue:
    return len(str(payload))


class Scene:
    """A server that takes 200 KB of a stranger's message, 500 of a host, 1,000 in all, half of it for friends."""

    def __init__(self) -> None:
        self.memory = Memory(Budget(100_000 * KB, 100_000 * KB), Budget(2000 * KB, 500 * KB, kept=1000 * KB))
        self.server = RpcServer(answered_by(echo), standing=standing, memory=self.memory)
        self.group = asyncio.TaskGroup()

    def connect(self, host: str) -> MemoryStream:
        client, stream = pair(packet=10 * KB)
        client.packet = 10 * KB
        stream.remote = Address(host, 5)
        self.group.create_task(self.server.serve(stream))
        return client

    def unfinished(self) -> int:
        return self.memory.state_of_input().used


@asynccontextmanager
async def scene() -> AsyncIterator[Scene]:
    made = Scene()
    async with made.group:
        await settle()
        yield made
        for incoming in made.server.connections:
            incoming.stream.abort()
        await settle()
    await asyncio.sleep(3)
    assert made.unfinished() == made.memory.used() == 0


async def error_of(client: MemoryStream) -> tuple[str, str]:
    rid, error, _ = json.loads(await client.read())
    return rid, error


async def test_unfinished_messages_of_one_host_are_bounded_and_who_is_refused_is_told_why() -> None:
    async with scene() as made:
        clients = [made.connect("203.0.113.1") for _ in range(4)]
        await settle()
        for client in clients:
            await client.write(BEGINNING + b"x" * 150 * KB)
            await settle()
        assert made.unfinished() <= 500 * KB
        rid, error = await error_of(clients[3])
        assert (rid, error.partition(":")[0]) == ("r1", "ERR_RATE_LIMITED")
        other = made.connect("203.0.113.2")
        await other.write(BEGINNING + b"x" * 150 * KB + b'"]')
        assert (await error_of(other))[0] == "r1"


async def test_strangers_together_leave_room_for_who_is_trusted() -> None:
    async with scene() as made:
        for number in range(20):
            client = made.connect(f"203.0.113.{number}")
            await settle()
            await client.write(BEGINNING + b"x" * 150 * KB)
            await settle()
        assert made.unfinished() <= 1000 * KB
        friend = made.connect(FRIEND)
        await friend.write(BEGINNING + b"x" * 400 * KB + b'"]')
        assert json.loads(await friend.read()) == ["r1", None, 400 * KB]


async def test_a_stranger_s_message_has_a_bound_and_the_error_names_it() -> None:
    async with scene() as made:
        client = made.connect("203.0.113.1")
        await client.write(BEGINNING + b"x" * 300 * KB)
        rid, error = await error_of(client)
        assert rid == "r1"
        assert error == "ERR_MESSAGE_SIZE: a message is over the limit of 200,000 bytes"
        assert await client.read() == b"", "and then it is closed"


async def test_a_byte_now_and_then_does_not_keep_an_unfinished_message() -> None:
    async with scene() as made:
        client = made.connect("203.0.113.1")
        await client.write(BEGINNING + b"x" * 100 * KB)
        at = asyncio.get_running_loop().time()
        while not client.broken:
            await client.write(b"x")
            await asyncio.sleep(5)
        assert asyncio.get_running_loop().time() - at <= 2 * bounds.STALL_TIME + 10
        assert made.unfinished() == 0


async def test_a_slow_line_may_send_a_long_message_and_many_short_ones() -> None:
    async with scene() as made:
        slow, chatty = made.connect("203.0.113.1"), made.connect("203.0.113.2")
        await slow.write(BEGINNING)
        for number in range(90):
            await slow.write(b"x" * 2 * KB)
            await chatty.write(b'"]["r","k","' if number else BEGINNING)  # always in the middle of a message
            await asyncio.sleep(1)
        await slow.write(b'"]')
        assert json.loads(await slow.read()) == ["r1", None, 180 * KB]
        assert not chatty.broken


async def test_a_message_in_its_last_packet_is_given_back_when_it_is_read() -> None:
    async with scene() as made:
        client = made.connect("203.0.113.1")
        for _ in range(10):
            await client.write(BEGINNING + b"x" * 190 * KB + b'"]')
            assert json.loads(await client.read()) == ["r1", None, 190 * KB]
        await settle()
        assert made.unfinished() == 0

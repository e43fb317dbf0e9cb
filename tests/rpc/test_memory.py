"""The memory that requests hold, in virtual time: FAULTS.md A1 and A2, and their kin."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from core.limits import bounds
from core.limits.budget import Budget
from core.rpc.memory import KINDS, Held, Memory, Standing, weigh
from core.rpc.server import RpcServer
from core.values import Address, Caller, JsonValue
from core.wire.rpc_message import MAX_BYTES
from tests.rpc.streams import MemoryStream, pair
from tests.support.answers import Handler, answered_by
from tests.support.virtual_time import settle

pytestmark = pytest.mark.virtual_time

MB = 1_000_000
GREAT = "x" * MB
FRIEND = "203.0.113.99"


def standing(caller: Caller) -> Standing:
    return Standing(caller.address.host, caller.address.host == FRIEND, MAX_BYTES)


class Scene:
    """A server with 8 MB, 4 of a host, 3 for friends only; and callers, each with a window of its own."""

    def __init__(self, handler: Handler) -> None:
        self.memory = Memory(Budget(8 * MB, 4 * MB, kept=3 * MB, per_trusted=6 * MB), Budget(2 * MB, MB, kept=MB // 2))
        self.served: list[str | None] = []
        receive = answered_by(handler, lambda *report: self.served.append(report[3]))
        self.server = RpcServer(receive, standing=standing, memory=self.memory)
        self.group = asyncio.TaskGroup()
        self.most = 0

    def connect(self, host: str, *, window: int = 1000) -> MemoryStream:
        client, stream = pair(buffer=window)
        stream.remote = Address(host, 5)
        self.group.create_task(self.server.serve(stream))
        return client


async def great(key: str, payload: JsonValue, caller: Caller) -> JsonValue:
    await asyncio.sleep(0.1)
    return GREAT if payload == "great" else "x" * (400_000 - 14) if payload == "some" else payload


@asynccontextmanager
async def scene(handler: Handler = great) -> AsyncIterator[Scene]:
    made = Scene(handler)
    async with made.group:
        yield made
        for incoming in made.server.connections:
            incoming.stream.abort()
        await settle()
    await asyncio.sleep(3)
    assert made.memory.used() == 0, "all of it is given back"
    assert made.memory.by_kind == dict.fromkeys(KINDS, 0)
    assert made.server.in_flight == 0


def ask(number: int, payload: JsonValue = "great") -> bytes:
    return json.dumps([f"r{number}", "k", payload]).encode()


async def test_results_nobody_takes_are_bounded_and_what_is_beyond_is_refused() -> None:
    async with scene() as made:
        clients = [made.connect("203.0.113.1") for _ in range(20)]
        for client in clients:
            client.pause()
            await client.write(b"".join(ask(number) for number in range(5)))
        await asyncio.sleep(5)
        assert 0 < made.memory.used("203.0.113.1") <= 4 * MB
        refused = [error for error in made.served if error is not None]
        assert refused
        assert all(error.startswith("ERR_RATE_LIMITED: the answers to you hold") for error in refused)


async def test_a_request_counts_until_its_reply_has_left() -> None:
    async with scene() as made:
        client = made.connect("203.0.113.1")
        client.pause()
        await client.write(ask(1) + ask(2))
        await asyncio.sleep(1)
        assert made.server.statistics().in_flight == 1, "one fills the window, one waits"
        assert made.memory.used() >= MB
        for _ in range(2):
            assert len(await client.read()) > MB
        await settle()
        assert made.server.statistics().in_flight == 0
        await asyncio.sleep(2)
        assert made.memory.used() == 0


async def test_no_next_answer_is_computed_for_a_connection_whose_window_is_shut() -> None:
    computed: list[JsonValue] = []

    def handler(key: str, payload: JsonValue, caller: Caller) -> JsonValue:
        computed.append(payload)
        return "y" * 2000

    async with scene(handler) as made:
        client = made.connect("203.0.113.1", window=1000)
        client.pause()
        for number in range(50):
            await client.write(ask(number, number))
            await settle()
        assert len(computed) <= 2
        for _ in range(50):
            await client.read()
            await settle()
        assert len(computed) == 50


async def test_a_trusted_caller_is_served_while_strangers_hold_all_they_may() -> None:
    async with scene() as made:
        for host in ("203.0.113.1", "203.0.113.2", "203.0.113.3"):
            for _ in range(20):
                client = made.connect(host)
                client.pause()
                await client.write(b"".join(ask(number) for number in range(20)))
        await asyncio.sleep(2)
        assert made.memory.used() <= 5 * MB
        friend = made.connect(FRIEND, window=1 << 20)
        at = asyncio.get_running_loop().time()
        await friend.write(ask(1, "small") + ask(2))
        assert {len(await friend.read()) > MB for _ in range(2)} == {True, False}
        assert asyncio.get_running_loop().time() - at < 1.0


async def test_a_slow_reader_gets_all_of_it_and_one_who_takes_next_to_nothing_is_cut_off() -> None:
    async with scene() as made:
        slow, dribbling = made.connect("203.0.113.1"), made.connect("203.0.113.2")
        slow.peer.packet = dribbling.peer.packet = 10_000
        for client in (slow, dribbling):
            client.pause()
            await client.write(ask(1, "some") + ask(2, "some"))  # one fills the window, one waits
        got = 0
        for _ in range(80):  # 40 s each: more than the 30 that a reply was given in all
            await asyncio.sleep(1)
            got += len(await slow.read())
        assert got == 800_000
        assert dribbling.broken


async def test_payloads_under_way_are_counted_too() -> None:
    async with scene() as made:
        client = made.connect("203.0.113.1", window=1 << 20)
        await client.write(b"".join(ask(number, "z" * 60_000) for number in range(12)))
        replies = [json.loads(await client.read()) for _ in range(12)]
        refused = [reply for reply in replies if reply[1] is not None]
        assert len(refused) == 12 - 4 * MB // (60_011 * bounds.PAYLOAD_FACTOR)
        assert refused[0][1].startswith("ERR_RATE_LIMITED: your requests hold")


@pytest.mark.parametrize(
    ("value", "least", "most"),
    [
        (None, 0, 100),
        ("x" * 10_000, 10_000, 10_100),
        ([1] * 100_000, 800_000, 4_000_000),
        ([2**9000] * 1, 1200, 1400),
        ([["ab", "cd"]] * 50_000, 50_000 * 100, 50_000 * 400),
        ({f"key {number}": number for number in range(10_000)}, 500_000, 2_000_000),
        ([2**n for n in range(7000)], 2_500_000, 5_000_000),
    ],
)
def test_what_a_value_holds_is_told_by_a_sample(value: JsonValue, least: int, most: int) -> None:
    held, text = weigh(value)
    assert least <= held <= most
    assert 0.7 * len(json.dumps(value)) <= text <= 1.5 * len(json.dumps(value)) + 10


def test_something_held_can_grow_shrink_and_change_hands() -> None:
    memory = Memory(Budget(100, 50), Budget(100, 50))
    one, other = Standing("one", False, 0), Standing("other", True, 0)
    held = Held(memory, "results", one)
    assert held.grow(40)
    assert not held.grow(60)
    assert held.amount == 40
    assert held.grow(10)
    held.set(70, other)
    assert (memory.used("one"), memory.used("other")) == (0, 70)
    assert memory.over(other)
    held.let_go()
    held.let_go()
    assert memory.used() == 0

"""Waiting at relays: friends first and brokers after them, over TCP where UDP does not get there."""

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, cast

from core.aio.tasks import TaskSet
from core.aio.unasked import is_unasked
from core.carrying.dial import Carriers
from core.errors import PeerError, RefusedError, RequestTimeout
from core.peer_id import PeerId
from core.relaying.brokers import KnownBrokers
from core.relaying.over_tcp import AFTER, OverTcp
from core.relaying.waiting import KEPT, Waiting
from core.relaying.world import NOWHERE, World
from core.tunnel.stream import ByteStream
from core.values import Address
from tests.relaying.three import ANN
from tests.support.virtual_time import run

FRIENDS = [PeerId(bytes((number,)) * 32) for number in range(1, 9)]
BROKER = PeerId(b"b" * 32)
HOME, PUBLIC = Address("192.168.1.5", 4000), Address("203.0.113.5", 4000)


class Carrying:
    """Carriers of which every one opens."""

    def __init__(self) -> None:
        self.tried: list[tuple[float, Address]] = []
        self.ended = 0

    def __contains__(self, address: object) -> bool:
        return False

    async def reach(self, address: Address) -> bool:
        self.tried.append((asyncio.get_running_loop().time(), address))
        return True

    def begin_again(self) -> None:
        self.ended += 1


def over_tcp(carrying: Carrying, found: Iterable[Address] = (HOME, PUBLIC), *, blocked: bool = False) -> OverTcp:
    async def find(peer_id: PeerId) -> Iterable[Address]:
        return found

    return OverTcp(cast(Carriers, carrying), find, lambda address: None, lambda: blocked)


class Stream:
    """A stream to a relay, which says nothing."""

    remote = PUBLIC

    def __init__(self) -> None:
        self.ended = asyncio.Event()

    async def read(self) -> bytes:
        await self.ended.wait()
        return b""

    def reset(self) -> None:
        self.ended.set()


def world(**fields: Any) -> World:  # noqa: ANN401 - of the types of its fields
    return replace(
        NOWHERE,
        identity=lambda: ANN,
        friends=lambda: FRIENDS[:2],
        trusts=lambda peer: True,
        wanted=lambda: True,
        **fields,
    )


async def waiting(
    known: World, errors: dict[PeerId, list[PeerError]], seconds: float
) -> tuple[list[PeerId], list[PeerId]]:
    """Wait for so long; return who was asked, in order, and where we wait then."""
    asked: list[PeerId] = []

    async def open_stream(peer_id: PeerId, payload: bytes, timeout: float) -> ByteStream:
        assert is_unasked(), "nobody waits for it, and what it costs is bounded by that"
        asked.append(peer_id)
        left = errors.get(peer_id)
        if left:
            if isinstance(left[0], RequestTimeout):
                await asyncio.sleep(timeout)
            raise left.pop(0)
        return cast(ByteStream, Stream())

    tasks = TaskSet("test")
    made = Waiting(tasks, lambda relay, said: None, lambda relay: None, lambda: None)
    made.start(known, open_stream)
    made.switch(True)
    await asyncio.sleep(seconds)
    there = list(made.relays)
    made.switch(False)
    await tasks.aclose()
    return asked, there


def test_brokers_are_waited_at_after_friends_and_no_more_than_a_few_in_all() -> None:
    async def scene() -> None:
        known, at = KnownBrokers(), [Address("203.0.113.7", port) for port in (4000, 4001, 4002)]
        who = dict(zip(at, [BROKER, None, FRIENDS[3]], strict=True))
        tried: list[Address] = []

        async def identify(address: Address) -> PeerId | None:
            tried.append(address)
            return who[address]

        known.start(lambda: at, identify)
        asked, there = await waiting(world(brokers=known), {}, 8.0)
        assert asked == there == [*FRIENDS[:2], BROKER]
        assert tried == at, "each once, and again after a while"
        assert known.identified() == {BROKER: at[0], FRIENDS[3]: at[2]}
        assert len(there) == KEPT

    run(scene())


def test_a_relay_that_udp_does_not_reach_is_asked_again_over_tcp() -> None:
    async def scene() -> None:
        carrying = Carrying()
        late: dict[PeerId, list[PeerError]] = {
            FRIENDS[0]: [RequestTimeout("not reached")],
            FRIENDS[1]: [RefusedError("no", name="ERR_RELAY_OFF")],
        }
        began = asyncio.get_running_loop().time()
        asked, there = await waiting(world(over_tcp=over_tcp(carrying)), late, 12.0)
        assert asked.count(FRIENDS[0]) == 2
        assert asked.count(FRIENDS[1]) == 1, "one that refuses is there"
        assert there == [FRIENDS[0]]
        (tried,) = carrying.tried
        assert tried == (began + AFTER, PUBLIC), "no address of a home, and not at once"

    run(scene())


def test_where_no_udp_comes_back_tcp_is_tried_at_once_and_brokers_too() -> None:
    async def scene() -> None:
        carrying = Carrying()
        began = asyncio.get_running_loop().time()
        late: dict[PeerId, list[PeerError]] = {each: [RequestTimeout("not reached")] for each in FRIENDS[:2]}
        known, broker = KnownBrokers(), Address("203.0.113.7", 4000)

        async def identify(address: Address) -> PeerId | None:
            raise RequestTimeout("no answer")

        known.start(lambda: [broker], identify)
        await waiting(world(over_tcp=over_tcp(carrying, blocked=True), brokers=known), late, 8.0)
        assert [at for at, to in carrying.tried if to == PUBLIC] == [began] * 2
        assert [to for _, to in carrying.tried].count(broker) == 1, "one that did not answer"

    run(scene())


def test_an_address_is_tried_twice_and_then_rarely() -> None:
    async def scene() -> None:
        carrying = Carrying()
        over = over_tcp(carrying, [PUBLIC], blocked=True)
        assert [await over.carry(FRIENDS[0]) for _ in range(3)] == [True, True, False]
        await asyncio.sleep(25.0)
        assert await over.carry(FRIENDS[0])
        assert len(carrying.tried) == 3

    run(scene())


def test_on_another_network_udp_is_tried_first() -> None:
    carrying = Carrying()
    over_tcp(carrying).begin_again()
    assert carrying.ended == 1

"""Who rings at a relay gets a lane: friends always, strangers while half of the places are free."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from core.identity.identity import Identity
from core.net.endpoint import Lodging
from core.news.hub import Hub
from core.peer_id import PeerId
from core.relay.config import LaneConfig
from core.relaying.relays import Relays
from core.relaying.talk import Ring, Said, Take, pack, parse
from core.relaying.world import NOWHERE
from core.tunnel.stream import ByteStream
from core.values import Address, Machine
from tests.relaying.three import ANN, FAY
from tests.support.process import until

pytestmark = pytest.mark.asyncio
CALLERS = [Identity.from_secret(bytes([number]) * 32).peer_id for number in range(20, 26)]


class Socket:
    def __init__(self) -> None:
        self.detour: Any = SimpleNamespace(lanes=None, moved=lambda *a, **k: None, carried=lambda *a: None)

    def lodge(self, first: int, machine: Machine[Any], on_event: Callable[[Any], None], *also: int) -> Lodging:
        def flush() -> None:
            for event in machine.events():
                on_event(event)

        return Lodging(asyncio.get_running_loop().time, flush, lambda: None)


class Stream:
    """The stream to Fay: `rings` come by it."""

    remote = Address("203.0.113.9", 9000)

    def __init__(self) -> None:
        self.incoming: asyncio.Queue[bytes] = asyncio.Queue()
        self.said: list[Said | None] = []

    async def read(self) -> bytes:
        return await self.incoming.get()

    def offer(self, line: bytes) -> int:
        self.said.append(parse(line.strip()))
        return len(line)

    def reset(self) -> None:
        self.incoming.put_nowait(b"")

    def ring(self, caller: PeerId, number: int) -> None:
        self.incoming.put_nowait(pack(Ring(caller, b"s" * 16, bytes((number,)) * 8)))


async def test_strangers_leave_half_of_the_lanes_to_friends() -> None:
    stream = Stream()

    async def open_stream(peer_id: PeerId, payload: bytes, timeout: float) -> ByteStream:
        return cast(ByteStream, stream)

    friends = {FAY.peer_id, CALLERS[-1]}
    world = replace(
        NOWHERE, identity=lambda: ANN, friends=lambda: [FAY.peer_id], trusts=friends.__contains__,
        blocked=lambda peer: peer == CALLERS[0], wanted=lambda: True,
    )  # fmt: skip
    relays = Relays(Hub(), Socket(), LaneConfig(lanes=4))
    relays.start(world, open_stream)
    relays.switch(True)
    for number, caller in enumerate(CALLERS):  # the first is blocked, the last a friend
        stream.ring(caller, number)

    async def friend() -> bool:
        return relays.lanes.address(CALLERS[-1]) is not None

    await until(friend, "the friend has a lane")
    assert [each.peer_id for each in relays.lanes.states()] == [CALLERS[1], CALLERS[2], CALLERS[-1]]
    taken = [said for said in stream.said if isinstance(said, Take)]
    assert [each.slot[0] for each in taken] == [1, 2, 5]
    await relays.aclose()

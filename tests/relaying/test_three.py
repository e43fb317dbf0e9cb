"""Whole peers: what two cannot reach directly goes by a friend of both, and moves to direct and back."""

import asyncio
from random import Random

import pytest

from core.kinds.share import Share
from core.news.moves import PathMoved
from core.peer import Peer
from tests.peer.ears import PATIENCE
from tests.peer.test_by_id import published
from tests.peer.test_shares import echo
from tests.relaying.three import BOB, three
from tests.support.process import until

pytestmark = pytest.mark.asyncio


async def ready(*peers: Peer) -> None:
    async def waits() -> bool:
        return all(each.snapshot().relays.ready == ("Fay",) for each in peers)

    await until(waits, "both wait at Fay")


async def test_a_request_is_answered_by_way_of_a_friend_while_nothing_passes_directly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with three(monkeypatch) as scene:
        await scene.bob.share("fibonacci")
        await published(scene.url, BOB)
        await ready(scene.ann, scene.bob)
        began = asyncio.get_running_loop().time()
        reply = await scene.ann.request(f"{BOB.peer_id}/fibonacci", {"length": 5}, timeout=20.0)
        took = asyncio.get_running_loop().time() - began
        assert (reply.data, reply.peer_id) == ([1, 1, 2, 3, 5], BOB.peer_id)
        assert reply.peer.host.startswith("240.")
        (lane,) = scene.ann.snapshot().relays.peers
        assert (lane.peer_id, lane.direct, lane.words) == (BOB.peer_id, None, "relayed by Fay")
        passing = scene.fay.snapshot().relays.passing
        assert passing.pairs
        assert passing.policy == "friends"
        assert passing.bytes > 1000
        assert took < 10.0


@pytest.mark.slow
async def test_a_byte_stream_moves_to_direct_and_back_byte_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    data = Random(1).randbytes(6_000_000)
    async with echo() as port, three(monkeypatch) as scene:
        await scene.bob.add_share(Share("echo", "tcp", {"target": str(port)}))
        await published(scene.url, BOB)
        await ready(scene.ann, scene.bob)
        stream = await scene.ann.open_stream(BOB.peer_id, "echo")
        got = bytearray()

        async def write() -> None:
            for at in range(0, len(data), 20_000):
                await stream.write(data[at : at + 20_000])
                await asyncio.sleep(0.01)

        async def read() -> None:
            while len(got) < len(data):
                got.extend(await stream.read())

        async def moved(direct: bool) -> bool:
            lanes = [*scene.ann.snapshot().relays.peers, *scene.bob.snapshot().relays.peers]
            return len(lanes) == 2 and all((each.direct is not None) is direct for each in lanes)

        async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
            group.create_task(write())
            group.create_task(read())
            await until(lambda: arrived(got, 300_000), "some came by the relay")
            assert scene.wall.passed == 0
            scene.wall.stands = False
            await until(lambda: moved(direct=True), "both sides go directly")
            count = len(got)
            await until(lambda: arrived(got, count + 300_000), "some came directly")
            assert len(got) < len(data)
            scene.wall.stands = True
            await until(lambda: moved(direct=False), "both sides go by the relay again")
        assert bytes(got) == data
        assert [each.direct is None for each in scene.ears["ann"].of(PathMoved)][:2] == [False, True]


async def arrived(got: bytearray, count: int) -> bool:
    return len(got) >= count

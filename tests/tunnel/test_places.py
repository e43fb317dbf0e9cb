"""Places of sessions: strangers who hold theirs shut nobody out, neither friends nor this peer's own sessions."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from core.errors import LocalError
from core.identity.identity import Identity
from core.limits import bounds
from core.peer_id import PeerId
from core.rpc.stream import Stream
from core.tunnel.tunnels import Tunnels
from core.values import Address
from core.wire.stream_frame import Kind, pack_frame
from tests.tunnel.wire import End, wire

pytestmark = pytest.mark.asyncio
FRIEND = Identity.from_secret(bytes(32)).peer_id
STRANGERS = [Identity.from_secret(bytes([1, number]) + bytes(30)).peer_id for number in range(40)]


class Scene:
    """Eight places, four of them kept; everybody but FRIEND is a stranger."""

    def __init__(self) -> None:
        self.tunnels = Tunnels(self.dial, lambda stream: stream.accept(), limit=8, trusts=lambda c: c.peer_id == FRIEND)
        self.ends: list[End] = []
        self.serving: list[asyncio.Task[None]] = []

    async def dial(self, peer_id: PeerId, seconds: float) -> Stream:
        here, far = wire(peer_id)
        self.ends.append(far)
        return here

    async def comes(self, peer_id: PeerId, host: str, *, busy: bool) -> asyncio.Task[None]:
        """Have somebody connect, and open a stream if it is `busy`."""
        near, far = wire(peer_id)
        near.remote = Address(host, 5)
        self.ends.append(far)
        task = asyncio.get_running_loop().create_task(self.tunnels.serve(near))
        self.serving.append(task)
        await asyncio.sleep(0)
        if busy:
            far._send(pack_frame(Kind.OPEN, 1, b"x"))
        for _ in range(5):
            await asyncio.sleep(0)
        return task


@pytest_asyncio.fixture
async def scene() -> AsyncIterator[Scene]:
    scene = Scene()
    yield scene
    await scene.tunnels.aclose()
    await asyncio.gather(*scene.serving, return_exceptions=True)


async def test_strangers_do_not_take_the_kept_places(scene: Scene) -> None:
    tasks = [await scene.comes(who, f"203.0.113.{n}", busy=True) for n, who in enumerate(STRANGERS[:12])]
    assert scene.tunnels.count() == (4, 4)
    with pytest.raises(LocalError, match="peers have streams open"):
        await tasks[-1]
    await scene.comes(FRIEND, "198.51.100.7", busy=True)
    assert scene.tunnels.kept(FRIEND) is not None
    for who in STRANGERS[20:23]:
        assert (await scene.tunnels.session(who, 1.0)).usable  # ours
    assert scene.tunnels.count()[0] == 8


async def test_a_friend_gets_the_place_of_a_busy_stranger(scene: Scene) -> None:
    for number, who in enumerate(STRANGERS[:4]):
        await scene.comes(who, f"203.0.113.{number}", busy=True)
    sessions = [await scene.tunnels.session(who, 1.0) for who in STRANGERS[20:24]]
    for session in sessions:
        session.open(b"x")
    await scene.comes(FRIEND, "198.51.100.7", busy=True)
    assert scene.tunnels.kept(FRIEND) is not None
    assert all(session.usable for session in sessions)
    assert scene.tunnels.kept(STRANGERS[0]) is None


async def test_one_host_has_its_share_of_the_strangers_places(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "SESSIONS_HOST", 2)
    for who in STRANGERS[:8]:
        await scene.comes(who, "203.0.113.1", busy=True)
    assert scene.tunnels.count()[0] == 2
    await scene.comes(STRANGERS[9], "203.0.113.2", busy=True)
    assert scene.tunnels.count()[0] == 3


async def test_an_idle_stranger_makes_room_for_the_next_one(scene: Scene) -> None:
    for number, who in enumerate(STRANGERS[:12]):
        await scene.comes(who, f"203.0.113.{number}", busy=False)
    assert scene.tunnels.count()[0] == 4
    assert scene.tunnels.kept(STRANGERS[11]) is not None


async def test_hosts_with_many_busy_sessions_make_room_for_one_that_has_none(scene: Scene) -> None:
    """Eight hosts with sixteen sessions each, all with a stream that does nothing, kept all other strangers out."""
    crowd = [await scene.comes(who, "203.0.113.66", busy=True) for who in STRANGERS[:4]]
    await scene.comes(STRANGERS[4], "198.51.100.7", busy=True)
    await scene.comes(STRANGERS[5], "198.51.100.8", busy=True)
    assert scene.tunnels.kept(STRANGERS[4]) is not None
    assert scene.tunnels.kept(STRANGERS[5]) is not None
    assert [task.done() for task in crowd] == [True, True, False, False], "those used longest ago"
    third = await scene.comes(STRANGERS[6], "203.0.113.66", busy=True)
    with pytest.raises(LocalError, match="peers have streams open"):
        await third

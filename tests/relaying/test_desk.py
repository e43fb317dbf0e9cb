"""The relay's desk: who may use it, that both have to wait there, and its places."""

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from core.aio.tasks import TaskSet
from core.errors import LocalError
from core.identity.identity import Identity
from core.limits import bounds
from core.net.endpoint import Lodging
from core.peer_id import PeerId
from core.relaying.desk import FULL, NOT_THERE, OFF, RelayDesk
from core.relaying.talk import Failed, Given, Join, Lines, Ring, Said, Take, pack, parse
from core.values import Address, Machine
from core.wire.stream_opening import RELAY, Opening
from tests.relaying.three import ANN, BOB

pytestmark = pytest.mark.asyncio
SALT = b"s" * 16
PLACE = Address("192.0.2.1", 5000)


class Socket:
    def lodge(self, first: int, machine: Machine[Any], on_event: Callable[[Any], None], *also: int) -> Lodging:
        def flush() -> None:
            for event in machine.events():
                on_event(event)

        return Lodging(asyncio.get_running_loop().time, flush, lambda: None)


class Stream:
    """A byte stream as a desk needs it."""

    def __init__(self, peer_id: PeerId | None, remote: Address = PLACE) -> None:
        self.peer_id, self.remote, self.over, self.taken = peer_id, remote, False, False
        self.incoming: asyncio.Queue[bytes] = asyncio.Queue()
        self.said: list[Said | None] = []
        self._lines = Lines()

    def accept(self, payload: bytes = b"") -> None:
        self.taken = True

    def reset(self) -> None:
        self.over = True
        self.incoming.put_nowait(b"")

    async def read(self) -> bytes:
        return await self.incoming.get()

    async def write(self, data: bytes) -> None:
        self.said += [parse(line) for line in self._lines.take(data)]

    def says(self, said: Said) -> None:
        self.incoming.put_nowait(pack(said))


class Desk:
    def __init__(self, policy: str = "friends") -> None:
        self.policy = policy
        self.friends = {ANN.peer_id, BOB.peer_id}
        self.desk = RelayDesk(Socket(), lambda p: p in self.friends, lambda: self.policy, lambda: None, None, Random(1))
        self.tasks = TaskSet("guests")

    async def guest(self, peer_id: PeerId | None, **place: Any) -> Stream:  # noqa: ANN401
        stream = Stream(peer_id, **place)
        task = self.tasks.spawn(self.desk.serve(stream, Opening(RELAY, {})), name="guest")  # type: ignore[arg-type]
        await turns()
        if task.done():
            task.result()
        return stream


def stranger(number: int) -> PeerId:
    return Identity.from_secret(bytes([50, number]) * 16).peer_id


def at(number: int) -> Address:
    return Address(f"198.51.100.{number}", 5000)


async def turns() -> None:
    for _ in range(8):
        await asyncio.sleep(0)


async def test_two_that_wait_are_joined() -> None:
    desk = Desk()
    ann, bob = await desk.guest(ANN.peer_id), await desk.guest(BOB.peer_id)
    ann.says(Join(BOB.peer_id, 5, SALT))
    await turns()
    (ring,) = bob.said
    assert isinstance(ring, Ring)
    assert ring.caller == ANN.peer_id
    bob.says(Take(ring.slot, b"t" * 16))
    await turns()
    (given,) = ann.said
    assert isinstance(given, Given)
    assert (given.number, given.salt) == (5, b"t" * 16)
    assert given.slot != ring.slot
    assert len(desk.desk.snapshot().pairs) == 1
    await desk.desk.aclose()


async def test_who_does_not_wait_here_and_oneself_are_not_joined() -> None:
    desk = Desk()
    ann = await desk.guest(ANN.peer_id)
    ann.says(Join(BOB.peer_id, 1, SALT))
    ann.says(Join(ANN.peer_id, 2, SALT))
    await turns()
    assert [each.name for each in ann.said if isinstance(each, Failed)] == [NOT_THERE, NOT_THERE]
    await desk.desk.aclose()


@pytest.mark.parametrize(("policy", "friend"), [("off", True), ("friends", False)])
async def test_strangers_and_all_while_it_is_off_are_refused(policy: str, friend: bool) -> None:
    desk = Desk(policy)
    with pytest.raises(LocalError) as caught:
        await desk.guest(ANN.peer_id if friend else Identity.from_secret(b"x" * 32).peer_id)
    assert caught.value.name == OFF
    with pytest.raises(LocalError):
        await desk.guest(None)
    await desk.desk.aclose()


async def test_who_is_reached_by_a_relay_is_not_passed_on_further() -> None:
    desk = Desk("everyone")
    with pytest.raises(LocalError, match="relay yourself"):
        await desk.guest(ANN.peer_id, remote=Address("240.1.2.3", 5000))
    await desk.desk.aclose()


async def test_places_are_bounded_and_some_are_for_friends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "RELAY_GUESTS", 3)
    monkeypatch.setattr(bounds, "RELAY_GUESTS_KEPT", 1)
    desk = Desk("everyone")
    first, second, third = [await desk.guest(stranger(number), remote=at(number)) for number in range(3)]
    assert [each.over for each in (first, second, third)] == [True, False, False]
    ann, bob = await desk.guest(ANN.peer_id), await desk.guest(BOB.peer_id)
    assert (ann.taken, bob.taken, second.over, third.over) == (True, True, True, False)
    desk.friends.add(stranger(7))
    await desk.guest(stranger(7))
    with pytest.raises(LocalError) as caught:
        await desk.guest(stranger(8))
    assert caught.value.name == FULL
    await desk.desk.aclose()


async def test_one_host_with_many_identities_leaves_places_for_others() -> None:
    desk = Desk("everyone")
    other = await desk.guest(stranger(0), remote=at(0))
    crowd = [await desk.guest(stranger(number)) for number in range(1, 100)]
    assert sum(not each.over for each in crowd) == bounds.RELAY_GUESTS_HOST
    for number in range(100, 160):
        await desk.guest(stranger(number), remote=at(number))
    assert not other.over
    assert sum(not each.over for each in crowd) < 4, "of the host that has most"
    await desk.desk.aclose()


async def test_a_change_of_policy_sends_guests_away() -> None:
    desk = Desk("everyone")
    stranger = await desk.guest(Identity.from_secret(b"z" * 32).peer_id)
    ann = await desk.guest(ANN.peer_id)
    desk.policy = "friends"
    desk.desk.policy_changed()
    assert (stranger.over, ann.over) == (True, False)
    await desk.desk.aclose()


async def test_who_asks_too_often_is_told_to_wait() -> None:
    desk = Desk()
    ann = await desk.guest(ANN.peer_id)
    for number in range(12):
        ann.says(Join(BOB.peer_id, number, SALT))
    await turns()
    await turns()
    names = [each.name for each in ann.said if isinstance(each, Failed)]
    assert "ERR_RATE_LIMITED" in names
    await desk.desk.aclose()

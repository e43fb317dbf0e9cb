"""The public DHT of a peer, switched on in a simulated one: what it tells others, and what it has punched."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from random import Random
from typing import Any

import pytest

from core.aio.unasked import unasked
from core.identity.identity import Identity
from core.mainline.events import MainlineEvent
from core.mainline.role import PATIENCE
from core.net.endpoint import Lodging
from core.news.events import PeerEvent
from core.news.hub import Hub
from core.news.joins import SearchProgress
from core.peer_id import PeerId
from core.profile.fields import PUBLIC_DHT
from core.public.callers import Callers
from core.public.gate import allowed
from core.public.kept import read_nodes, write_nodes
from core.public.people import Invited, People
from core.public.service import PublicDht
from core.signal.keys import INVITER, JOINER, PURPOSE
from core.values import Address, Burst, Machine, MayAnswer, anybody
from tests.mainline.cloud import Cloud
from tests.mainline.people import START
from tests.support.virtual_time import run

STEP = 0.05  # seconds of the cloud at a time


class Socket:
    """A socket in the cloud, and what the peer is told there."""

    def __init__(self, cloud: Cloud, address: Address) -> None:
        self.cloud = cloud
        self.address = address
        self.machine: Machine[Any] | None = None
        self.on_event: Callable[[Any], None] = lambda event: None
        self.may_answer: MayAnswer = anybody

    def lodge(self, first: int, machine: Machine[Any], on_event: Callable[[MainlineEvent], None]) -> Lodging:
        assert first == ord("d")
        self.machine, self.on_event = machine, on_event
        self.cloud.clients[self.address] = self
        return Lodging(lambda: self.cloud.now, lambda: None, self.leave)

    def leave(self) -> None:
        self.machine = None
        self.cloud.clients.pop(self.address, None)

    def receive(self, datagrams: Sequence[bytes], source: Address, now: float) -> None:
        if self.machine is not None:
            self.machine.receive(datagrams, source, now)
            self._tell()

    def tick(self, now: float) -> None:
        if self.machine is not None:
            self.machine.tick(now)
            self._tell()

    def deadline(self) -> float | None:
        return None if self.machine is None else self.machine.deadline()

    def transmit(self, now: float) -> list[Burst]:
        return [] if self.machine is None else list(self.machine.transmit(now))

    def _tell(self) -> None:
        for event in [] if self.machine is None else self.machine.events():
            self.on_event(event)


class Somebody:
    """A peer with the public DHT; it is its own addresses, and what opens the way."""

    def __init__(self, cloud: Cloud, number: int, seeds: Iterable[Address], reachable_for: float = PATIENCE) -> None:
        self.identity = Identity.from_secret(number.to_bytes(32))
        self.peer_id = self.identity.peer_id
        self.socket = Socket(cloud, Address(f"11.0.{number}.2", 40000 + number))
        self.seen: list[Address | None] = []
        self.met: list[tuple[Address, float]] = []
        self.events: list[PeerEvent] = []
        hub = Hub()
        hub.subscribe(self.events.append)
        self.public = PublicDht(
            hub, self.socket, self, self, None, [str(each) for each in seeds], random=Random(number),
            clock=lambda: START + cloud.now, reachable_for=reachable_for,
        )  # fmt: skip
        self.knows: dict[PeerId, bytes] = {}
        self.invited: list[bytes] = []
        self.people = People(lambda: self.peer_id, lambda: self.knows, lambda: self.invited)
        self.serves = False
        self.public.start(self.people, lambda: self.identity.secret, lambda: self.serves)

    def trust(self, other: "Somebody") -> None:
        self.knows[other.peer_id] = self.identity.agree(other.peer_id, PURPOSE)

    def addresses(self) -> list[Address]:
        return [Address("192.168.1.10", self.socket.address.port), self.socket.address]

    def hosts(self) -> tuple[str, ...]:
        return ("192.168.1.10",)

    def is_self(self, address: Address) -> bool:
        return address == self.socket.address

    def is_beside(self, address: Address) -> bool:
        return False

    def mapped(self) -> Address | None:
        return None

    def see_at(self, address: Address | None) -> None:
        self.seen.append(address)

    def told(self, addresses: Iterable[Address]) -> list[Address]:
        return [each for each in addresses if not each.host.startswith("192.168.")]

    def meet(self, addresses: Iterable[Address], told_in: float = 0.0) -> None:
        self.met += [(each, told_in) for each in addresses]


async def flow(cloud: Cloud) -> None:
    """Let the cloud's time pass with the loop's."""
    while True:
        cloud.run(STEP)
        await asyncio.sleep(STEP)


@contextmanager
def flowing(cloud: Cloud) -> Iterator[None]:
    task = asyncio.get_running_loop().create_task(flow(cloud))
    try:
        yield
    finally:
        task.cancel()


async def until(came: Callable[[], object], seconds: float) -> float:
    """Wait for something; return how long that took."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    while not came():
        assert loop.time() - began < seconds
        await asyncio.sleep(0.1)
    return loop.time() - began


def test_a_search_finds_the_other_and_has_it_punch_back() -> None:
    async def scene() -> None:
        cloud = Cloud(300)
        anna, bert = (Somebody(cloud, number, cloud.living(3)) for number in (1, 2))
        anna.trust(bert)
        bert.trust(anna)
        anna.serves = True
        anna.public.attend(True)
        with flowing(cloud):
            for each in (anna, bert):
                await each.public.switch(True)
            await until(lambda: anna.seen[-1:] == [anna.socket.address], 20.0)
            await asyncio.sleep(15.0)
            found: list[tuple[Address, float]] = []
            assert bert.public.knows(anna.peer_id)
            with bert.public.searching(anna.peer_id, lambda address, delay: found.append((address, delay))):
                await until(lambda: found, 5.0)
                assert found[0][0] == anna.socket.address
                assert found[0][1] > 10.0, "a router may hear too early: it is tried when it answers, or much later"
                assert bert.met[0][0] == anna.socket.address
                took = await until(lambda: (bert.socket.address, 0.0) in anna.met, 10.0)
                assert took <= 8.0
            said = [each.message for each in bert.events if isinstance(each, SearchProgress)]
            assert any("found at 11.0.1.2" in each for each in said)
            assert any("rings at" in each for each in said)
            for each in (anna, bert):
                await each.public.aclose()
            assert cloud.clients == {}
            assert anna.seen[-1] is None
            assert not anna.public.snapshot().on

    run(scene())


def test_who_has_just_written_calls_unless_it_is_waited_for() -> None:
    """A friend that is looked for, as it may pass packets on, calls us: neither waits for the other to be told."""
    callers, friend = Callers(), PeerId(b"f" * 32)
    with callers.searching(friend, lambda *where: None, awaited=False):
        assert callers.calls(friend, 3.0, 100.0)
        assert not callers.calls(friend, 1800.0, 100.0), "that letter is of half an hour ago"
        with callers.searching(friend, lambda *where: None, awaited=True):
            assert not callers.calls(friend, 3.0, 100.0), "it hears of us by our ring"


def test_who_has_an_invitation_finds_its_inviter() -> None:
    async def scene() -> None:
        cloud = Cloud(300)
        anna, bert = (Somebody(cloud, number, cloud.living(3)) for number in (1, 2))
        anna.invited.append(b"i" * 32)
        with flowing(cloud):
            for each in (anna, bert):
                await each.public.switch(True)
            await asyncio.sleep(20.0)
            found: list[Address] = []
            assert not bert.public.knows(anna.peer_id)
            with bert.people.expecting(anna.peer_id, b"i" * 32):
                assert bert.public.knows(anna.peer_id)
                with bert.public.searching(anna.peer_id, lambda address, delay: found.append(address)):
                    await until(lambda: (bert.socket.address, 0.0) in anna.met, 12.0)
            assert found[0] == anna.socket.address
            for each in (anna, bert):
                await each.public.aclose()

    run(scene())


class Climbing:
    """A ladder that waits for the words of somebody for ever."""

    def __init__(self, peer_id: PeerId) -> None:
        self.peer_id = peer_id

    def side(self) -> bytes:
        return b""

    def posted(self, peer_id: PeerId, text: bytes, *, calls: bool) -> None: ...

    def witnessed(self, peer_id: PeerId, host: str, node: str) -> None: ...

    def waiting(self) -> dict[PeerId, bool]:
        return {self.peer_id: True}


@pytest.mark.parametrize("asked", [False, True])
def test_friends_who_are_away_and_are_looked_for_unasked_cost_little(asked: bool) -> None:
    """As relays: they are tried for ever, and nobody waits for it."""

    looks = 6 if asked else 60  # asked for, each look costs much, and six of them say so

    async def scene() -> int:
        cloud = Cloud(300)
        anna, gone = (Somebody(cloud, number, cloud.living(3)) for number in (1, 2))
        anna.trust(gone)
        climbs = Climbing(gone.peer_id)
        anna.public.start(anna.people, lambda: anna.identity.secret, lambda: False, climbs)
        with flowing(cloud):
            await anna.public.switch(True)
            with nullcontext() if asked else unasked(), anna.public.searching(gone.peer_id, lambda *found: None):
                await asyncio.sleep(60.0)
            before = cloud.bytes[anna.socket.address]
            for _ in range(looks):
                with nullcontext() if asked else unasked(), anna.public.searching(gone.peer_id, lambda *found: None):
                    await asyncio.sleep(10.0)
                await asyncio.sleep(15.0)
            took = cloud.bytes[anna.socket.address] - before
            await anna.public.aclose()
        return took

    took = run(scene())
    assert took > 50_000 if asked else took < 200_000


def test_where_nobody_answers_it_says_that_the_network_may_block_it() -> None:
    async def scene() -> None:
        cloud = Cloud(50, gone=1.0)
        somebody = Somebody(cloud, 1, list(cloud.by_address)[:3])
        with flowing(cloud):
            await somebody.public.switch(True)
            assert somebody.public.snapshot().message == "Entering the public DHT."
            await until(lambda: "may block it" in somebody.public.snapshot().message, 30.0)
            before = cloud.packets[somebody.socket.address]
            await asyncio.sleep(600.0)
            assert cloud.packets[somebody.socket.address] - before < 60, "it does not ask again and again"
            await somebody.public.aclose()

    run(scene())


def test_nothing_leaves_before_it_is_switched_on_and_after_it_is_off() -> None:
    async def scene() -> None:
        cloud = Cloud(100)
        somebody = Somebody(cloud, 1, cloud.living(3))
        with flowing(cloud):
            await asyncio.sleep(10.0)
            assert cloud.packets[somebody.socket.address] == 0
            await somebody.public.switch(True)
            await asyncio.sleep(10.0)
            await somebody.public.switch(False)
            before = cloud.packets[somebody.socket.address]
            assert before > 0
            await asyncio.sleep(600.0)
            assert cloud.packets[somebody.socket.address] == before
            assert not somebody.public.knows(somebody.peer_id)

    run(scene())


@pytest.mark.parametrize(
    ("wanted", "bootstrap", "environment", "expected"),
    [
        (True, PUBLIC_DHT, {}, True),
        (False, PUBLIC_DHT, {}, False),
        (True, PUBLIC_DHT, {"CI": "true"}, False),
        (True, (), {"CI": "true"}, False),
        (True, ("11.0.0.1:6881",), {"CI": "true"}, True),
        (True, ("11.0.0.1:6881", PUBLIC_DHT[0]), {"CI": "true"}, False),
        (True, PUBLIC_DHT, {"GRAPEVINE_MAINLINE": "off"}, False),
    ],
)
def test_an_automatic_run_never_asks_public_nodes(
    wanted: bool, bootstrap: Sequence[str], environment: dict[str, str], expected: bool
) -> None:
    assert allowed(wanted, bootstrap, environment) is expected


def test_people_are_those_we_know_and_those_who_have_a_link() -> None:
    own, friend = (Identity.from_secret(bytes([n]) * 32).peer_id for n in (1, 2))
    people = People(lambda: own, lambda: {friend: b"f" * 32}, lambda: [b"i" * 32])
    found = {each.name: each for each in people.contacts()}
    assert (found[friend].ours, found[friend].theirs) == (own.key, friend.key)
    assert (found[Invited(b"i" * 32)].ours, found[Invited(b"i" * 32)].theirs) == (INVITER, JOINER)
    with people.expecting(friend, b"e" * 32):
        assert {each.name: each for each in people.contacts()}[friend].ours == JOINER
    assert People(lambda: None, dict, list).contacts() == []


def test_good_nodes_are_kept_and_a_damaged_file_is_said_to_be_one(tmp_path: Path) -> None:
    nodes = [Address(f"21.0.0.{n}", 6881) for n in range(1, 60)]
    path = tmp_path / "p.mainline.json"

    async def scene() -> None:
        assert await read_nodes(path) == ([], None)
        await write_nodes(path, nodes)
        assert await read_nodes(path) == (nodes, None)
        assert path.stat().st_mode & 0o077 == 0
        path.write_text("{")
        found, said = await read_nodes(path)
        assert found == []
        assert said is not None
        assert "cannot be used" in said
        await write_nodes(path, nodes)
        assert await read_nodes(path) == (nodes, None)

    asyncio.run(scene())

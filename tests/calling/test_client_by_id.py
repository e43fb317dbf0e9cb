"""Requests by Peer ID, in virtual time: which peers they reach, which never, and what is said when none is there."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager

import pytest

from core.calling.client import FRESH, NEAR, PeerClient
from core.calling.inviting import INVITE_AFTER, PUNCHED_WITHIN
from core.calling.named import AFTER
from core.calling.paths import LateSource
from core.calling.sources import Nearby
from core.directory.records.check import RecordExpired, RecordForged, RecordMissing, record_hash
from core.errors import LocalError, PeerError, RefusedError, RemoteError, RequestTimeout
from core.identity.identity import Identity
from core.news.events import RequestSent
from core.news.joins import SearchProgress
from core.news.roster import Roster
from core.peer_id import PeerId
from core.reach.held_back import HeldBack
from core.rpc.client import Reply, RpcClient
from core.rpc.stream import Stream
from core.secure.dial import Dialer, Outgoing
from core.services.fibonacci import FibonacciService
from core.services.service import Registry
from core.values import Address, JsonValue
from core.wire.peer_record import PeerRecord
from tests.directory.records.fakes import answer
from tests.peer.fakes import (
    CONSUMER,
    WORKER,
    A,
    B,
    C,
    FakeDirectory,
    FakePlace,
    FakeSocket,
    LoopHub,
    fibonacci,
    now,
    play,
    refuses,
)
from tests.rpc.streams import MemoryStream
from tests.support.interpreted import interpreted

pytestmark = pytest.mark.virtual_time

THEM, STRANGER = Identity.from_secret(b"\1" * 32), Identity.from_secret(b"\2" * 32)
ASKED: JsonValue = {"length": 3}


class FakeDialer(Dialer):
    """Knows who is where, and lets through nobody else."""

    def __init__(self, socket: FakeSocket) -> None:
        self.socket = socket
        self.who: dict[Address, PeerId] = {}
        self.plain: list[Address] = []  # dialled without an expected Peer ID

    async def require_identity(self) -> None:
        """We have one."""

    async def dial(self, address: Address, seconds: float, expected: PeerId | None = None) -> Stream:
        if expected is None:
            self.plain.append(address)
        stream = await self.socket.connect(address, timeout=seconds)
        if expected is not None and self.who.get(address) != expected:
            stream.abort()
            raise RemoteError(f"{address} is somebody else", name="ERR_WRONG_PEER")
        return stream


async def no_stream(to: Address, seconds: float) -> Outgoing:
    raise AssertionError(f"{to} is dialled")


async def no_contexts() -> None:
    """We have no identity."""


class Stage:
    """PeerClient, between a fake grape that holds records and a fake socket."""

    def __init__(self) -> None:
        self.here: list[Address] = []
        self.before: list[Address] = []
        self.hub = LoopHub()
        self.socket = FakeSocket()
        self.directory = FakeDirectory()
        self.dialer = FakeDialer(self.socket)
        self.rpc = RpcClient(self.dialer.dial, connect_to=self.dialer.dial)
        self.open()
        self.sequence = 0

    def open(self, late: Sequence[LateSource] = (), friends: Callable[[], Sequence[PeerId]] = tuple) -> None:
        registry = Registry(FibonacciService())
        self.client = PeerClient(
            self.hub,
            Roster(self.hub),
            self.socket,
            FakePlace(),
            self.directory,
            list,
            registry,
            self.rpc,
            self.dialer.require_identity,
            nearby=Nearby(lambda peer_id: self.here, lambda peer_id: self.before),
            late=late,
            friends=friends,
        )

    def records(self, *addresses: Address, services: tuple[str, ...] = ("fibonacci",), at: float = 0.0) -> None:

        issued = int(time.time() + at)
        self.sequence += 1
        record = PeerRecord(THEM.peer_id, services, addresses, issued, issued + 900)
        self.directory.items[record_hash(THEM.peer_id)] = answer(THEM, record, self.sequence)

    def lives(self, identity: Identity, address: Address) -> None:
        self.socket.servers[address] = fibonacci
        self.dialer.who[address] = identity.peer_id

    async def ask(self, service: str = "/fibonacci", timeout: float = 10.0) -> Reply:
        return await self.client.request(f"{THEM.peer_id}{service}", ASKED, timeout)

    def story(self) -> list[str]:
        return [event.message for event in self.hub.told if isinstance(event, SearchProgress)]

    def sent(self) -> list[RequestSent]:
        return [event for event in self.hub.told if isinstance(event, RequestSent)]

    async def aclose(self) -> None:
        await self.client.aclose()
        await self.rpc.close()
        await self.socket.close()


def stage() -> AbstractAsyncContextManager[Stage]:
    return play(Stage, Stage.aclose)


@pytest.mark.parametrize("service", ["/fibonacci", "/fibonacci_worker", ""])
async def test_it_is_found_by_its_record_and_asked_encrypted(service: str) -> None:
    async with stage() as it:
        it.records(A)
        it.lives(THEM, A)
        assert (await it.ask(service)).peer == A
        assert [event.service for event in it.sent()] == [WORKER]
        assert it.dialer.plain == []
        assert (it.directory.lookups, it.directory.announces) == ([], [])


async def test_all_its_addresses_are_punched_and_tried_at_once() -> None:
    async with stage() as it:
        it.records(A, B, C)
        it.lives(THEM, C)
        assert (await it.ask()).peer == C
        assert it.socket.punches == [(0.0, A), (0.0, B), (0.0, C)]
        assert it.socket.connects == [(0.0, A), (0.0, B), (0.0, C)]


async def test_somebody_else_at_its_address_is_told_nothing() -> None:
    async with stage() as it:
        it.records(A, B)
        it.lives(STRANGER, A)
        it.lives(THEM, B)
        assert (await it.ask()).peer == B
        assert it.dialer.plain == []


async def test_if_only_others_are_there_that_is_said() -> None:
    async with stage() as it:
        it.records(A)
        it.lives(STRANGER, A)
        with pytest.raises(RemoteError) as caught:
            await it.ask()
        assert INVITE_AFTER + PUNCHED_WITHIN <= now() < 6.0
        assert caught.value.name == "ERR_WRONG_PEER"
        assert it.sent() == []


async def test_behind_a_nat_it_is_asked_to_punch_and_reached_where_the_punch_comes_from() -> None:
    async with stage() as it:
        it.records(A)
        it.directory.listings[WORKER] = [B]
        it.lives(THEM, C)
        announce = it.directory.announce

        async def announced(name: str, port: int) -> int:
            it.client.heard(C)
            return await announce(name, port)

        it.directory.announce = announced  # type: ignore[method-assign]
        assert (await it.ask()).peer == C
        assert it.directory.announces == [(INVITE_AFTER, CONSUMER, 9000)]
        assert INVITE_AFTER <= now() < INVITE_AFTER + 0.1


async def test_whose_punch_comes_late_is_reached_as_long_as_the_search_lasts() -> None:
    """A router restarted, and the way is opened long after others would have been expected."""
    async with stage() as it:
        it.records()
        it.directory.listings[WORKER] = []
        it.lives(THEM, C)
        asyncio.get_running_loop().call_later(20.0, it.client.heard, C)
        assert (await it.ask(timeout=60.0)).peer == C
        assert 20.0 <= now() < 21.0


async def test_who_is_listed_is_punched_too_and_not_asked() -> None:
    async with stage() as it:
        it.records(A)
        it.directory.listings[WORKER] = [B]
        it.lives(STRANGER, B)
        with pytest.raises(RequestTimeout):
            await it.ask(timeout=2.0)
        assert (INVITE_AFTER, B) in it.socket.punches
        assert {address for _, address in it.socket.connects} == {A}


async def test_a_kept_connection_needs_no_grape_while_it_was_used_lately() -> None:
    async with stage() as it:
        it.records(A)
        it.lives(THEM, A)
        await it.ask()
        for _ in range(5):
            await it.ask()
        assert (it.directory.gets, len(it.socket.connects)) == (1, 1)
        await asyncio.sleep(FRESH + 1)
        await it.ask()
        assert (it.directory.gets, len(it.socket.connects)) == (2, 1)


async def test_a_connection_made_by_address_is_not_one_to_this_peer() -> None:
    async with stage() as it:
        it.records(A)
        it.lives(THEM, A)
        await it.client.request(str(A), ASKED, 5.0)
        assert it.dialer.plain == [A]
        await it.ask()
        assert len(it.socket.connects) == 2


async def test_an_address_that_it_was_reached_at_is_tried_beside_its_record() -> None:
    async with stage() as it:
        it.records(A)
        it.lives(THEM, A)
        await it.ask()
        it.records(B)
        it.socket.streams[0].abort()
        await asyncio.sleep(FRESH + 1)
        assert (await it.ask()).peer == A


@pytest.mark.parametrize(("at", "error"), [(-3600.0, RecordExpired), (3600.0, RecordExpired)])
async def test_an_expired_record_is_refused_without_a_word_to_anybody(at: float, error: type[PeerError]) -> None:
    async with stage() as it:
        it.records(A, at=at)
        it.directory.listings[WORKER] = [A]
        it.lives(THEM, A)
        with pytest.raises(error):
            await it.ask()
        assert (it.socket.punches, it.socket.connects) == ([], [])


async def test_a_forged_record_is_refused_without_a_word_to_anybody() -> None:
    async with stage() as it:
        it.records(A)
        it.directory.items[record_hash(THEM.peer_id)]["sig"] = "11" * 64
        it.lives(STRANGER, A)
        with pytest.raises(RecordForged):
            await it.ask()
        assert (it.socket.punches, it.socket.connects) == ([], [])


async def test_without_a_record_those_announced_under_the_name_prove_who_they_are() -> None:
    """Node grapes keep no signed items."""

    async with stage() as it:
        it.directory.listings[WORKER] = [A, B]
        it.lives(STRANGER, A)
        it.lives(THEM, B)
        assert (await it.ask()).peer == B
        assert it.dialer.plain == []
        assert [event.peer for event in it.sent()] == [B]


@pytest.mark.parametrize("service", ["/fibonacci", ""])
async def test_nobody_found_anywhere_is_a_missing_record(service: str) -> None:
    async with stage() as it:
        with pytest.raises(RecordMissing):
            await it.ask(service)
        assert now() == 0.0


async def test_who_said_goodbye_is_not_looked_for() -> None:
    async with stage() as it:
        it.records(services=())
        it.directory.listings[WORKER] = [A]
        with pytest.raises(RecordMissing, match="shares nothing"):
            await it.ask()
        assert it.directory.lookups == []


async def test_a_service_it_does_not_offer_is_refused_at_once() -> None:
    async with stage() as it:
        it.records(A, services=("echo", "time"))
        with pytest.raises(RefusedError, match="only echo, time") as caught:
            await it.ask()
        assert caught.value.name == "ERR_SERVICE_UNKNOWN"
        with pytest.raises(LocalError, match="say which"):
            await it.ask("")
        assert it.socket.connects == []


async def test_what_it_refuses_is_raised() -> None:
    async with stage() as it:
        it.records(A)
        it.lives(THEM, A)
        it.socket.servers[A] = refuses
        with pytest.raises(RefusedError) as caught:
            await it.ask()
        assert caught.value.name == "ERR_PAYLOAD"


async def test_a_mistyped_id_asks_no_grape() -> None:
    async with stage() as it:
        written = str(THEM.peer_id)
        swapped = written[1] + written[0] + written[2:]
        with pytest.raises(LocalError, match="mistyped"):
            await it.client.request(f"{swapped}/fibonacci", ASKED, 5.0)
        assert (it.directory.gets, it.directory.lookups) == (0, [])


async def test_who_does_not_answer_is_named_with_its_addresses() -> None:
    async with stage() as it:
        it.records(A, B)
        with pytest.raises(RequestTimeout, match=rf"tried {A}, {B}"):
            await it.ask(timeout=3.0)
        assert 3.0 <= now() < 3.05


async def test_an_id_is_looked_up_by_its_record_and_never_as_a_name() -> None:
    async with stage() as it:
        it.records(A, B)
        written = str(THEM.peer_id)
        assert await it.client.lookup(f" {written.lower()}") == [A, B]
        for verb in (it.client.lookup(written[:-1]), it.client.map(written, ASKED, 1.0)):
            with pytest.raises(LocalError):
                await verb
        assert it.directory.lookups == []


@interpreted
async def test_how_many_addresses_are_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.reach.remotes.MAX_REACHED", 1)
    monkeypatch.setattr("core.calling.ways.WAYS", 1)

    async with stage() as it:
        it.records(A)
        it.lives(THEM, A)
        await it.ask()
        record = PeerRecord(STRANGER.peer_id, ("fibonacci",), (B,), int(time.time()), int(time.time()) + 900)
        it.directory.items[record_hash(STRANGER.peer_id)] = answer(STRANGER, record, 1)
        it.lives(STRANGER, B)
        await it.client.request(f"{STRANGER.peer_id}/fibonacci", ASKED, 5.0)
        gets = it.directory.gets
        await it.ask()
        assert it.directory.gets == gets + 1  # its address was forgotten, not its connection
        assert len(it.socket.connects) == 2


async def test_without_an_identity_of_our_own_nobody_is_called_by_id() -> None:
    async with stage() as it:
        it.records(A)
        it.lives(THEM, A)
        registry, nobody = Registry(FibonacciService()), Dialer(no_stream, no_contexts).require_identity
        plain = PeerClient(it.hub, Roster(it.hub), it.socket, FakePlace(), it.directory, list, registry, it.rpc, nobody)
        try:
            with pytest.raises(LocalError, match="identity"):
                await plain.request(f"{THEM.peer_id}/fibonacci", ASKED, 2.0)
            assert it.socket.connects == []
        finally:
            await plain.aclose()


async def test_who_is_on_our_network_is_called_at_once_whatever_the_grapes_say() -> None:
    async with stage() as on:
        on.here = [A]
        on.lives(THEM, A)
        on.directory.delay = 30.0  # they are asked, and nobody waits for it
        assert (await on.ask()).peer == A
        assert on.story() == [f"this network: at {A}", f"connected directly to {A}, after 0.0 s"]
        assert await on.client.reach(THEM.peer_id, 5.0) == A
        assert now() < NEAR
        assert on.directory.announces == []


async def test_where_somebody_was_in_an_earlier_run_is_tried_and_costs_a_moment_when_nobody_is_there() -> None:
    async with stage() as on:
        on.before = [C]
        on.lives(STRANGER, C)  # who has that address today
        on.records(A)
        on.lives(THEM, A)
        assert (await on.ask()).peer == A
        assert now() <= NEAR
        assert on.dialer.plain == []
        assert on.story()[:3] == [
            "this network: nobody known by that key", f"last known place: trying {C}", f"its own record: at {A}",
        ]  # fmt: skip
        assert "nearby: silent" in on.story()
        on.before = [B]
        on.directory.items.clear()
        with pytest.raises(RecordMissing):
            await on.client.reach(STRANGER.peer_id, 5.0)
        assert "the grapes: no record of it" in on.story()


LANE = Address("240.0.0.9", 1)  # stands for a peer, and leads to it by a relay


class Relays:
    """A late source that can be joined with the peers that a test names."""

    head_start = 0.3

    def __init__(self, *beside: PeerId) -> None:
        self.beside = beside
        self.asked: list[tuple[float, PeerId]] = []

    def knows(self, peer_id: PeerId) -> bool:
        return peer_id in self.beside

    @contextlib.contextmanager
    def searching(self, peer_id: PeerId, found: Callable[[Address, float], None]) -> Iterator[None]:
        self.asked.append((now(), peer_id))
        found(LANE, 0.0)
        yield


@pytest.mark.parametrize("listed", [True, False])
async def test_a_friend_who_shares_what_is_asked_by_name_is_reached_by_a_relay(listed: bool) -> None:
    async with stage() as it:
        relays = Relays(THEM.peer_id)
        it.open(late=(relays,), friends=lambda: [STRANGER.peer_id, THEM.peer_id])
        it.records(A, services=("fibonacci",) if listed else ("garden",))
        it.directory.listings[WORKER] = [B]  # where nobody answers
        it.socket.servers[LANE] = fibonacci
        if not listed:
            with pytest.raises(RequestTimeout):
                await it.client.request("fibonacci", ASKED, 10.0)
            assert relays.asked == []
            return
        reply = await it.client.request("fibonacci", ASKED, 10.0)
        assert reply.peer == LANE
        ((asked_at, peer_id),) = relays.asked
        assert peer_id == THEM.peer_id
        assert asked_at == pytest.approx(AFTER + Relays.head_start)


async def test_a_relay_that_is_there_only_later_and_punches_us_is_used_and_ends_no_search() -> None:
    """The relay punches us too, which every search takes for a sign of life; that it is somebody else ends none."""
    async with stage() as it:
        relays = Relays()
        it.open(late=(relays,))
        it.records()
        it.directory.listings[WORKER] = []
        it.lives(STRANGER, B)  # the relay
        it.lives(THEM, LANE)
        loop = asyncio.get_running_loop()
        loop.call_later(4.0, it.client.heard, B)
        loop.call_later(4.5, lambda: setattr(relays, "beside", (THEM.peer_id,)))
        assert (await it.ask(timeout=20.0)).peer == LANE
        ((asked_at, peer_id),) = relays.asked
        assert peer_id == THEM.peer_id
        assert 4.5 <= asked_at <= 5.5


async def test_who_answers_by_name_directly_is_not_looked_for_at_a_relay() -> None:
    async with stage() as it:
        relays = Relays(THEM.peer_id)
        it.open(late=(relays,), friends=lambda: [THEM.peer_id])
        it.records(A)
        it.directory.listings[WORKER] = [A]
        it.lives(THEM, A)
        assert (await it.client.request("fibonacci", ASKED, 10.0)).peer == A
        await asyncio.sleep(10.0)
        assert relays.asked == []


class Calls:
    """A late source that says where a peer is, which hears of us later: nobody calls it before that without a sign."""

    head_start = 0.0

    def knows(self, peer_id: PeerId) -> bool:
        return peer_id == THEM.peer_id

    @contextlib.contextmanager
    def searching(self, peer_id: PeerId, found: Callable[[Address, float], None]) -> Iterator[None]:
        found(A, 22.0)
        yield


async def test_of_two_searches_for_one_peer_the_one_that_is_held_back_follows_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A request, and a friend that is asked to pass packets on: one sign of life allows one call to a silent host."""
    async with stage() as it:
        it.open(late=(Calls(),))
        it.records()
        it.lives(THEM, A)
        connect, connected = it.socket.connect, list[float]()

        async def first_only(remote: Address, *, timeout: float) -> MemoryStream:
            if len(it.socket.connects) > 0 and not connected:
                raise HeldBack(f"{remote} has not answered, and is not called now")
            stream = await connect(remote, timeout=timeout)
            connected.append(now())
            return stream

        monkeypatch.setattr(it.socket, "connect", first_only)
        asyncio.get_running_loop().call_later(4.0, it.client.heard, A)

        def call(address: Address, seconds: float) -> Awaitable[object]:
            return it.dialer.dial(address, seconds, THEM.peer_id)

        reached, reply = await asyncio.gather(it.client.reach(THEM.peer_id, 20.0, call), it.ask(timeout=20.0))
        assert (reached, reply.peer) == (A, A)
        assert connected[0] == pytest.approx(4.01)
        assert now() < 5.0

"""Requests by name and by address, in virtual time over streams in memory."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from core.calling.client import FRESH, PeerClient
from core.calling.inviting import INVITE_AFTER
from core.calling.ways import NAMED_FOR
from core.errors import LocalError, LookupEmpty, PeerError, RefusedError, RequestTimeout, TransportClosed, Unreachable
from core.news.events import ReplyReceived, RequestSent, Role
from core.news.roster import Roster
from core.rpc.client import Reply, RpcClient
from core.services.fibonacci import FibonacciService
from core.services.service import Caller, Registry
from core.values import Address, JsonValue
from tests.peer.fakes import (
    CONSUMER,
    US,
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
    refuses,
    shares_nothing,
)
from tests.support.virtual_time import settle

pytestmark = pytest.mark.virtual_time

DEAD = [Address("203.0.113.1", 1 + number) for number in range(20)]
ASKED: JsonValue = {"length": 3}


async def nobody() -> None:
    raise LocalError("we have no identity", name="ERR_NO_IDENTITY")


class Stage:
    """PeerClient, between a fake grape and a fake socket."""

    def __init__(self) -> None:
        self.hub = LoopHub()
        self.roster = Roster(self.hub)
        self.socket = FakeSocket()
        self.directory = FakeDirectory()
        self.rpc = RpcClient(lambda to, seconds: self.socket.connect(to, timeout=seconds))
        self.client = PeerClient(
            self.hub,
            self.roster,
            self.socket,
            FakePlace(),
            self.directory,
            list,
            Registry(FibonacciService()),
            self.rpc,
            nobody,
        )

    def lists(self, *addresses: Address) -> None:
        self.directory.listings[WORKER] = list(addresses)

    async def aclose(self) -> None:
        await self.client.aclose()
        await self.rpc.close()

    async def ask(self, target: str = "fibonacci", timeout: float = 10.0) -> Reply:
        return await self.client.request(target, ASKED, timeout)


@asynccontextmanager
async def stage() -> AsyncIterator[Stage]:
    made = Stage()
    try:
        yield made
    finally:
        await made.aclose()
        await made.socket.close()


async def test_by_address_it_punches_connects_and_asks() -> None:
    async with stage() as it:
        it.socket.servers[A] = fibonacci
        reply = await it.ask(" 192.0.2.1:1 ")
        assert (reply.peer, reply.data) == (A, [1, 1, 2])
        assert [address for _, address in it.socket.punches] == [A]
        assert it.hub.of(RequestSent) == [RequestSent(0.0, "192.0.2.1:1", A)]
        assert [type(event) for event in it.hub.told][-1] is ReplyReceived
        (row,) = it.roster.rows()
        assert (row.role, row.replies, row.rtt) == (Role.WORKER, 1, reply.seconds)


async def test_by_address_a_live_connection_is_used_without_a_punch() -> None:
    async with stage() as it:
        it.socket.servers[A] = fibonacci
        for _ in range(3):
            await it.ask("192.0.2.1:1")
        assert (len(it.socket.punches), len(it.socket.connects)) == (1, 1)
        await asyncio.sleep(FRESH + 1)  # it is open all the same
        await it.ask("192.0.2.1:1")
        assert (len(it.socket.punches), len(it.socket.connects)) == (1, 1)


@pytest.mark.parametrize("target", ["fibonacci", "fibonacci_worker"])
async def test_by_name_it_finds_a_worker(target: str) -> None:
    async with stage() as it:
        it.lists(A)
        it.socket.servers[A] = fibonacci
        assert (await it.ask(target)).peer == A
        assert it.directory.lookups == [(0.0, WORKER)]
        assert it.hub.of(RequestSent) == [RequestSent(0.01, WORKER, A)]
        assert it.directory.announces == []  # reached at once: nobody had to be asked to punch us


async def test_a_second_request_uses_the_connection() -> None:
    async with stage() as it:
        it.lists(*DEAD[:3], A)
        it.socket.servers[A] = fibonacci
        await it.ask()
        tried = len(it.socket.connects)
        before = now()
        await it.ask()
        assert (len(it.socket.connects), now()) == (tried, before)


async def test_dead_addresses_in_the_listing_do_not_keep_it_from_the_live_one() -> None:
    """A peer that answers our punch is tried at once, however late its turn would come."""

    async with stage() as it:
        it.lists(*DEAD, A)
        it.socket.servers[A] = fibonacci
        asyncio.get_running_loop().call_later(0.05, it.client.heard, A)
        await it.ask()
        assert now() < 0.2
        assert {address for _, address in it.socket.punches} == {*DEAD, A}


async def test_without_an_answer_to_punches_each_gets_its_turn() -> None:
    async with stage() as it:
        it.lists(*DEAD, A)
        it.socket.servers[A] = fibonacci
        assert (await it.ask()).peer == A
        assert now() < 6.0


async def test_a_kept_connection_that_may_be_dead_does_not_swallow_the_request() -> None:
    async with stage() as it:
        killed = False

        async def until_killed(key: str, payload: JsonValue, caller: Caller) -> JsonValue:
            await asyncio.sleep(1e6 if killed else 0.0)
            return []

        it.lists(A)
        it.socket.servers[A] = until_killed
        await it.ask()
        killed = True  # nobody closes the connection, and nobody tells us
        await asyncio.sleep(FRESH + 1)
        it.lists(A, B)  # it runs again, at another port
        it.socket.servers = {B: fibonacci}
        began = now()
        assert (await it.ask()).peer == B
        assert now() - began < 1.0


async def test_who_stopped_sharing_is_passed_over() -> None:
    async with stage() as it:
        it.lists(A, B, C)
        it.socket.servers = {A: shares_nothing, B: shares_nothing, C: fibonacci}
        assert (await it.ask()).peer == C
        assert now() < 1.0
        it.lists(A, B)
        await asyncio.sleep(NAMED_FOR)  # until then C, which answered, is asked without a look at the listing
        with pytest.raises(RefusedError) as caught:
            await it.ask()
        assert caught.value.name == "ERR_SERVICE_UNKNOWN"


async def test_a_refused_payload_is_final() -> None:
    async with stage() as it:
        it.lists(A, B)
        it.socket.servers = {A: refuses, B: fibonacci}
        with pytest.raises(RefusedError, match="give a length"):
            await it.ask()
        assert [address for _, address in it.socket.connects] == [A]


async def test_nobody_reached_soon_we_are_listed_as_a_consumer_and_whoever_punches_us_is_asked() -> None:
    """The worker's NAT moved its port: the address it punches from is listed nowhere."""

    async with stage() as it:
        it.lists(DEAD[0])
        it.socket.servers[B] = fibonacci
        asyncio.get_running_loop().call_later(1.5, it.client.heard, B)
        assert not it.client.searching()
        request = asyncio.get_running_loop().create_task(it.ask())
        await asyncio.sleep(1.0)
        assert it.client.searching()
        assert (await request).peer == B
        assert it.directory.announces == [(INVITE_AFTER, CONSUMER, US.port)]
        assert not it.client.searching()


async def test_a_grape_that_refuses_the_invitation_leaves_only_those_found() -> None:
    async with stage() as it:
        it.lists(A)
        it.directory.announce_error = Unreachable("no grape")
        it.socket.servers[B] = fibonacci
        asyncio.get_running_loop().call_later(1.0, it.client.heard, B)
        with pytest.raises(RequestTimeout):
            await it.ask(timeout=3.0)
        assert B not in {address for _, address in it.socket.connects}


async def test_the_time_allowed_is_for_everything() -> None:
    async with stage() as it:
        it.lists(A)
        with pytest.raises(RequestTimeout):
            await it.ask(timeout=2.0)
        assert now() == pytest.approx(2.0)
        with pytest.raises(RequestTimeout):
            await it.ask("192.0.2.1:1", timeout=2.0)
        assert now() == pytest.approx(4.0)
        it.directory.delay = 60.0
        with pytest.raises(RequestTimeout, match="no answer within 2 s"):
            await it.ask(timeout=2.0)


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("host:port", "port"),
        (":1", "host:port"),
        ("192.0.2.1:0", "1 to 65535"),
        (f"{'x' * 80}:1", "no address"),
        ("a..b:1", "no address"),
        ("2001:db8::1:4000", "in brackets"),
        ("[2001:db8:::1]:4000", "IPv6 address"),
        ("[192.0.2.1]:4000", "IPv6 address"),
    ],
)
def test_a_wrong_target_is_a_sentence(target: str, said: str) -> None:
    async def scene() -> None:
        it = Stage()
        with pytest.raises(LocalError, match=said):
            await it.ask(target)
        await it.aclose()

    asyncio.run(scene())  # a name is resolved by a thread, which virtual time does not wait for


async def test_an_address_that_cannot_be_punched_is_refused_and_one_in_a_listing_passed_over() -> None:
    async with stage() as it:
        it.socket.unpunchable[A] = LocalError("cannot punch it")
        with pytest.raises(LocalError, match="cannot punch it"):
            await it.ask("192.0.2.1:1")
        it.lists(A, B)
        it.socket.servers[B] = fibonacci
        assert (await it.ask()).peer == B


async def test_the_unspecified_host_means_this_machine() -> None:
    async with stage() as it:
        here = Address("127.0.0.1", 5)
        it.socket.servers[here] = fibonacci
        assert (await it.ask("0.0.0.0:5")).peer == here


async def test_a_name_nobody_announced() -> None:
    async with stage() as it:
        with pytest.raises(LookupEmpty):
            await it.ask("weather")
        assert it.hub.of(RequestSent) == []


async def test_map_asks_everyone_and_tells_each_outcome() -> None:
    async with stage() as it:
        it.lists(A, B, C)
        it.socket.servers = {A: fibonacci, C: refuses}
        first, second, third = await it.client.map("fibonacci", ASKED, 2.0)
        assert isinstance(first, Reply)
        assert isinstance(second, RequestTimeout)
        assert isinstance(third, RefusedError)
        assert [event.peer for event in it.hub.of(RequestSent) if isinstance(event, RequestSent)] == [A, B, C]
        assert len(it.hub.of(ReplyReceived)) == len(it.roster.rows()) == 1
        assert now() == pytest.approx(2.0)


@pytest.mark.parametrize("target", ["fibonacci", "192.0.2.1:1"])
async def test_closing_ends_requests_at_once(target: str) -> None:
    async with stage() as it:
        it.lists(A)
        request = asyncio.get_running_loop().create_task(it.ask(target))
        await asyncio.sleep(1.0)
        await it.aclose()
        with pytest.raises(TransportClosed):
            await request
        assert now() < 1.5
        with pytest.raises(PeerError):
            await it.ask(target)
        it.client.heard(A)
        await settle()
        assert now() < 1.5

"""Whole peers on loopback: pairing at once, both roles, closing at any moment, and a grape that goes and comes."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from core.aio.tasks import TaskSet
from core.calling.poller import ASK_UNHEARD_AFTER
from core.directory.access import running_grape
from core.errors import LocalError, PeerError, RequestTimeout
from core.grape.config import GrapeConfig
from core.grape.grape import open_grape
from core.net.endpoint import Endpoint
from core.net.stream import Stream
from core.news.events import (
    Announced,
    Discovered,
    ErrorRaised,
    GrapeChanged,
    GrapeState,
    Listening,
    Lost,
    PeerEvent,
    PunchReceived,
    PunchSent,
    ReplyReceived,
    RequestSent,
    RequestServed,
    Role,
)
from core.peer import PeerConfig, open_peer
from core.rpc.server import RpcServer
from core.values import Address
from tests.peer.ears import PATIENCE, Ears, node_of, peer
from tests.peer.fakes import fibonacci
from tests.support.answers import answered_by
from tests.support.ports import free_port

pytestmark = pytest.mark.asyncio

SERVICE, WORKER, CONSUMER = "fibonacci", "fibonacci_worker", "fibonacci_consumer"
SEQUENCE = [1, 1, 2, 3, 5, 8, 13, 21, 34, 55]
LOOPBACK = Address("127.0.0.1", 0)


@pytest_asyncio.fixture(autouse=True)
async def nothing_fails_unheard() -> AsyncIterator[None]:
    """Fail when a task or a callback failed where nobody heard of it."""
    reports: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reports.append(context))
    yield
    assert reports == []


def kinds(ears: Ears) -> list[type[PeerEvent]]:
    return [type(event) for event in ears.told]


async def test_one_peer_with_both_roles_is_no_peer_of_itself_and_answers_itself_when_it_is_asked_to() -> None:
    async with peer() as (it, ears), peer(node_of(it)) as (other, _):
        await it.share(SERVICE)
        await it.consume(SERVICE)
        await ears.hear(Announced, lambda event: event.service == CONSUMER)
        reply = await it.request(SERVICE, {"length": 3}, timeout=PATIENCE)
        await other.share(SERVICE)
        await ears.hear(PunchReceived)  # both lists have been read by now, and were punched
        snapshot = it.snapshot()
        assert snapshot.address is not None
        assert (reply.data, reply.peer) == ([1, 1, 2], snapshot.address)
        assert snapshot.address not in {row.address for row in snapshot.peers}
        assert snapshot.address not in {each.peer for each in ears.of(Discovered)} | {
            each.peer for each in ears.of(PunchReceived)
        }
        (service,) = snapshot.services
        assert (service.sharing, service.consuming, service.served) == (True, True, 1)


async def test_two_peers_pair_at_once_and_the_story_is_in_order() -> None:
    async with peer() as (worker, told_worker), peer(node_of(worker)) as (consumer, told_consumer):
        await worker.share(SERVICE)
        await consumer.consume(SERVICE)
        reply = await told_consumer.hear(ReplyReceived)
        assert reply.data == SEQUENCE
        await told_consumer.hear(PunchReceived)
        await told_worker.hear(PunchReceived)
        served = await told_worker.hear(RequestServed)
        consumer_address, worker_address = consumer.snapshot().address, worker.snapshot().address
        assert (served.caller, reply.peer) == (consumer_address, worker_address)
        order = kinds(told_consumer)
        steps = (Listening, GrapeChanged, Discovered, PunchSent, RequestSent, ReplyReceived)
        places = [order.index(step) for step in steps]
        assert places == sorted(places)
        assert told_worker.of(Discovered)[0].service == CONSUMER
        assert told_consumer.of(Discovered)[0].service == WORKER
        assert told_worker.of(ErrorRaised) == told_consumer.of(ErrorRaised) == []
        # both are told of one peer, in one role, whatever it does
        assert [(row.address, row.role) for row in worker.snapshot().peers] == [(consumer_address, Role.CONSUMER)]
        assert [(row.address, row.role) for row in consumer.snapshot().peers] == [(worker_address, Role.WORKER)]


async def test_the_consumer_may_be_first_and_both_may_do_both() -> None:
    async with peer() as (one, told_one), peer(node_of(one)) as (two, told_two):
        await one.consume(SERVICE, {"length": 3})
        await told_one.hear(Announced)
        for verb in (two.share, two.consume, one.share):
            await verb(SERVICE)
        here, there = one.snapshot().address, two.snapshot().address
        assert (await told_one.hear(ReplyReceived, lambda reply: reply.peer == there)).data == [1, 1, 2]
        assert (await told_two.hear(ReplyReceived, lambda reply: reply.peer == here)).data == SEQUENCE
        assert told_one.of(ErrorRaised) == told_two.of(ErrorRaised) == []


async def test_a_punch_while_no_role_is_on_is_told_and_no_more() -> None:
    async with peer() as (it, ears), await Endpoint.open(LOOPBACK) as stranger:
        address = it.snapshot().address
        assert address is not None
        stranger.punch(address)
        heard = await ears.hear(PunchReceived)
        assert heard.first
        assert heard.peer == stranger.address
        assert it.snapshot().peers == ()
        assert not ears.of(Discovered)
        assert not ears.of(PunchSent)


async def test_a_worker_that_acknowledges_our_punch_is_asked_without_a_punch_of_its_own() -> None:
    server = RpcServer(answered_by(fibonacci))
    tasks = TaskSet("servers")

    def accept(stream: Stream) -> None:
        tasks.spawn(server.serve(stream), name="serve")

    async with peer() as (it, ears), await Endpoint.open(LOOPBACK) as worker:
        worker.on_stream = accept
        await it.announce(WORKER, worker.address.port)
        await it.consume(SERVICE)
        await ears.hear(ReplyReceived)
        assert not ears.of(PunchReceived)
        assert ears.of(RequestSent)[0].at - ears.of(Discovered)[0].at < ASK_UNHEARD_AFTER
        (row,) = it.snapshot().peers
        assert row.last_seen > row.since
        await tasks.aclose()


async def test_who_answered_once_and_went_silent_is_lost_though_nobody_looks_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("core.compose.SWEEP_EVERY", 0.05)
    monkeypatch.setattr("core.news.roster.KEEP_ANSWERED", 0.1)
    async with peer() as (worker, _), peer() as (client, told):
        await worker.share(SERVICE)
        address = worker.snapshot().address
        await client.request(str(address), {"length": 1}, timeout=5.0)
        assert (await told.hear(Lost)).peer == address
        assert client.snapshot().peers == ()


async def test_a_worker_answers_a_punch_and_rows_of_callers_end_with_the_role() -> None:
    async with peer() as (worker, told), peer(node_of(worker)) as (client, _):
        await worker.share(SERVICE)
        address = worker.snapshot().address
        reply = await client.request(str(address), {"length": 1}, timeout=5.0)
        assert reply.data == [1]
        await told.hear(PunchSent, lambda event: event.peer == client.snapshot().address)
        assert [(row.role, row.service) for row in worker.snapshot().peers] == [(Role.CONSUMER, CONSUMER)]
        await worker.unshare(SERVICE)
        assert worker.snapshot().peers == ()
        assert [event.service for event in told.of(Lost)] == [CONSUMER]
        with pytest.raises(PeerError) as caught:
            await client.request(str(address), {"length": 1}, timeout=5.0)
        assert caught.value.name == "ERR_SERVICE_UNKNOWN"


async def test_by_name_the_live_worker_is_reached_past_dead_ones() -> None:
    async with peer() as (worker, told), peer(node_of(worker)) as (client, _):
        for _ in range(10):
            await client.announce(WORKER, free_port())
        await worker.share(SERVICE)
        await told.hear(Announced)
        assert (await client.request(SERVICE, {"length": 2}, timeout=10.0)).data == [1, 1]
        outcomes = await client.map(SERVICE, {"length": 2}, timeout=1.0)
        assert [type(each) for each in outcomes].count(RequestTimeout) == 10
        assert len(outcomes) == 11


@pytest.mark.parametrize("moment", ["at once", "busy", "asking"])
async def test_closing_leaves_nothing_behind(moment: str) -> None:
    request: asyncio.Task[object] | None = None
    async with peer() as (other, _), peer(node_of(other)) as (it, ears):
        await other.share(SERVICE)
        await it.share(SERVICE)
        await it.consume(SERVICE, {"length": 10_000})
        if moment == "busy":
            await ears.hear(RequestSent)
        if moment == "asking":
            await it.announce("weather_worker", free_port())
            request = asyncio.get_running_loop().create_task(it.request("weather_worker", {}, timeout=60.0))
            await ears.hear(Announced, lambda event: event.service == "weather_worker")
        told = len(ears.told)
    assert len(ears.told) == told  # that it forgets its peers now is no news
    if request is not None:
        with pytest.raises(PeerError):
            await request
    with pytest.raises(LocalError, match="closed"):
        await it.share(SERVICE)
    with pytest.raises(PeerError):
        await it.request(SERVICE, {}, timeout=1.0)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert len(ears.told) == told


async def test_sharing_goes_on_by_itself_when_a_dead_grape_is_back() -> None:
    api = free_port()
    config = GrapeConfig(dht_port=0, api_port=api, bind="127.0.0.1")
    url = f"http://127.0.0.1:{api}"
    async with peer(grapes=(url,)) as (it, ears):
        await it.share(SERVICE)
        down = await ears.hear(GrapeChanged, lambda event: event.grape.state is GrapeState.UNREACHABLE)
        assert url in down.grape.message
        async with open_grape(config):
            await ears.hear(Announced)
            assert it.snapshot().grape.state is GrapeState.CONNECTED
            assert it.snapshot().services[0].announced_nodes == 1
        mark = len(ears.told)
        await ears.hear(GrapeChanged, lambda event: event.grape.state is GrapeState.UNREACHABLE, after=mark)
        assert it.snapshot().services[0].announced_nodes == 0
        mark = len(ears.told)
        async with open_grape(config) as grape:
            await ears.hear(Announced, after=mark)
            address = it.snapshot().address
            assert address is not None
            assert await grape.lookup(WORKER) == [Address("127.0.0.1", address.port)]
        names = [event.error for event in ears.of(ErrorRaised)]
        assert len(names) <= 4, names


async def test_the_grapes_state_in_words() -> None:
    async with peer() as (one, _):
        alone = one.snapshot().grape
        assert (alone.state, alone.embedded, alone.nodes) == (GrapeState.ALONE, True, 0)
        assert "Alone" in alone.message
        assert "bootstrap" in alone.message
        async with peer(node_of(one)) as (two, ears), peer(grapes=("http://127.0.0.1:1", alone.url)) as (_, others):
            joined = await ears.hear(GrapeChanged, lambda event: event.grape.state is GrapeState.CONNECTED)
            assert "1 other grape known" in joined.grape.message
            assert two.snapshot().grape == joined.grape
            fallen = await others.hear(GrapeChanged, lambda event: event.grape.state is GrapeState.CONNECTED)
            assert fallen.grape.url == alone.url
            assert "http://127.0.0.1:1 does not answer" in fallen.grape.message
            assert not fallen.grape.embedded
        assert await running_grape(alone.url) == alone.url
    assert await running_grape(alone.url) is None


async def test_a_port_in_use_is_named_and_nothing_is_left_open() -> None:
    async with await Endpoint.open(LOOPBACK) as taken:
        config = PeerConfig(bootstrap=(), dht_port=0, api_port=0, udp_port=taken.address.port, bind="127.0.0.1")
        with pytest.raises(LocalError, match=str(taken.address.port)):
            async with open_peer(config):
                pass
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_an_unknown_service_is_a_sentence() -> None:
    async with peer() as (it, _):
        for verb in (it.share, it.consume):
            with pytest.raises(LocalError, match="services here: fibonacci"):
                await verb("weather")
        await it.unshare("weather")
        await it.stop_consuming("weather")
        assert not any(service.sharing or service.consuming for service in it.snapshot().services)

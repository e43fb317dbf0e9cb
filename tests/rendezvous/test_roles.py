"""The roles: idempotent verbs, what punches mean to each, and what the owner is told. In virtual time."""

import asyncio

import pytest

from core.errors import LocalError, RequestTimeout, Unreachable
from core.news.events import Announced, Discovered, ErrorRaised, GrapeSnapshot, GrapeState, Lost, Role
from core.services.intents import Intent
from tests.peer.fakes import CONSUMER, WORKER, A, B
from tests.rendezvous.roles_stage import CONNECTED, SERVICE, UNREACHABLE, stage
from tests.support.virtual_time import settle

pytestmark = pytest.mark.virtual_time


async def test_sharing_announces_answers_and_punches_consumers() -> None:
    async with stage() as it:
        it.lists(CONSUMER, A)
        it.share()
        await settle()
        assert it.announced_names() == [WORKER]
        assert it.punches == [(0.0, A)]
        assert it.roles.announced(SERVICE) == 1
        assert it.hub.told == [Announced(0.0, WORKER, 1), Discovered(0.0, CONSUMER, A)]


async def test_every_verb_may_be_repeated() -> None:
    async with stage() as it:
        await it.unshare()
        await it.stop_consuming()
        for _ in range(3):
            it.share()
            it.consume()
        await settle()
        assert sorted(it.announced_names()) == [CONSUMER, WORKER]
        for _ in range(2):
            await it.unshare()
            await it.stop_consuming()
        await asyncio.sleep(60)
        assert len(it.directory.announces) == 2
        assert not it.roles.active()


async def test_an_unknown_service_changes_nothing() -> None:
    async with stage() as it:
        with pytest.raises(LocalError, match="fibonacci"):
            it.intents.declare(Intent("weather", Role.WORKER))
        with pytest.raises(LocalError, match="fibonacci"):
            it.intents.declare(Intent("weather", Role.CONSUMER))
        assert not it.roles.active()


async def test_the_end_of_a_role_forgets_who_was_found_for_it() -> None:
    async with stage() as it:
        it.lists(CONSUMER, A)
        it.lists(WORKER, B)
        it.share()
        it.consume()
        await settle()
        await it.unshare()
        assert [(row.role, row.address) for row in it.roster.rows()] == [(Role.WORKER, B)]
        assert [event.peer for event in it.hub.told if isinstance(event, Lost)] == [A]
        assert it.roles.announced(SERVICE) == 0


async def test_a_role_begun_again_before_its_end_is_over_keeps_its_own() -> None:
    async with stage() as it:
        it.lists(CONSUMER, A)
        it.share()
        await settle()
        ending = asyncio.get_running_loop().create_task(it.unshare())
        await asyncio.sleep(0)
        it.share()
        await ending
        await settle()
        assert it.roles.announced(SERVICE) == 1
        assert [row.address for row in it.roster.rows()] == [A]
        await asyncio.sleep(5.5)
        assert len(it.directory.announces) == 3  # twice at once, and then only the new one goes on


async def test_a_consumer_asks_a_worker_that_punches_by_its_address() -> None:
    async with stage() as it:
        it.lists(WORKER, A)
        it.consume({"length": 4})
        await settle()
        assert it.asked == []
        assert it.roles.on_punch(A) == (Role.WORKER, WORKER)
        await settle()
        assert it.asked == [(0.0, A, "192.0.2.1:1", WORKER, {"length": 4})]


async def test_without_a_payload_the_services_example_is_asked_and_a_second_call_changes_it() -> None:
    async with stage() as it:
        it.consume()
        it.roles.on_punch(A)
        await settle()
        it.consume({"length": 2})
        it.roles.on_punch(B)
        await settle()
        assert [payload for *_, payload in it.asked] == [{"length": 10}, {"length": 2}]


async def test_a_listed_worker_that_our_punches_reach_is_asked_without_waiting_for_its_own() -> None:
    async with stage() as it:
        it.lists(WORKER, A)
        it.consume()
        await settle()
        it.roles.on_reached(B)  # listed nowhere
        it.roles.on_reached(A)
        await settle()
        assert it.asked_whom() == [A]


async def test_a_worker_takes_whoever_punches_for_a_consumer_and_asks_nobody() -> None:
    async with stage() as it:
        it.share()
        assert it.roles.on_punch(A) == (Role.CONSUMER, CONSUMER)
        await settle()
        assert it.asked == []


async def test_without_a_role_a_punch_means_nothing() -> None:
    async with stage() as it:
        assert it.roles.on_punch(A) is None


async def test_each_problem_is_told_once_until_all_is_well() -> None:
    """Here the grape answers lookups and stores nothing, as a Node grape that is alone."""

    async with stage() as it:
        it.directory.announce_error = Unreachable("no nodes to ask")
        it.share()
        it.consume()
        await asyncio.sleep(60)
        assert [str(event.message) for event in it.hub.told if isinstance(event, ErrorRaised)] == ["no nodes to ask"]
        it.directory.announce_error = None
        await asyncio.sleep(10)
        it.directory.error = Unreachable("no grape")
        await asyncio.sleep(60)
        assert [str(event.message) for event in it.hub.told if isinstance(event, ErrorRaised)][1:] == ["no grape"]


async def test_alternating_errors_are_not_told_for_ever() -> None:
    async with stage() as it:
        it.share()
        for second in range(60):
            it.directory.error = RequestTimeout("slow") if second % 2 else Unreachable("gone")
            await asyncio.sleep(1.0)
        assert len(it.hub.of(ErrorRaised)) == 2


async def test_a_grape_that_is_back_is_told_of_us_at_once() -> None:
    async with stage() as it:
        it.share()
        await asyncio.sleep(1.5)
        revision = it.hub.revision
        it.roles.on_grape(UNREACHABLE)
        assert it.roles.announced(SERVICE) == 0
        assert it.hub.revision > revision
        await asyncio.sleep(0.5)
        calls = len(it.directory.announces)
        it.roles.on_grape(CONNECTED)
        await settle()
        assert len(it.directory.announces) == calls + 1
        assert it.roles.announced(SERVICE) == 1
        assert [type(event) for event in it.hub.told].count(Announced) == 2


async def test_a_failed_request_names_the_peer() -> None:
    async with stage() as it:
        it.ask_fails = True
        it.consume()
        it.roles.on_punch(A)
        await settle()
        assert it.hub.of(ErrorRaised) == [ErrorRaised(0.0, "ERR_TIMEOUT", "no answer", A)]


async def test_stopping_in_the_middle_of_a_request_and_a_lookup_is_quiet() -> None:
    async with stage() as it:
        it.lists(WORKER, A)
        it.directory.delay = 0.2
        it.ask_takes = 10.0
        it.consume()
        await asyncio.sleep(0.3)
        it.roles.on_punch(A)
        await asyncio.sleep(0.8)
        stopping = asyncio.get_running_loop().create_task(it.stop_consuming())
        await asyncio.sleep(0)
        it.roles.on_punch(A)  # late
        await stopping
        await asyncio.sleep(5)
        assert it.asked_whom() == [A]
        assert it.hub.of(ErrorRaised) == []
        assert it.roster.rows() == ()


async def test_a_stop_that_is_cancelled_leaves_nothing_running() -> None:
    async with stage() as it:
        it.ask_takes = 10.0
        it.consume()
        it.roles.on_punch(A)
        await settle()
        stopping = asyncio.get_running_loop().create_task(it.stop_consuming())
        await asyncio.sleep(0)
        stopping.cancel()
        await asyncio.wait([stopping])
        await settle()
        assert len(asyncio.all_tasks()) == 1


async def test_nothing_begins_once_closed() -> None:
    async with stage() as it:
        await it.aclose()
        with pytest.raises(LocalError, match="closed"):
            it.share()
        with pytest.raises(LocalError, match="closed"):
            it.consume()
        await settle()
        assert it.directory.announces == []


async def test_an_announce_that_only_our_own_grape_holds_is_told_apart() -> None:
    """FAULTS E1: "announced on 1 grape" was said where nobody could find it."""

    def grape(nodes: int) -> GrapeSnapshot:
        return GrapeSnapshot(GrapeState.CONNECTED if nodes else GrapeState.ALONE, True, "", nodes, "")

    async with stage() as it:
        it.roles.on_grape(grape(0))
        it.share()
        await settle()
        assert it.roles.own_only(SERVICE)
        it.roles.on_grape(grape(1))
        await asyncio.sleep(1)
        assert not it.roles.own_only(SERVICE)
        told = [(event.nodes, event.own_only) for event in it.hub.told if isinstance(event, Announced)]
        assert told == [(1, True), (1, False)]  # as many grapes, and other ones

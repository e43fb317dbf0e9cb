"""The ways that were found are taken again without a search, and given up when they lead nowhere."""

import asyncio

import pytest

from core.calling.ways import NAMED_FOR, Way, Ways
from core.errors import RefusedError
from core.limits.bounds import WAYS
from core.news.events import ReplyReceived, RequestSent
from core.values import Address, Caller, JsonValue
from tests.calling.test_client import stage
from tests.peer.fakes import WORKER, A, B, fibonacci, refuses, shares_nothing
from tests.support.virtual_time import settle

pytestmark = pytest.mark.virtual_time


async def test_a_name_is_looked_up_again_only_after_a_while() -> None:
    async with stage() as it:
        it.lists(A)
        it.socket.servers = {A: fibonacci, B: fibonacci}
        for _ in range(3):
            assert (await it.ask()).peer == A
        assert len(it.directory.lookups) == 1
        it.lists(B)
        await asyncio.sleep(NAMED_FOR)
        assert (await it.ask()).peer == B
        assert len(it.directory.lookups) == 2


async def test_who_was_asked_by_name_and_shares_no_longer_is_passed_over_at_once() -> None:
    async with stage() as it:
        answers = [fibonacci]

        async def changing(key: str, payload: JsonValue, caller: Caller) -> JsonValue:
            return await answers[-1](key, payload, caller)

        it.lists(A, B)
        it.socket.servers = {A: changing, B: fibonacci}
        assert (await it.ask()).peer == A
        answers.append(shares_nothing)
        assert (await it.ask()).peer == B
        assert (await it.ask()).peer == B


async def test_a_refusal_that_others_would_repeat_is_final_on_a_kept_way() -> None:
    async with stage() as it:
        it.socket.servers = {A: refuses}
        for _ in range(2):
            with pytest.raises(RefusedError, match="give a length"):
                await it.ask(str(A))
        assert len(it.socket.connects) == 1


async def test_an_address_whose_connection_is_gone_is_punched_and_reached_again() -> None:
    async with stage() as it:
        it.socket.servers = {A: fibonacci}
        await it.ask(str(A))
        it.socket.streams[-1].abort()
        await settle()
        assert (await it.ask(str(A))).peer == A
        assert (len(it.socket.punches), len(it.socket.connects)) == (2, 2)


async def test_events_are_the_same_on_a_kept_way() -> None:
    async with stage() as it:
        it.lists(A)
        it.socket.servers = {A: fibonacci}
        for _ in range(2):
            await it.ask()
        sent = [each for each in it.hub.told if isinstance(each, RequestSent)]
        assert [(each.service, each.peer) for each in sent] == 2 * [(WORKER, A)]
        assert len(it.hub.of(ReplyReceived)) == 2


def test_ways_are_bounded_and_end() -> None:
    ways = Ways()
    for number in range(WAYS + 1):
        ways.note(str(number), Way(Address("192.0.2.1", 1), "key", "key", until=10.0))
    assert ways.to("0", 0.0) is None
    assert ways.to("1", 9.9) is not None
    assert ways.to("1", 10.0) is None
    ways.lost("2")
    ways.lost("2")
    assert ways.to("2", 0.0) is None

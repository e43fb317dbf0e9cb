"""One peer that shares a service and wants it too."""

import asyncio

import pytest

from core.news.events import Role
from core.rendezvous.roles import UNLISTED_PATIENCE
from core.values import Address
from tests.peer.fakes import CONSUMER, WORKER, A, B, now
from tests.rendezvous.roles_stage import stage
from tests.support.virtual_time import settle

pytestmark = pytest.mark.virtual_time


async def test_with_both_roles_a_consumer_is_not_asked_and_a_worker_is() -> None:
    async with stage() as it:
        it.lists(CONSUMER, A)
        it.lists(WORKER, B)
        it.share()
        it.consume()
        await settle()
        for _ in range(5):
            assert it.roles.on_punch(A) == (Role.CONSUMER, CONSUMER)
            assert it.roles.on_punch(B) == (Role.WORKER, WORKER)
            await asyncio.sleep(0.2)
        assert it.asked_whom() == [B]


async def test_with_both_roles_a_stranger_is_asked_only_if_it_stays_one() -> None:
    """Its punch may overtake its announce; if it is a consumer, a lookup soon says so."""

    async with stage() as it:
        it.share()
        it.consume()
        await settle()
        assert it.roles.on_punch(A) is None
        assert it.roles.on_punch(B) is None
        it.lists(CONSUMER, A)
        for _ in range(20):
            await asyncio.sleep(0.2)
            it.roles.on_punch(A)
            it.roles.on_punch(B)
        assert it.asked_whom() == [B]
        assert it.asked[0][0] >= UNLISTED_PATIENCE


async def test_with_both_roles_a_strangers_punch_looks_it_up_at_once() -> None:
    async with stage() as it:
        it.share()
        it.consume()
        await asyncio.sleep(0.3)
        it.lists(WORKER, A)
        it.roles.on_punch(A)
        await settle()
        assert it.punches == [(0.3, A)]
        assert it.roles.on_punch(A) == (Role.WORKER, WORKER)
        await settle()
        assert it.asked_whom() == [A]
        lookups = len(it.directory.lookups)
        for number in range(100):
            it.roles.on_punch(Address("192.0.2.66", 1 + number))
            await asyncio.sleep(0.01)
        assert len(it.directory.lookups) - lookups <= 22  # two names, ten times a second


async def test_both_roles_together_punch_once_a_second() -> None:
    async with stage() as it:
        it.lists(CONSUMER, A)
        it.lists(WORKER, A)
        it.share()
        await asyncio.sleep(0.4)
        it.consume()
        for _ in range(10):
            await asyncio.sleep(1.0)
            it.roles.on_punch(A)
            it.pacer.alive(A, now())
        assert 10 <= len(it.punches) <= 11

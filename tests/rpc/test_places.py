"""Places: at once while there are any, then first come, first served."""

import asyncio

import pytest

from core.rpc.places import Places
from tests.support.virtual_time import settle

pytestmark = pytest.mark.virtual_time


async def test_a_place_is_taken_at_once_only_while_one_is_free_and_nobody_waits() -> None:
    places = Places(2)
    assert [places.take() for _ in range(3)] == [True, True, False]
    order: list[str] = []

    async def wait(name: str) -> None:
        await places.wait()
        order.append(name)

    async with asyncio.TaskGroup() as group:
        group.create_task(wait("first"))
        group.create_task(wait("second"))
        await settle()
        places.give()
        assert not places.take()  # it is the first one's
        await settle()
        assert order == ["first"]
        places.give()
    assert order == ["first", "second"]
    places.give()
    assert [places.take(), places.take()] == [True, False]


async def test_who_gives_up_waiting_takes_no_place_even_if_it_was_its_turn() -> None:
    places = Places(1)
    assert places.take()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(places.wait()) for _ in range(3)]
        await settle()
        tasks[0].cancel()
        await settle()
        places.give()  # the second one's turn, and it is cancelled before it runs
        tasks[1].cancel()
    assert not places.take()
    places.give()
    assert places.take()

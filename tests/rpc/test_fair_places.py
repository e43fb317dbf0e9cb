"""Places that owners share: bounds of each and of all, turns, and places that are kept."""

import asyncio

from core.rpc.fair_places import FairPlaces
from tests.support.virtual_time import run, settle


def test_one_owner_has_its_bound_and_all_have_theirs() -> None:
    places: FairPlaces[str] = FairPlaces(4, 2)
    assert [places.take("a") for _ in range(3)] == [True, True, False]
    assert [places.take("b"), places.take("c"), places.take("d")] == [True, True, False]
    places.give("a")
    assert places.take("d")
    assert places.state().used == 4


def test_some_are_kept_for_trusted_owners() -> None:
    places: FairPlaces[str] = FairPlaces(4, 4, kept=1)
    assert [places.take("a") for _ in range(4)] == [True, True, True, False]
    assert places.take("friend", trusted=True)


def test_owners_that_wait_take_turns_and_trusted_ones_come_first() -> None:
    async def scene() -> None:
        places: FairPlaces[str] = FairPlaces(1)
        order: list[str] = []

        async def use(owner: str, *, trusted: bool = False) -> None:
            await places.wait(owner, trusted=trusted)
            order.append(owner)
            await asyncio.sleep(1)
            places.give(owner)

        async with asyncio.TaskGroup() as group:
            for owner in ("crowd", "crowd", "crowd", "crowd", "guest", "guest"):
                group.create_task(use(owner))
            await settle()
            group.create_task(use("friend", trusted=True))
        assert order == ["crowd", "friend", "crowd", "guest", "crowd", "guest", "crowd"]
        assert places.state().used == 0

    run(scene())


def test_who_is_cancelled_takes_none() -> None:
    async def scene() -> None:
        places: FairPlaces[str] = FairPlaces(1)
        assert places.take("a")
        async with asyncio.TaskGroup() as group:
            waiting = [group.create_task(places.wait("b")) for _ in range(3)]
            await settle()
            waiting[0].cancel()
            places.give("a")  # goes to the second: the first is gone, though it stands in line
            await settle()
            assert waiting[1].done()
            waiting[2].cancel()
        places.give("b")
        assert places.state().used == 0
        assert places.take("c")

    run(scene())


def test_a_turn_that_comes_while_its_owner_is_cancelled_goes_on() -> None:
    async def scene() -> None:
        places: FairPlaces[str] = FairPlaces(1)
        assert places.take("a")
        async with asyncio.TaskGroup() as group:
            first, second = group.create_task(places.wait("b")), group.create_task(places.wait("c"))
            await settle()
            places.give("a")
            first.cancel()
            await settle()
            assert second.done()

    run(scene())

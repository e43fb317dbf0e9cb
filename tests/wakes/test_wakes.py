"""One event for a sleep and for another network, in virtual time: who hears it, how often, and who is woken by it."""

import asyncio
from collections.abc import Callable

import pytest

from core.values import Address
from core.wakes.detector import EVERY, Clocks
from core.wakes.wakes import APART, Wakes, Why, Woke

pytestmark = pytest.mark.virtual_time


class Place:
    """Our own addresses, as a test says."""

    def __init__(self) -> None:
        self.own: tuple[str, ...] = ("192.168.1.5",)
        self.listeners: list[Callable[[], None]] = []

    def hosts(self) -> tuple[str, ...]:
        return self.own

    def seen(self) -> Address | None:
        return None

    def subscribe(self, listener: Callable[[], None]) -> None:
        self.listeners.append(listener)

    def refresh(self) -> None:
        for listener in self.listeners:
            listener()


class Stage:
    """Wakes on clocks of which one goes on when a test says that we sleep."""

    def __init__(self) -> None:
        self.asleep = 0.0
        self.place = Place()
        self.told: list[tuple[float, Woke]] = []
        self.wakes = Wakes(self.place.refresh, self.clocks, bus=False)
        self.wakes.follow(self.place)
        self.wakes.subscribe(lambda event: self.told.append((round(now(), 1), event)))
        self.wakes.start()

    def clocks(self) -> Clocks:
        return Clocks(now(), now() + self.asleep, exact=True)


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_a_sleep_is_told_within_a_second_and_once() -> None:
    it = Stage()
    await asyncio.sleep(10.5)
    assert it.told == []
    it.asleep = 3600.0
    await asyncio.sleep(20.0)
    assert it.told == [(11.0, Woke(Why.SLEPT, 3600.0))]
    await it.wakes.aclose()


async def test_a_new_network_is_told_and_what_comes_at_once_after_is_told_together() -> None:
    it = Stage()
    await asyncio.sleep(1.5)
    it.place.own = ("10.0.0.7",)
    it.asleep = 60.0  # a laptop that is opened elsewhere
    await asyncio.sleep(0.6)
    it.wakes.slept()  # logind tells, too
    await asyncio.sleep(20.0)
    assert [at for at, _ in it.told] == [2.0, 2.0 + APART]
    await it.wakes.aclose()
    it.place.own = ("10.9.9.9",)
    it.place.refresh()
    assert len(it.told) == 2  # nobody is told any longer


async def test_a_pause_ends_when_something_happens() -> None:
    it = Stage()
    assert not await it.wakes.rest(0.5)
    assert now() == 0.5
    it.asleep = 60.0
    assert await it.wakes.rest(60.0), "who pauses hears why it ended"
    assert now() == EVERY
    assert not await it.wakes.rest(3.0)
    assert now() == EVERY + 3.0  # an event of before ends no later pause
    await it.wakes.aclose()

"""One side of a pairing, in virtual time: announce, look up, punch; at once, every second, and through trouble."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import pytest

from core.directory.announcer import BRISK, EACH, REANNOUNCE, SELDOM
from core.directory.names import Watch
from core.errors import PeerError, Unreachable
from core.rendezvous.pacer import PunchPacer
from core.rendezvous.pairing import MAX_PUNCHED, QUIET_AFTER, QUIET_TICK, TOLD_QUIET_AFTER, Pairing
from core.services.names import Role, RoleName
from core.values import Address
from tests.peer.fakes import CONSUMER, US, WORKER, A, B, FakeDirectory, FakePlace, now, play
from tests.support.virtual_time import settle

pytestmark = pytest.mark.virtual_time

ANNOUNCING, SEEKING = f"announce {WORKER}", f"look up {CONSUMER}"


class Stage:
    """A worker's pairing and everything it told."""

    def __init__(self) -> None:
        self.directory: FakeDirectory = FakeDirectory()
        self.punches: list[tuple[float, Address]] = []
        self.listings: list[list[Address]] = []
        self.announced: list[int] = []
        self.pacer = PunchPacer(lambda address: self.punches.append((now(), address)))
        self.problems: list[tuple[str, PeerError | None]] = []
        self.head_start = 0.0
        self.pairing = self.pair()

    def pair(self) -> Pairing:
        return Pairing(
            RoleName("fibonacci", Role.WORKER),
            place=FakePlace(),
            directory=self.directory,
            told=list,
            pacer=self.pacer,
            head_start=lambda: self.head_start,
            on_listing=lambda listing: self.listings.append(list(listing)),
            on_announced=self.announced.append,
            on_problem=lambda name, error: self.problems.append((name, error)),
        )

    def lists(self, *addresses: Address) -> None:
        self.directory.listings[CONSUMER] = list(addresses)

    def punched(self, address: Address) -> list[float]:
        """Return when an address was punched, in tenths of a second."""
        return [round(at, 1) for at, whom in self.punches if whom == address]


def stage() -> AbstractAsyncContextManager[Stage]:
    return play(Stage, lambda made: made.pairing.aclose())


async def test_the_first_tick_is_at_once_and_reaches_everyone_listed() -> None:
    async with stage() as it:
        it.lists(A, B)
        it.pairing.start()
        await settle()
        assert now() == 0.0
        assert it.directory.announces == [(0.0, WORKER, US.port)]
        assert it.listings == [[A, B]]
        assert it.punches == [(0.0, A), (0.0, B)]
        assert it.announced == [1]
        assert it.pairing.lists(A)


async def test_it_looks_up_and_punches_every_second() -> None:
    async with stage() as it:
        it.lists(A)
        it.pairing.start()
        for _ in range(10):
            await asyncio.sleep(1.0)
            it.pacer.alive(A, now())
        assert it.punched(A) == [float(second) for second in range(11)]
        assert [round(at, 3) for at, _ in it.directory.lookups][:10] == [float(second) for second in range(10)]


async def test_the_silent_are_punched_less_often() -> None:
    async with stage() as it:
        it.lists(A, B)
        it.pairing.start()
        for _ in range(60):
            await asyncio.sleep(1.0)
            it.pacer.alive(A, now())
        assert len(it.punched(A)) == 61
        assert 5 <= len(it.punched(B)) <= 10


async def test_who_is_new_in_the_listing_is_punched_with_the_lookup_that_shows_it() -> None:
    async with stage() as it:
        it.directory.delay = 0.3
        it.pairing.start()
        await asyncio.sleep(5.0)
        it.lists(B)
        await asyncio.sleep(1.5)
        assert [at for at, _ in it.punches][:1] == [5.3]


async def test_our_announce_is_renewed() -> None:
    async with stage() as it:
        it.pairing.start()
        await asyncio.sleep(3 * REANNOUNCE + 1)
        assert [round(at, 3) for at, *_ in it.directory.announces] == [0.0, 5.0, 10.0, 15.0]


@pytest.mark.parametrize(("nodes", "pause"), [(1, EACH), (5, 5 * EACH), (20, SELDOM)])
async def test_an_announce_that_holds_is_renewed_less_often_the_more_grapes_have_it(nodes: int, pause: float) -> None:
    async with stage() as it:
        it.directory.nodes = nodes
        it.pairing.start()
        await asyncio.sleep(BRISK + 1.0)
        assert len(it.directory.announces) == 1 + BRISK / REANNOUNCE
        await asyncio.sleep(5 * SELDOM)
        last, before = it.directory.announces[-1][0], it.directory.announces[-2][0]
        assert round(last - before, 3) == pause
        it.directory.nodes = nodes - 1  # one of them did not take it
        it.pairing.nudge()
        await settle()
        failed = now()
        await asyncio.sleep(REANNOUNCE)
        await settle()
        assert it.directory.announces[-1][0] == pytest.approx(failed + REANNOUNCE)


async def test_a_nudge_announces_and_looks_up_at_once_but_a_flurry_of_them_is_bounded() -> None:
    async with stage() as it:
        it.pairing.start()
        await asyncio.sleep(2.5)
        it.pairing.nudge()
        await settle()
        assert it.directory.announces[-1][0] == it.directory.lookups[-1][0] == 2.5
        calls = len(it.directory.announces) + len(it.directory.lookups)
        for _ in range(100):
            it.pairing.nudge()
            await asyncio.sleep(0.01)
        assert len(it.directory.announces) + len(it.directory.lookups) - calls <= 22


async def test_while_the_grape_fails_the_last_listing_is_kept_and_punched() -> None:
    async with stage() as it:
        it.lists(A)
        it.pairing.start()
        await asyncio.sleep(0.5)
        it.directory.error = Unreachable("no grape")
        it.directory.delay = 7.5  # three tries of 2.5 s each, as the link has it
        listings = len(it.listings)
        for _ in range(10):
            await asyncio.sleep(1.0)
            it.pacer.alive(A, now())
        assert len(it.listings) == listings
        assert it.pairing.lists(A)
        assert it.punched(A) == [float(second) for second in range(11)]


async def test_every_outcome_is_told_by_name_and_the_loop_goes_on() -> None:
    async with stage() as it:
        it.directory.error = failure = Unreachable("no grape")
        it.pairing.start()
        await settle()
        assert sorted(it.problems, key=lambda each: each[0]) == [(ANNOUNCING, failure), (SEEKING, failure)]
        assert it.announced == [0]
        it.directory.error = None
        await asyncio.sleep(REANNOUNCE + 0.1)
        assert (ANNOUNCING, None) in it.problems
        assert (SEEKING, None) in it.problems
        assert it.announced[-1] == 1


async def test_nobody_listed_is_an_empty_listing_and_no_problem() -> None:
    async with stage() as it:
        it.pairing.start()
        await settle()
        assert it.listings == [[]]
        assert it.problems.count((SEEKING, None)) == 1


async def test_a_huge_listing_is_cut() -> None:
    async with stage() as it:
        it.lists(*(Address("192.0.2.1", 1 + number) for number in range(1000)))
        it.pairing.start()
        await settle()
        assert len(it.punches) == len(it.listings[0]) == MAX_PUNCHED


async def test_nothing_is_called_once_closing_began() -> None:
    async with stage() as it:
        it.lists(A)
        it.directory.delay = 0.5
        it.pairing.start()
        await asyncio.sleep(0.5)  # the answers arrive in this very moment
        told = len(it.listings) + len(it.announced) + len(it.problems)
        await it.pairing.aclose()
        await asyncio.sleep(10)
        assert len(it.listings) + len(it.announced) + len(it.problems) == told
        assert len(it.directory.announces) == 1


async def test_after_minutes_without_anybody_it_looks_less_often_until_somebody_is_there() -> None:
    async with stage() as it:
        it.pairing.start()
        await asyncio.sleep(QUIET_AFTER - 10.0)
        before = len(it.directory.lookups)
        await asyncio.sleep(9.0)
        assert len(it.directory.lookups) - before == 9
        await asyncio.sleep(11.0)
        before = len(it.directory.lookups)
        await asyncio.sleep(10 * QUIET_TICK)
        assert len(it.directory.lookups) - before == 10
        it.lists(A)
        await asyncio.sleep(QUIET_TICK)
        before = len(it.directory.lookups)
        await asyncio.sleep(10.0)
        assert len(it.directory.lookups) - before == 10


class Telling(FakeDirectory):
    """A directory that tells of newcomers, when `granted`."""

    def __init__(self) -> None:
        super().__init__()
        self.watches: list[float] = []
        self.told_for = 25.0
        self.on_news: Callable[[], None] = lambda: None

    async def watch(self, name: str, on_news: Callable[[], None]) -> Watch:
        self.watches.append(now())
        self.on_news = on_news
        if self.error is not None:
            raise self.error
        return Watch(list(self.listings.get(name, [])), self.told_for)


@contextlib.asynccontextmanager
async def telling() -> AsyncIterator[tuple[Stage, Telling]]:
    made, directory = Stage(), Telling()
    made.directory = directory
    made.pairing = made.pair()
    made.pairing.start()
    yield made, directory
    await made.pairing.aclose()


async def test_grapes_that_tell_of_newcomers_are_asked_seldom_and_heard_at_once() -> None:
    async with telling() as (it, grapes):
        await asyncio.sleep(TOLD_QUIET_AFTER + 30.0)
        before = len(grapes.watches)
        await asyncio.sleep(10 * grapes.told_for)
        assert len(grapes.watches) - before == 10
        assert grapes.lookups == []
        await asyncio.sleep(1.0)
        it.lists(A)
        grapes.on_news()
        await settle()
        assert it.punched(A) == [round(now(), 1)]


async def test_grapes_that_tell_nothing_are_asked_in_full_only_when_somebody_is_there() -> None:
    async with telling() as (it, grapes):
        grapes.told_for = 0.0
        await asyncio.sleep(QUIET_AFTER + 10.0)
        assert grapes.lookups == []
        before = len(grapes.watches)
        await asyncio.sleep(10 * QUIET_TICK)
        assert len(grapes.watches) - before == 10
        it.lists(A)
        await asyncio.sleep(QUIET_TICK)
        assert len(grapes.lookups) >= 1
        assert it.pairing.lists(A)


async def test_what_tells_no_longer_is_asked_often_again() -> None:
    async with telling() as (it, grapes):
        await asyncio.sleep(QUIET_AFTER + 50.0)
        grapes.error = Unreachable("no grape")
        it.pairing.nudge()
        await asyncio.sleep(1.0)
        before = len(grapes.watches)
        await asyncio.sleep(10 * QUIET_TICK)
        assert len(grapes.watches) - before == 10

"""When a consumer asks which worker, in virtual time."""

import asyncio
import itertools
from contextlib import AbstractAsyncContextManager

import pytest

from core.calling.poller import (
    ASK_AGAIN,
    ASK_UNHEARD_AFTER,
    MAX_AT_ONCE,
    MAX_UNHEARD,
    PAUSES,
    Requester,
)
from core.errors import PeerError, RefusedError, RequestTimeout, TransportClosed
from core.reach.held_back import HeldBack
from core.serving.refusals import UnknownService
from core.values import Address
from tests.peer.fakes import A, B, now, play
from tests.support.virtual_time import settle

pytestmark = pytest.mark.virtual_time


class Stage:
    """A requester whose answers a test decides."""

    def __init__(self) -> None:
        self.asked: list[tuple[float, Address]] = []
        self.failures: list[tuple[Address, str]] = []
        self.error: PeerError | None = None
        self.takes = 0.0  # seconds
        self.at_once = self.most_at_once = 0
        self.requester = Requester(self._ask, lambda address, error: self.failures.append((address, error.name)))

    async def _ask(self, address: Address) -> None:
        self.asked.append((round(now(), 3), address))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(self.takes)
        finally:
            self.at_once -= 1
        if self.error is not None:
            raise self.error

    async def punched_for(self, seconds: int, address: Address = A) -> None:
        """Be punched every second."""
        for _ in range(seconds):
            self.requester.on_punch(address)
            await asyncio.sleep(1.0)


def stage() -> AbstractAsyncContextManager[Stage]:
    return play(Stage, lambda made: made.requester.aclose())


async def test_the_first_punch_is_asked_at_once_and_then_every_so_often() -> None:
    async with stage() as it:
        await it.punched_for(12)
        assert it.asked == [(0.0, A), (ASK_AGAIN, A), (2 * ASK_AGAIN, A)]


async def test_five_punches_of_one_series_are_one_request() -> None:
    async with stage() as it:
        it.takes = 1.0
        for _ in range(5):
            it.requester.on_punch(A)
            await asyncio.sleep(0.05)
        assert len(it.asked) == 1


async def test_who_is_listed_and_silent_is_asked_after_a_while() -> None:
    async with stage() as it:
        for _ in range(8):
            it.requester.on_listing([A])
            await asyncio.sleep(1.0)
        assert it.asked == [(ASK_UNHEARD_AFTER, A), (ASK_UNHEARD_AFTER + ASK_AGAIN, A)]


async def test_a_punch_from_a_listed_worker_does_not_wait() -> None:
    async with stage() as it:
        it.requester.on_listing([A])
        await asyncio.sleep(0.3)
        it.requester.on_punch(A)
        await settle()
        assert it.asked == [(0.3, A)]


async def test_failures_make_it_ask_less_often() -> None:
    async with stage() as it:
        it.error = RequestTimeout("no answer")
        for _ in range(1000):
            it.requester.on_listing([A])
            await asyncio.sleep(0.1)
        ats = [at for at, _ in it.asked]
        pauses = [round(b - a) for a, b in itertools.pairwise(ats)]
        assert pauses == [round(pause) for pause in PAUSES]


async def test_who_punches_is_asked_again_soon_in_spite_of_failures() -> None:
    """It may have restarted, or shares again."""

    async with stage() as it:
        it.error = RequestTimeout("no answer")
        await it.punched_for(100)
        ats = [at for at, _ in it.asked]
        assert max(b - a for a, b in itertools.pairwise(ats)) <= ASK_AGAIN


async def test_a_failure_is_told_once_until_it_changes_or_is_over() -> None:
    async with stage() as it:
        it.error = RequestTimeout("no answer")
        await it.punched_for(30)
        it.error = TransportClosed("gone")
        await it.punched_for(30)
        assert it.failures == [(A, "ERR_TIMEOUT"), (A, "ERR_TRANSPORT_CLOSE")]
        it.error = None
        await it.punched_for(30)
        it.error = TransportClosed("gone")
        await it.punched_for(30)
        assert len(it.failures) == 3


async def test_that_somebody_is_no_worker_is_no_failure_to_tell() -> None:
    async with stage() as it:
        it.error = RefusedError("nothing is shared here", name=UnknownService.name)
        await it.punched_for(10)
        assert it.failures == []
        assert 2 <= len(it.asked) <= 5


async def test_patience_asks_only_who_still_punches_by_then() -> None:
    async with stage() as it:
        it.requester.on_punch(B, patience=1.5)
        for _ in range(4):
            it.requester.on_punch(A, patience=1.5)
            await asyncio.sleep(1.0)
        assert it.asked == [(2.0, A)]


async def test_a_flood_of_punches_starts_a_bounded_number_of_requests() -> None:
    """Also when more addresses of a host punch than are remembered: those being asked are forgotten then."""

    async with stage() as it:
        it.takes = 10.0
        for number in range(3 * 1024):
            it.requester.on_punch(Address("192.0.2.1", 1 + number))
            it.requester.on_listing([Address("192.0.2.2", 1 + number)])
            if not number % 100:
                await settle(2)
        await settle()
        assert it.most_at_once == MAX_AT_ONCE


async def test_stale_listings_leave_room_for_who_punches() -> None:
    async with stage() as it:
        it.takes = 10.0
        listing = [Address("192.0.2.1", 1 + number) for number in range(100)]
        it.requester.on_listing(listing)
        await asyncio.sleep(ASK_UNHEARD_AFTER)
        it.requester.on_listing(listing)
        await settle()
        assert len(it.asked) == MAX_UNHEARD
        it.requester.on_punch(B)
        await settle()
        assert it.asked[-1][1] == B


async def test_closing_gives_up_and_what_comes_later_is_ignored() -> None:
    async with stage() as it:
        it.takes = 10.0
        it.requester.on_punch(A)
        await settle()
        await it.requester.aclose()
        assert it.at_once == 0
        it.requester.on_punch(B)
        await asyncio.sleep(ASK_UNHEARD_AFTER)
        it.requester.on_listing([A, B])
        await settle()
        assert len(it.asked) == 1
        assert it.failures == []


async def test_what_is_held_back_is_no_failure_and_is_tried_again() -> None:
    async with stage() as it:
        it.error = HeldBack("it has not answered")
        await it.punched_for(3)
        it.error = None
        await it.punched_for(3)
        assert it.failures == []
        assert len(it.asked) == 4


@pytest.mark.parametrize("takes", [0.0, 0.1])
async def test_one_that_was_held_back_is_asked_at_once_when_it_is_listed_and_then_each_second(takes: float) -> None:
    """On one network a punch may come some milliseconds before the lookup that names its sender."""
    async with stage() as it:
        it.error, it.takes = HeldBack("it has not answered"), takes
        it.requester.on_punch(A)
        await asyncio.sleep(0.01)
        it.requester.on_listing([A])
        await asyncio.sleep(0.29)
        assert [at for at, _ in it.asked] == [0.0, max(0.01, takes)]
        for _ in range(20):  # listings come fast while the grapes around us change
            it.requester.on_listing([A])
            await asyncio.sleep(0.1)
        asked = len(it.asked)
        assert asked in (3, 4), "one a second, as before"
        it.error = None
        it.requester.on_listing([])
        await asyncio.sleep(0.2)
        it.requester.on_listing([A])
        await settle()
        assert len(it.asked) == asked + 1

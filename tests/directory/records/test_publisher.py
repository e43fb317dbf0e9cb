"""When our record is put, and what it then says, on a clock moved by hand."""

import asyncio
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from core.directory.records.check import SALT, RecordMissing
from core.directory.records.finder import Finder
from core.directory.records.publisher import JITTER, LIFE, LOOK, PAUSE, REFRESH, RETRY, Offer, Publisher
from core.errors import PeerError, RefusedError, RequestTimeout
from core.identity.identity import Identity
from core.values import Address
from core.wire.peer_record import PeerRecord
from tests.directory.records.fakes import HERE, START, Clock, FakeStore, answer, record_of

US = Identity.from_secret(b"\1" * 32)
THERE = Address("192.0.2.2", 4000)
SHARING = Offer.of(["fibonacci"], [HERE])


class Stage:
    """A publisher, what it offers, and a grape."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.store = FakeStore(self.clock)
        self.offer = Offer()
        self.problems: list[PeerError | None] = []
        self.publisher = self.reborn()

    def reborn(self) -> Publisher:
        return Publisher(
            US, self.store, lambda: self.offer, clock=self.clock, monotonic=self.clock, random=Random(4),
            on_problem=self.problems.append,
        )  # fmt: skip

    def run(self, seconds: float) -> list[float]:
        """Let time pass; return when puts were tried, in seconds from now."""
        began, tried = self.clock.now, []
        with asyncio.Runner() as runner:
            while self.clock.now <= began + seconds:
                before = len(self.store.puts)
                pause = runner.run(self.publisher.step())
                assert 0 < pause <= RETRY[1]
                if len(self.store.puts) > before:
                    tried.append(self.clock.now - began)
                self.clock.now += pause
        return tried

    def found(self) -> PeerRecord:
        return asyncio.run(Finder(self.store, self.clock).find(US.peer_id))


def test_nothing_is_put_before_something_is_shared() -> None:
    it = Stage()
    assert it.run(3600) == []
    assert it.store.gets == 0


def test_it_is_put_at_once_and_says_what_is_shared() -> None:
    it = Stage()
    it.offer = Offer.of(["fibonacci", "echo"], [HERE, THERE, HERE])
    assert it.run(0) == [0]
    assert it.found() == PeerRecord(US.peer_id, ("echo", "fibonacci"), (HERE, THERE), int(START), int(START) + LIFE)
    assert it.store.puts == [int(START)]
    assert it.problems == [None]


def test_it_is_renewed_with_jitter_before_it_expires() -> None:
    it = Stage()
    it.offer = SHARING
    times = it.run(12 * 3600)
    gaps = [after - before for before, after in pairwise(times)]
    assert all(REFRESH * (1 - JITTER) <= gap <= REFRESH * (1 + JITTER) for gap in gaps)
    assert len({round(gap) for gap in gaps}) > 10
    assert abs(sum(gaps) / len(gaps) - REFRESH) < REFRESH * 0.05
    assert it.store.puts == sorted(set(it.store.puts))
    assert it.found()
    assert REFRESH * (1 + JITTER) * 2 < LIFE  # one renewal may fail


def test_a_change_is_put_soon_but_a_flurry_is_put_once_a_pause() -> None:
    it = Stage()
    it.offer = SHARING
    it.run(60)
    before = len(it.store.puts)
    for number in range(100):
        it.offer = Offer.of(["fibonacci"], [HERE, Address("192.0.2.2", 4000 + number)])
        it.run(0.1)
    assert it.clock.now - START > 10
    assert len(it.store.puts) - before <= (it.clock.now - START - 60) / PAUSE + 1
    it.run(PAUSE)
    assert it.found().addresses == it.offer.addresses


def test_an_address_that_nobody_told_us_of_is_noticed() -> None:
    it = Stage()
    it.offer = SHARING
    it.run(30)
    it.offer = Offer.of(["fibonacci"], [THERE])
    (at,) = it.run(2 * LOOK)
    assert at <= LOOK
    assert it.found().addresses == (THERE,)


def test_two_changes_within_a_second_have_two_sequence_numbers() -> None:
    it = Stage()
    it.offer = SHARING
    asyncio.run(it.publisher.step())
    asyncio.run(it.publisher.aclose())
    assert it.store.puts == [int(START), int(START) + 1]


def test_unshared_it_is_emptied_and_then_left_alone() -> None:
    it = Stage()
    it.offer = SHARING
    it.run(30)
    it.offer = Offer((), (HERE,))
    assert len(it.run(3600)) == 1
    it.clock.now = START + 60
    with pytest.raises(RecordMissing, match="shares nothing"):
        it.found()


def test_closing_takes_it_back() -> None:
    it = Stage()
    it.offer = SHARING
    it.run(30)
    asyncio.run(it.publisher.aclose())
    with pytest.raises(RecordMissing):
        it.found()


def test_closing_takes_back_what_may_have_been_stored() -> None:
    it = Stage()
    it.offer = SHARING
    put = it.store.put

    async def stores_and_says_nothing(*given: Any, **more: Any) -> str:  # noqa: ANN401 - the put's own
        await put(*given, **more)
        raise RequestTimeout("the answer was lost")

    it.store.put = stores_and_says_nothing  # type: ignore[method-assign]
    it.run(0)
    assert it.found()
    it.store.put = put  # type: ignore[method-assign]
    asyncio.run(it.publisher.aclose())
    with pytest.raises(RecordMissing):
        it.found()


def test_closing_without_a_record_puts_none_and_a_slow_grape_does_not_hold_it_up() -> None:
    it = Stage()
    asyncio.run(it.publisher.aclose())
    assert it.store.puts == []
    it.offer = SHARING
    it.run(0)

    async def never(*_: object, **__: object) -> str:
        await asyncio.sleep(1e6)
        return ""

    it.store.put = never  # type: ignore[method-assign]

    async def close() -> float:
        began = asyncio.get_running_loop().time()
        await it.publisher.aclose()
        return asyncio.get_running_loop().time() - began

    assert asyncio.run(close()) < 5


def test_a_failure_is_told_and_tried_again_ever_less_often() -> None:
    it = Stage()
    it.offer = SHARING
    it.run(0)
    it.store.error = RequestTimeout("no grape answers")
    it.problems.clear()
    it.publisher.changed(renew=True)
    times = it.run(600)
    gaps = [after - before for before, after in pairwise(times)]
    assert gaps[:5] == [5, 10, 20, 40, 60]
    assert set(gaps[5:]) == {60}
    assert it.problems == [it.store.error] * len(times)
    it.store.error = None
    assert it.run(60)
    assert it.problems[-1] is None
    assert it.found()


def test_grapes_new_to_us_get_it_at_once() -> None:
    it = Stage()
    it.offer = SHARING
    it.run(30)
    it.publisher.changed()
    assert it.run(1) == []
    it.publisher.changed(renew=True)
    assert it.run(1) == [0]


def test_after_a_restart_with_a_clock_set_back_it_goes_on_from_what_is_stored() -> None:
    it = Stage()
    it.offer = SHARING
    it.clock.now += 3000
    it.run(0)
    it.clock.now = START
    it.publisher = it.reborn()
    it.offer = Offer.of(["echo"], [HERE])
    assert it.run(0) == [0]
    assert it.store.puts == [int(START) + 3000, int(START) + 3001]
    assert it.found().services == ("echo",)


def test_a_newer_one_of_ours_turning_up_is_overtaken() -> None:
    it = Stage()
    it.offer = SHARING
    it.run(0)
    newer = answer(US, record_of(US, services=("old",)), int(START) + 5000)
    asyncio.run(
        it.store.put(
            newer["v"], key=US.peer_id.key, signature=bytes.fromhex(str(newer["sig"])), sequence=int(START) + 5000,
            salt=SALT,
        )
    )  # fmt: skip
    it.offer = Offer.of(["echo"], [HERE])
    it.run(3 * RETRY[0])
    assert [type(problem) for problem in it.problems] == [type(None), RefusedError, type(None)]
    assert it.store.puts[-1] == int(START) + 5001
    assert it.found().services == ("echo",)


def test_a_clock_that_jumps_renews_it() -> None:
    """A laptop that slept: its monotone clock stood still, and for everybody else the record expired."""
    it = Stage()
    wall = Clock()
    it.publisher = Publisher(US, it.store, lambda: SHARING, clock=wall, monotonic=it.clock, random=Random(4))
    it.run(30)
    assert len(it.store.puts) == 1
    wall.now += 4000
    assert it.run(0) == [0]


def test_it_runs_by_itself_from_start_to_close() -> None:
    it = Stage()

    async def whole() -> None:
        put = asyncio.Event()
        publisher = Publisher(US, it.store, lambda: it.offer, clock=it.clock, on_problem=lambda error: put.set())
        publisher.start()
        await asyncio.sleep(0)
        it.offer = SHARING
        publisher.changed()
        async with asyncio.timeout(4):  # seconds: less than LOOK, so that being told is what woke it
            await put.wait()
        await publisher.aclose()

    asyncio.run(whole())
    assert it.store.puts == [int(START), int(START) + 1]


def test_only_the_last_process_of_a_profile_takes_the_record_back() -> None:
    """FAULTS F7: two `share` of one profile, one ended, and the other was not found for 293 s."""
    it = Stage()
    alone = [False]
    other = Publisher(
        US, it.store, lambda: SHARING, clock=it.clock, monotonic=it.clock, random=Random(5), alone=lambda: alone[0]
    )
    it.offer = Offer.of(["fibonacci"], [THERE])
    it.publisher = Publisher(
        US, it.store, lambda: it.offer, clock=it.clock, monotonic=it.clock, random=Random(4), alone=lambda: alone[0]
    )
    asyncio.run(other.step())
    it.run(10)
    assert it.found().addresses == (THERE,)
    asyncio.run(it.publisher.aclose())
    assert it.found().addresses == (THERE,)
    alone[0] = True
    asyncio.run(other.step())  # within LOOK seconds
    assert it.found().addresses == (HERE,)
    asyncio.run(other.aclose())
    with pytest.raises(RecordMissing):
        it.found()

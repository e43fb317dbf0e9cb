"""The race for an address that can be reached, in virtual time."""

import asyncio

import pytest

from core.calling.race import MAX_AGAIN, MAX_LISTED, MAX_TRIED, STAGGER, Race, by_turns
from core.errors import LocalError, PeerError, RemoteError, RequestTimeout, TransportClosed
from core.reach.held_back import HeldBack
from core.values import Address
from tests.peer.fakes import A, B, C, now
from tests.support.virtual_time import run, settle

MANY = [Address("198.51.100.1", 1 + number) for number in range(1000)]


class Paths:
    """Which addresses answer, after how long; the others swallow everything."""

    def __init__(self, **answers: float) -> None:
        self.answers = {{"a": A, "b": B, "c": C}[name]: seconds for name, seconds in answers.items()}
        self.refuse: dict[Address, PeerError] = {}
        self.tried: list[tuple[float, Address]] = []

    async def connect(self, address: Address, timeout: float) -> None:
        self.tried.append((round(now(), 3), address))
        if address in self.refuse:
            raise self.refuse[address]
        await asyncio.sleep(self.answers.get(address, timeout))
        if address not in self.answers:
            raise RequestTimeout(f"{address} did not answer")


def test_the_first_that_connects_wins_and_candidates_start_apart() -> None:
    async def scene() -> None:
        paths = Paths(b=0.3, c=0.01)
        assert await Race(paths.connect, 10.0).winner([A, B, C]) == C
        assert paths.tried == [(0.0, A), (STAGGER, B), (2 * STAGGER, C)]
        assert now() == pytest.approx(2 * STAGGER + 0.01)

    run(scene())


def test_both_kinds_take_turns_and_a_dead_one_costs_a_pause() -> None:
    six = [Address(f"2001:db8::{number}", 1) for number in range(1, 4)]
    assert by_turns([A, B, C, *six]) == [A, six[0], B, six[1], C, six[2]]
    assert by_turns([six[0], A, six[1], six[2]]) == [six[0], A, six[1], six[2]]
    assert by_turns([A, B]) == [A, B]
    assert by_turns([]) == []

    async def scene() -> None:
        paths = Paths(c=0.01)
        assert await Race(paths.connect, 10.0).winner([*six, C]) == C
        assert now() == pytest.approx(STAGGER + 0.01)

    run(scene())


def test_a_winner_spares_the_others() -> None:
    async def scene() -> None:
        paths = Paths(a=0.1, b=0.1)
        assert await Race(paths.connect, 10.0).winner([A, B, C]) == A
        assert [address for _, address in paths.tried] == [A]

    run(scene())


def test_a_sign_of_life_jumps_the_queue() -> None:
    async def scene() -> None:
        paths = Paths(c=0.01)
        race = Race(paths.connect, 10.0)
        asyncio.get_running_loop().call_later(0.05, race.add, C)
        assert await race.winner([*MANY[:20], C]) == C
        assert now() == pytest.approx(0.06)
        assert [address for _, address in paths.tried].count(C) == 1

    run(scene())


def test_an_address_that_nobody_listed_joins() -> None:
    async def scene() -> None:
        race = Race(Paths(b=0.01).connect, 10.0)
        asyncio.get_running_loop().call_later(3.0, race.add, B)
        assert await race.winner([A]) == B
        assert now() == pytest.approx(3.01)

    run(scene())


def test_when_all_have_failed_it_fails_at_once_with_the_last_error() -> None:
    async def scene() -> None:
        paths = Paths()
        paths.refuse = {A: TransportClosed("refused by a"), B: TransportClosed("refused by b")}
        with pytest.raises(TransportClosed, match="refused by b"):
            await Race(paths.connect, 10.0).winner([A, B])
        assert now() == STAGGER

    run(scene())


def test_with_patience_it_waits_for_somebody_to_punch_us() -> None:
    async def scene() -> None:
        paths = Paths(b=0.01)
        paths.refuse = {A: TransportClosed("refused")}
        race = Race(paths.connect, 10.0, patient=True)
        asyncio.get_running_loop().call_later(5.0, race.add, B)
        assert await race.winner([A]) == B

    run(scene())


def test_somebody_nobody_listed_who_turns_out_to_be_another_ends_nothing() -> None:
    async def scene() -> None:
        paths = Paths(b=0.01)
        paths.refuse = {C: RemoteError("another peer", name="ERR_WRONG_PEER")}
        race = Race(paths.connect, 10.0)
        loop = asyncio.get_running_loop()
        loop.call_later(1.0, lambda: race.add(C, listed=False))
        loop.call_later(2.0, race.add, B)
        assert await race.winner([]) == B

    run(scene())


def test_losing_patience_after_all_have_failed_ends_it() -> None:
    async def scene() -> None:
        paths = Paths()
        paths.refuse = {A: TransportClosed("refused")}
        race = Race(paths.connect, 10.0, patient=True)
        asyncio.get_running_loop().call_later(1.0, race.lose_patience)
        with pytest.raises(TransportClosed, match="refused"):
            await race.winner([A])
        assert now() == 1.0

    run(scene())


def test_a_time_out_names_who_was_tried_and_not_a_hundred_of_them() -> None:
    async def scene() -> None:
        with pytest.raises(RequestTimeout) as caught:
            await Race(Paths().connect, 10.0).winner([A])
        assert str(caught.value) == "no connection within 10 s; tried 192.0.2.1:1"
        with pytest.raises(RequestTimeout) as caught:
            await Race(Paths().connect, 10.0).winner(MANY)
        assert len(str(caught.value)) < 300
        assert f"and {MAX_LISTED - 8} more" in str(caught.value)

    run(scene())


def test_the_excluded_are_not_tried_even_when_they_punch() -> None:
    async def scene() -> None:
        paths = Paths(a=0.01, b=0.01)
        race = Race(paths.connect, 10.0, excluded=[A])
        asyncio.get_running_loop().call_soon(race.add, A)
        assert await race.winner([A, B]) == B
        assert [address for _, address in paths.tried] == [B]

    run(scene())


def test_what_is_tried_is_bounded() -> None:
    async def scene() -> None:
        paths = Paths()
        race = Race(paths.connect, 20.0)

        def flood() -> None:
            for address in MANY:
                race.add(address)

        asyncio.get_running_loop().call_later(1.0, flood)
        with pytest.raises(RequestTimeout):
            await race.winner(MANY[500:600])
        assert len(paths.tried) == MAX_TRIED

    run(scene())


def test_an_end_from_outside_and_additions_after_it() -> None:
    async def scene() -> None:
        race = Race(Paths().connect, 10.0)
        asyncio.get_running_loop().call_later(1.0, race.abandon, TransportClosed("closing"))
        with pytest.raises(TransportClosed, match="closing"):
            await race.winner([A])
        race.add(B)
        race.abandon(TransportClosed("again"))
        await settle()
        assert now() == 1.0
        assert race.hosts() == {A.host}

    run(scene())


def test_a_punch_that_arrives_while_it_ends_is_ignored() -> None:
    async def scene() -> None:
        paths = Paths()
        late: list[Exception | None] = []

        async def connect(address: Address, timeout: float) -> None:
            try:
                await paths.connect(address, 1e6)
            finally:  # given up: the search is closing its attempts at this moment
                try:
                    race.add(B)
                    late.append(None)
                except LocalError as error:
                    late.append(error)

        race = Race(connect, 1.0)
        with pytest.raises(RequestTimeout):
            await race.winner([A])
        assert late == [None]

    run(scene())


def test_a_bug_in_connecting_costs_that_attempt_only() -> None:
    async def connect(address: Address, timeout: float) -> None:
        if address == A:
            raise ValueError("a bug")
        await asyncio.sleep(0.01)

    async def scene() -> list[str]:
        heard: list[str] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: heard.append(context["message"]))
        assert await Race(connect, 10.0).winner([A, B]) == B
        return heard

    assert len(run(scene())) == 1


def test_who_was_held_back_is_tried_when_it_gives_a_sign_of_life() -> None:
    async def scene() -> None:
        paths = Paths(a=0.01)
        paths.refuse[A] = HeldBack("it has not answered")
        race = Race(paths.connect, 10.0, patient=True)
        loop = asyncio.get_running_loop()
        loop.call_later(2.0, paths.refuse.clear)
        loop.call_later(3.0, race.add, A)
        assert await race.winner([A]) == A
        assert paths.tried == [(0.0, A), (3.0, A)]
        assert race.hosts() == {A.host}

    run(scene())


def test_an_address_that_failed_is_tried_again_when_it_gives_a_sign_of_life_but_not_for_ever() -> None:
    async def scene() -> None:
        paths = Paths()
        race = Race(paths.connect, 10.0, patient=True)
        paths.refuse[A] = PeerError("no")
        search = asyncio.get_running_loop().create_task(race.winner([A]))
        for _ in range(10):
            await asyncio.sleep(0.1)
            race.add(A)
        assert len(paths.tried) == 1 + MAX_AGAIN
        search.cancel()
        await asyncio.gather(search, return_exceptions=True)

    run(scene())


def test_a_way_that_was_opened_after_the_first_try_wins() -> None:
    async def scene() -> None:
        paths = Paths(a=0.1)
        paths.refuse[A] = PeerError("closed yet")
        race = Race(paths.connect, 10.0, patient=True)
        search = asyncio.get_running_loop().create_task(race.winner([A]))
        await asyncio.sleep(1.0)
        del paths.refuse[A]
        race.add(A)
        assert await search == A
        assert now() == pytest.approx(1.1)

    run(scene())


@pytest.mark.parametrize(("at", "delay", "won"), [(8.0, 0.0, 10.0), (11.0, 2.0, 13.0)], ids=["opens", "told"])
def test_a_way_that_opens_or_is_told_of_late_is_tried_though_the_attempt_before_fails(
    at: float, delay: float, won: float
) -> None:
    """An attempt of 10 s sent its last packet before the way was opened, and so it fails after that."""

    async def scene() -> None:
        tried: list[float] = []

        async def connect(address: Address, timeout: float) -> None:
            tried.append(now())
            if len(tried) == 1:
                await asyncio.sleep(10.0)
                raise PeerError("did not answer within 10 s")

        race = Race(connect, 60.0, patient=True)
        search = asyncio.get_running_loop().create_task(race.winner([A]))
        await asyncio.sleep(at)
        race.add(A, delay)
        assert await search == A
        assert tried == [0.0, pytest.approx(won)]

    run(scene())

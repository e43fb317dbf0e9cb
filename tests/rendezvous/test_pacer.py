"""When to punch: everyone who is wanted, the silent ones less often; and punching back without floods."""

import itertools

from core.errors import LocalError, PeerError
from core.reach.held_back import HeldBack
from core.rendezvous.pacer import (
    ANSWERS_A_SECOND,
    MAX_PAUSE,
    MAX_SILENT_PAUSE,
    NEW_AFTER,
    PATIENCE,
    PAUSE,
    SILENT_PATIENCE,
    TICK,
    PunchPacer,
)
from core.values import Address

A, B = Address("192.0.2.1", 1), Address("192.0.2.2", 2)


class Sent:
    """Where a pacer under test punches to; `refuses` makes that fail."""

    def __init__(self) -> None:
        self.to: list[Address] = []
        self.at: list[float] = []
        self.now = 0.0
        self.refuses: PeerError | None = None
        self.pacer = PunchPacer(self._punch)

    def _punch(self, address: Address) -> None:
        self.to.append(address)
        self.at.append(self.now)
        if self.refuses is not None:
            raise self.refuses

    def want(self, ticks: range, *addresses: Address) -> list[int]:
        """Want these at each tick; return when something left."""
        before = len(self.at)
        for tick in ticks:
            self.now = tick * TICK
            for address in addresses:
                self.pacer.want(address, self.now)
        return [round(at / TICK) for at in self.at[before:]]


def test_everybody_new_is_punched_at_once() -> None:
    it = Sent()
    assert it.want(range(1), A) == [0]
    assert it.want(range(1, 2), A, B) == [1, 1]
    assert it.to == [A, A, B]


def test_the_silent_are_punched_every_second_first_and_then_less_often() -> None:
    ticks = Sent().want(range(200), A)
    assert ticks[: SILENT_PATIENCE + 2] == [0, 1, 2, 3, 5]
    pauses = [b - a for a, b in itertools.pairwise(ticks)]
    assert pauses == sorted(pauses)
    assert pauses[-1] == MAX_SILENT_PAUSE


def test_a_sign_of_life_brings_back_every_second() -> None:
    it = Sent()
    it.want(range(100), A)
    it.pacer.alive(A, 100.0)
    assert it.want(range(100, 104), A) == [101, 102, 103]


def test_who_answers_is_punched_every_second_for_good() -> None:
    it = Sent()
    for tick in range(50):
        assert it.want(range(tick, tick + 1), A) == [tick]
        it.pacer.alive(A, tick + 0.1)


def test_who_is_shown_and_hidden_in_turn_is_punched_as_rarely_as_who_stays() -> None:
    shown = Sent()
    for tick in range(0, 600, 4):
        shown.want(range(tick, tick + 2), A)
    assert len(shown.to) <= len(Sent().want(range(600), A))


def test_a_head_start_is_waited_for_once() -> None:
    it = Sent()
    for tick in range(10):
        it.now = float(tick)
        it.pacer.want(A, it.now, 3.0)
    assert it.at[:3] == [3.0, 4.0, 5.0]


def test_years_of_silence_are_counted_without_overflow() -> None:
    """A peer that is listed but out of reach is punched every 30 s: 1024 doublings are reached within 9 hours."""
    ticks = Sent().want(range(40_000), A)
    assert ticks[-1] - ticks[-2] == MAX_SILENT_PAUSE


def test_what_is_held_back_is_tried_at_the_next_tick() -> None:
    it = Sent()
    it.refuses = HeldBack("too much")
    it.want(range(5), A)
    it.refuses = None
    assert it.want(range(5, 9), A) == [5, 6, 7, 8]


def test_a_punch_is_answered_unless_one_just_left() -> None:
    it = Sent()
    it.pacer.heard(A, 10.0)
    assert it.to == [A]
    it.pacer.heard(A, 10.0 + PAUSE / 2)
    assert it.to == [A]
    it.pacer.heard(A, 10.0 + PAUSE)
    assert it.to == [A, A]


def test_roles_that_want_the_same_address_share_one_series_a_second() -> None:
    it = Sent()
    for tick in range(10):
        it.pacer.want(A, tick)  # the worker's tick
        it.pacer.want(A, tick + 0.3)  # the consumer's
        it.pacer.heard(A, tick + 0.6)  # and theirs
        it.pacer.want(B, tick)
        it.pacer.alive(B, tick + 0.6)
    assert it.to.count(A) == it.to.count(B) == 10


def test_answers_become_rare_while_they_bring_nothing_new() -> None:
    it = Sent()
    for tenth in range(6000):
        it.now = tenth / 10
        it.pacer.heard(A, it.now)
    pauses = [b - a for a, b in itertools.pairwise(it.at)]
    assert max(pauses[: PATIENCE - 1]) < 1.1
    assert len(it.to) < 60
    assert pauses[-1] == MAX_PAUSE


def test_after_silence_answers_begin_again() -> None:
    it = Sent()
    for second in range(100):
        it.pacer.heard(A, float(second))
    before = len(it.to)
    for second in range(PATIENCE):
        it.pacer.heard(A, 100.0 + NEW_AFTER + second)
    assert len(it.to) == before + PATIENCE


def test_forged_sources_get_so_many_answers_a_second() -> None:
    it = Sent()
    for number in range(5000):
        it.pacer.heard(Address("192.0.2.1", 1 + number), 5.0)
    assert len(it.to) == ANSWERS_A_SECOND
    it.pacer.heard(A, 6.0)
    assert len(it.to) == ANSWERS_A_SECOND + 1


def test_what_cannot_be_punched_costs_nothing_else() -> None:
    it = Sent()
    it.refuses = LocalError("the endpoint is closed")
    it.pacer.want(A, 0.0)
    it.pacer.heard(B, 0.0)
    assert it.to == [A, B]
    it.pacer.want(A, 0.1)
    assert it.to == [A, B]  # nor is it tried more often


def test_two_that_punch_back_fall_silent() -> None:
    """One punch, answered once: the answer finds that a punch has just left, so there is no third."""
    flights: list[str] = []
    now = 0.0
    sides = {name: PunchPacer(lambda remote, name=name: flights.append(name)) for name in "ab"}  # type: ignore[misc]
    sides["a"].want(B, now)
    for name in flights:  # grows while it is read: each flight arrives 50 ms later at the other side
        now += 0.05
        sides["b" if name == "a" else "a"].heard(A if name == "a" else B, now)
        assert len(flights) < 10
    assert flights == ["a", "b"]

"""When to punch: everyone listed, the silent ones less often; and punching back without floods."""

import itertools

from core.errors import LocalError
from core.rendezvous.pace import MAX_PAUSE, PATIENCE, TICK, PunchSchedule
from core.rendezvous.punch_back import ANSWERS_A_SECOND, MAX_KNOWN, NEW_AFTER, PAUSE, PunchBack
from core.rendezvous.punch_back import MAX_PAUSE as MAX_ANSWER_PAUSE
from core.rendezvous.punch_back import PATIENCE as ANSWERS
from core.values import Address

A, B = Address("192.0.2.1", 1), Address("192.0.2.2", 2)


def run(schedule: PunchSchedule, listing: list[Address], ticks: range) -> list[tuple[int, Address]]:
    return [(tick, address) for tick in ticks for address in schedule.due(listing, tick * TICK)]


def test_new_targets_are_punched_at_once_and_all_of_them() -> None:
    schedule = PunchSchedule()
    assert schedule.due([A], 0.0) == [A]
    assert schedule.due([A, B], 1.0) == [A, B]


def test_the_silent_are_punched_every_second_first_and_then_less_often() -> None:
    ticks = [tick for tick, _ in run(PunchSchedule(), [A], range(200))]
    assert ticks[: PATIENCE + 2] == [0, 1, 2, 3, 5]
    pauses = [b - a for a, b in itertools.pairwise(ticks)]
    assert pauses == sorted(pauses)
    assert pauses[-1] == MAX_PAUSE


def test_a_sign_of_life_brings_back_every_second() -> None:
    schedule = PunchSchedule()
    run(schedule, [A], range(100))
    schedule.heard(A, 100.0)
    assert [tick for tick, _ in run(schedule, [A], range(100, 104))] == [101, 102, 103]


def test_who_answers_is_punched_every_second_for_good() -> None:
    schedule = PunchSchedule()
    for tick in range(50):
        assert schedule.due([A], float(tick)) == [A]
        schedule.heard(A, tick + 0.1)


def test_who_left_and_came_back_is_new() -> None:
    schedule = PunchSchedule()
    run(schedule, [A], range(60))
    schedule.due([], 60.0)
    assert schedule.due([A], 61.0) == [A]


def test_the_table_holds_the_listing_and_nothing_else() -> None:
    schedule = PunchSchedule()
    for tick in range(100):
        schedule.due([Address("192.0.2.9", 1 + tick)], float(tick))
    schedule.heard(A, 100.0)
    assert schedule.due([A], 100.0) == [A]


def test_years_of_silence_are_counted_without_overflow() -> None:
    """A peer that is listed but out of reach is punched every 30 s: 1024 doublings are reached within 9 hours."""
    ticks = run(PunchSchedule(), [A], range(40_000))
    assert ticks[-1][0] - ticks[-2][0] == MAX_PAUSE


class Sent:
    """Where a PunchBack under test punches to; `refuses` makes that fail."""

    def __init__(self) -> None:
        self.to: list[Address] = []
        self.refuses = False

    def __call__(self, address: Address) -> None:
        self.to.append(address)
        if self.refuses:
            raise LocalError("the endpoint is closed")


def test_a_punch_is_answered_unless_one_just_left() -> None:
    sent = Sent()
    back = PunchBack(sent)
    back.heard(A, 10.0)
    assert sent.to == [A]
    back.heard(A, 10.0 + PAUSE / 2)
    assert sent.to == [A]
    back.heard(A, 10.0 + PAUSE)
    assert sent.to == [A, A]


def test_roles_that_want_the_same_address_share_one_series_a_second() -> None:
    sent = Sent()
    back = PunchBack(sent)
    for tick in range(10):
        back.send(A, tick)  # the worker's tick
        back.send(A, tick + 0.3)  # the consumer's
        back.heard(A, tick + 0.6)  # and theirs
        back.send(B, tick)
    assert sent.to.count(A) == sent.to.count(B) == 10


def test_answers_become_rare_but_never_end() -> None:
    sent = Sent()
    back = PunchBack(sent)
    at = []
    for second in range(3000):
        before = len(sent.to)
        back.heard(A, float(second))
        if len(sent.to) > before:
            at.append(second)
    pauses = [b - a for a, b in itertools.pairwise(at)]
    assert pauses[: ANSWERS - 1] == [1] * (ANSWERS - 1)
    assert pauses == sorted(pauses)
    assert pauses[-1] == MAX_ANSWER_PAUSE


def test_after_silence_answers_begin_anew() -> None:
    sent = Sent()
    back = PunchBack(sent)
    for second in range(100):
        back.heard(A, float(second))
    before = len(sent.to)
    for second in range(ANSWERS):
        back.heard(A, 100.0 + NEW_AFTER + second)
    assert len(sent.to) == before + ANSWERS


def test_forged_sources_get_so_many_answers_a_second() -> None:
    sent = Sent()
    back = PunchBack(sent)
    for number in range(5000):
        back.heard(Address("192.0.2.1", 1 + number), 5.0)
    assert len(sent.to) == ANSWERS_A_SECOND
    back.heard(A, 6.0)
    assert len(sent.to) == ANSWERS_A_SECOND + 1


def test_what_cannot_be_punched_costs_nothing_else() -> None:
    sent = Sent()
    sent.refuses = True
    back = PunchBack(sent)
    back.send(A, 0.0)
    back.heard(B, 0.0)
    assert sent.to == [A, B]
    back.send(A, 0.1)
    assert sent.to == [A, B]  # nor is it tried more often


def test_two_that_punch_back_fall_silent() -> None:
    """One punch, answered once: the answer finds that a punch has just left, so there is no third."""
    flights: list[str] = []
    now = 0.0
    sides = {name: PunchBack(lambda remote, name=name: flights.append(name)) for name in "ab"}  # type: ignore[misc]
    sides["a"].send(B, now)
    for name in flights:  # grows while it is read: each flight arrives 50 ms later at the other side
        now += 0.05
        sides["b" if name == "a" else "a"].heard(A if name == "a" else B, now)
        assert len(flights) < 10
    assert flights == ["a", "b"]


def test_its_memory_is_bounded() -> None:
    back = PunchBack(lambda remote: None)
    for number in range(MAX_KNOWN + 10):
        back.send(Address("192.0.2.1", number), 0.0)
    assert len(back._known) == MAX_KNOWN

"""When to punch: everyone listed, the silent ones less often; and punching back without floods."""

import itertools

from core.punch_back import MAX_KNOWN, PAUSE, PunchBack
from core.punch_schedule import MAX_PAUSE, PATIENCE, TICK, PunchSchedule
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


def test_a_punch_is_answered_unless_one_just_left() -> None:
    sent: list[Address] = []
    back = PunchBack(sent.append)
    back.heard(A, 10.0)
    assert sent == [A]
    back.note_sent(A, 10.0)
    back.heard(A, 10.0 + PAUSE / 2)
    assert sent == [A]
    back.heard(A, 10.0 + PAUSE)
    assert sent == [A, A]


def test_two_that_punch_back_fall_silent() -> None:
    """One punch, answered once: the answer finds that a punch has just left, so there is no third."""
    flights: list[tuple[str, float]] = []
    now = 0.0
    sides: dict[str, PunchBack] = {}

    def sender(name: str) -> PunchBack:
        def punch(remote: Address) -> None:
            flights.append((name, now))
            sides[name].note_sent(remote, now)

        return PunchBack(punch)

    sides.update(a=sender("a"), b=sender("b"))
    sides["a"].note_sent(B, now)
    flights.append(("a", now))
    for name, _ in flights:  # grows while it is read: each flight arrives 50 ms later at the other side
        now += 0.05
        sides["b" if name == "a" else "a"].heard(A if name == "a" else B, now)
        assert len(flights) < 10
    assert [name for name, _ in flights] == ["a", "b"]


def test_its_memory_is_bounded() -> None:
    back = PunchBack(lambda remote: None)
    for number in range(MAX_KNOWN + 10):
        back.note_sent(Address("192.0.2.1", number), 0.0)
    assert len(back._last) == MAX_KNOWN

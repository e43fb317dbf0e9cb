"""Meetings on a hand-moved clock: who is punched how and when, and what is told at the end."""

from itertools import pairwise

import pytest

from core.punch.meeting import MeetingConfig, MeetingEnded, Meetings, PunchOrder
from core.values import Address

THERE = Address("192.0.2.7", 4000)
MOVED = Address("192.0.2.7", 61234)  # the same host, as its symmetric NAT shows it to us
ELSEWHERE = Address("192.0.2.99", 4000)
CONFIG = MeetingConfig()
SERIES = PunchOrder(THERE, CONFIG.openers + CONFIG.packets, CONFIG.openers)
ONLY_OPENERS = PunchOrder(THERE, CONFIG.openers, CONFIG.openers)


def run(meetings: Meetings, since: float, until: float) -> list[PunchOrder]:
    """Move the clock from deadline to deadline; return what was ordered."""
    orders, now = meetings.orders(), since
    while (due := meetings.deadline()) is not None and due <= until:
        now = max(now, due)
        meetings.tick(now)
        orders += meetings.orders()
    return orders


def test_a_series_and_no_more_for_who_does_not_answer() -> None:
    meetings = Meetings()
    meetings.meet(THERE, 10.0)
    assert run(meetings, 10.0, 20.0) == [SERIES]
    assert meetings.outcomes() == [MeetingEnded(THERE, False, None, False, CONFIG.patience)]
    assert meetings.deadline() is None


def test_openers_outlast_the_skew_that_both_sides_may_have() -> None:
    """The issue's 150 ms between the starts, and as much again for a slow line."""
    assert CONFIG.openers * 0.05 >= 0.3
    assert CONFIG.packets == 5, "never more that arrive at an address that does not answer"


def test_who_is_heard_is_punched_on_until_it_hears() -> None:
    meetings = Meetings()
    meetings.meet(THERE, 10.0)
    assert run(meetings, 10.0, 10.5) == [SERIES]
    meetings.heard(THERE, 10.5)
    assert run(meetings, 10.5, 11.5) == [PunchOrder(THERE, 1, 0)] * 4
    meetings.reached(THERE, 11.5)
    assert meetings.outcomes() == [MeetingEnded(THERE, True, THERE, True, 1.5)]
    assert run(meetings, 11.5, 20.0) == []


def test_who_answers_from_another_port_is_punched_there() -> None:
    meetings = Meetings()
    meetings.meet(THERE, 10.0)
    meetings.heard(ELSEWHERE, 10.25)
    meetings.heard(MOVED, 10.25)
    assert run(meetings, 10.25, 10.375) == [SERIES, PunchOrder(MOVED, 1, 0)]
    meetings.reached(MOVED, 10.5)
    assert meetings.outcomes() == [MeetingEnded(THERE, True, MOVED, True, 0.5)]


def test_who_is_told_later_gets_openers_until_then() -> None:
    meetings = Meetings()
    meetings.meet(THERE, 10.0, told_in=2.5)
    assert run(meetings, 10.0, 12.4) == [ONLY_OPENERS]
    assert run(meetings, 12.4, 12.5) == [SERIES]
    assert run(meetings, 12.5, 20.0) == []
    assert meetings.outcomes() == [MeetingEnded(THERE, False, None, False, 2.5 + CONFIG.patience)]


def test_who_is_told_later_and_shows_that_it_is_there_is_punched_at_once_without_openers() -> None:
    meetings = Meetings()
    meetings.meet(THERE, 10.0, told_in=22.0)
    assert run(meetings, 10.0, 13.0) == [ONLY_OPENERS]
    meetings.begin(THERE, 13.0)
    assert run(meetings, 13.0, 13.1) == [PunchOrder(THERE, CONFIG.packets, 0)]
    meetings.begin(THERE, 13.1)
    meetings.begin(MOVED, 13.1)
    assert run(meetings, 13.1, 20.0) == []
    assert meetings.outcomes() == [MeetingEnded(THERE, False, None, False, 3.0 + CONFIG.patience)]


@pytest.mark.parametrize("source", [THERE, MOVED])
def test_who_is_told_later_and_punches_is_answered_at_once(source: Address) -> None:
    meetings = Meetings()
    meetings.meet(THERE, 10.0, told_in=2.5)
    run(meetings, 10.0, 11.0)
    meetings.heard(source, 11.0)
    assert run(meetings, 11.0, 11.1) == [PunchOrder(source, 1, 0)]
    meetings.reached(source, 11.25)
    assert meetings.outcomes() == [MeetingEnded(THERE, True, source, True, 1.25)]


def test_nobody_is_met_again_too_soon() -> None:
    meetings = Meetings()
    meetings.meet(THERE, 0.0)
    run(meetings, 0.0, 5.0)
    meetings.meet(THERE, CONFIG.patience + CONFIG.again - 1.0)
    assert meetings.orders() == []
    again = CONFIG.patience + CONFIG.again
    meetings.meet(THERE, again)
    assert run(meetings, again, again + 2.4) == [ONLY_OPENERS], "the other may have been told too late the first time"
    assert run(meetings, again + 2.4, again + 2.5) == [SERIES]


def test_the_table_is_bounded() -> None:
    meetings = Meetings(MeetingConfig(meetings=2))
    for port in (1025, 1026, 1027):
        meetings.meet(Address("192.0.2.7", port), 0.0)
    assert [meetings.due(Address("192.0.2.7", port), 0.0) for port in (1025, 1026, 1027)] == [True, False, False]
    run(meetings, 0.0, 5.0)
    assert {ended.remote.port for ended in meetings.outcomes()} == {1026, 1027}


@pytest.mark.parametrize("name", ["openers", "packets", "patience"])
def test_numbers_that_make_no_sense_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        MeetingConfig(**{name: 0})


def test_nobody_near_gets_openers_since_they_would_arrive() -> None:
    meetings = Meetings()
    near = Address("192.168.1.7", 4000)
    meetings.meet(near, 0.0, told_in=2.0, near=True)
    assert meetings.orders() == [PunchOrder(near, 5, 0)]
    while (due := meetings.deadline()) is not None:
        meetings.tick(due)
        assert meetings.orders() == []  # never more than these to who does not answer
    (ended,) = meetings.outcomes()
    assert not ended.open


@pytest.mark.parametrize(("away", "at", "left"), [(0.0, 10.0, 0), (0.06, 10.0, 1), (0.06, 10.01, 1), (0.06, 10.2, 0)])
def test_who_begins_when_we_do_gets_no_more_openers_than_its_way_takes(away: float, at: float, left: int) -> None:
    """A round trip to its broker and a spare, 50 ms apart; the first one left when we were told."""
    meetings = Meetings()
    meetings.meet(THERE, 10.0)
    meetings.hasten(THERE, at, away)
    assert meetings.orders() == [SERIES, PunchOrder(THERE, 0, left)]


@pytest.mark.parametrize("away", [None, 0.29, 4.0])
def test_who_may_begin_late_gets_them_all(away: float | None) -> None:
    meetings = Meetings()
    meetings.meet(THERE, 10.0)
    meetings.hasten(THERE, 10.0, away)
    meetings.hasten(ELSEWHERE, 10.0, 0.0)
    assert meetings.orders() == [SERIES]


def test_a_second_meeting_is_not_hurried() -> None:
    """The first one failed: perhaps one side heard too late."""
    meetings = Meetings()
    meetings.meet(THERE, 0.0)
    run(meetings, 0.0, CONFIG.patience)
    meetings.meet(THERE, CONFIG.patience + CONFIG.again)
    meetings.hasten(THERE, CONFIG.patience + CONFIG.again, 0.0)
    assert meetings.orders() == [ONLY_OPENERS]


def test_who_has_proved_where_it_is_is_met_again_soon_and_then_less_and_less_often() -> None:
    """A router restarted in the meeting and gave the same port again: nobody sees that anything was lost."""
    meetings = Meetings()
    begun = []
    for tenth in range(3000):
        now = tenth / 10
        if meetings.due(THERE, now, proved=True):
            begun.append(now)
            meetings.meet(THERE, now, proved=True)
        meetings.tick(now)
    first = CONFIG.patience + CONFIG.again_soon
    assert begun[:2] == [0.0, pytest.approx(first, abs=0.2)]
    pauses = [after - before - CONFIG.patience - CONFIG.unsure for before, after in pairwise(begun[1:])]
    assert pauses[:3] == [pytest.approx(CONFIG.again_soon * factor, abs=0.25) for factor in (2, 4, 8)]
    assert pauses[-1] == pytest.approx(CONFIG.again, abs=0.25)
    assert not meetings.due(THERE, begun[-1] + 30.0), "without a proof it is a minute"


def test_after_a_success_a_failure_counts_as_the_first() -> None:
    meetings = Meetings()
    meetings.meet(THERE, 0.0)
    run(meetings, 0.0, 5.0)
    meetings.meet(THERE, 5.0, proved=True)
    meetings.reached(THERE, 6.0)
    run(meetings, 6.0, 30.0)
    meetings.meet(THERE, 30.0)
    run(meetings, 30.0, 32.5)
    assert meetings.due(THERE, 32.5 + CONFIG.again_soon, proved=True)


def test_a_failure_is_forgiven_when_our_own_way_out_was_gone() -> None:
    """Our router has restarted, or we are elsewhere: nothing that failed before says anything of the others."""
    meetings = Meetings()
    meetings.meet(THERE, 0.0)
    run(meetings, 0.0, 5.0)
    assert not meetings.due(THERE, 6.0)
    meetings.begin_again()
    assert meetings.due(THERE, 6.0)
    meetings.meet(THERE, 6.0)
    assert run(meetings, 6.0, 6.1) == [SERIES], "as if it were the first time"


def test_one_that_runs_meanwhile_is_forgiven_too_and_one_that_succeeded_holds() -> None:
    meetings = Meetings()
    meetings.meet(THERE, 0.0)
    meetings.meet(ELSEWHERE, 0.0)
    meetings.reached(ELSEWHERE, 0.5)
    meetings.begin_again()
    run(meetings, 0.5, 5.0)
    assert [ended.open for ended in meetings.outcomes()] == [True, False]
    assert not meetings.due(ELSEWHERE, 6.0)
    assert meetings.due(THERE, 6.0)
    meetings.meet(THERE, 6.0)
    assert run(meetings, 6.0, 10.0) == [SERIES]
    assert not meetings.due(THERE, 10.0), "this one failed by itself"

"""What shows a sleep, or another network, and what does not, on clocks that are moved by hand."""

import pytest

from core.values import Address
from core.wakes.detector import EVERY, LATE, SLEPT, WALL, Clocks, SleepDetector, Whereabouts

HOME, CAFE = ("192.168.1.5",), ("10.0.0.7",)
SEEN, ELSEWHERE = Address("198.51.100.1", 4000), Address("198.51.100.1", 4001)


@pytest.mark.parametrize(
    ("awake", "passed", "exact", "away"),
    [
        (1.0, 1.0, True, 0.0),
        (1.0, 1.0 + SLEPT / 2, True, 0.0),
        (1.0, 3601.0, True, 3600.0),  # a sleep that stops one clock
        (3600.0, 3600.0, True, 3600.0),  # a program that was stopped, or clocks that both go on in a sleep
        (EVERY + LATE - 0.1, EVERY + LATE - 0.1, True, 0.0),  # a busy machine
        (1.0, 3601.0, False, 3600.0),
        (1.0, 1.0 + WALL / 2, False, 0.0),  # the clock on the wall was set a little
        (1.0, -3600.0, False, 0.0),  # ... or back
    ],
)
def test_a_sleep_shows(awake: float, passed: float, exact: bool, away: float) -> None:
    detector = SleepDetector(Clocks(100.0, 5000.0, exact))
    assert detector.look(Clocks(101.0, 5001.0, exact)) == 0.0
    assert detector.look(Clocks(101.0 + awake, 5001.0 + passed, exact)) == pytest.approx(away)
    assert detector.look(Clocks(102.0 + awake, 5002.0 + passed, exact)) == 0.0  # once


def test_another_network_shows_and_none_is_not_one() -> None:
    places = Whereabouts()
    steps = [
        (HOME, None, False),  # the first look
        (HOME, SEEN, False),  # the first time that others tell
        ((), SEEN, False),  # the cable is out
        (HOME, SEEN, False),  # and in again
        ((*HOME, *CAFE), SEEN, True),
        (HOME, SEEN, False),  # one of two is gone
        (HOME, None, False),
        (HOME, ELSEWHERE, True),  # the router was started again, or the provider gave another address
        ((), None, False),
        (CAFE, None, True),
    ]
    assert [places.look(hosts, seen) for hosts, seen, _ in steps] == [moved for *_, moved in steps]

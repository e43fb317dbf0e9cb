"""Numbers and times read well, at their edges too."""

import re

import pytest

from desktop.models.words import ago, clock, count, span, trip


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "0 s"),
        (0, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h 00 min"),
        (7500, "2 h 05 min"),
        (86400, "1 d 0 h"),
        (86400 * 4 + 3 * 3600, "4 d 3 h"),
    ],
)
def test_span(seconds: float, words: str) -> None:
    assert span(seconds) == words


@pytest.mark.parametrize(("then", "words"), [(100.0, "now"), (98.6, "now"), (97.0, "3 s ago"), (900.0, "now")])
def test_ago_never_tells_of_the_future(then: float, words: str) -> None:
    assert ago(100.0, then) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "\N{EN DASH}"),
        (0.0004, "0.4 ms"),
        (0.0099, "9.9 ms"),
        (0.00999, "10 ms"),
        (0.182, "182 ms"),
        (0.9999, "1.00 s"),
        (1.24, "1.24 s"),
        (150.0, "2 min"),
    ],
)
def test_trip(seconds: float | None, words: str) -> None:
    assert trip(seconds) == words


def test_clock_has_milliseconds() -> None:
    assert re.fullmatch(r"\d\d:\d\d:\d\d\.123", clock(1_700_000_000.1234))


@pytest.mark.parametrize("at", [float("inf"), float("nan"), 1e300])
def test_clock_of_nonsense_is_a_question_mark(at: float) -> None:
    assert clock(at) == "?"


def test_count_knows_singular_and_thousands() -> None:
    assert count(1, "grape") == "1 grape"
    assert count(1204, "request") == "1,204 requests"
    assert count(0, "punch", "punches") == "0 punches"

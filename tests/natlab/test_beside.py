"""The part of docs/nat-matrix.md about HyperDHT and iroh: made of our table and their results, and kept by the rest."""

from tests.natlab.beside import PAGE
from tests.natlab.beside_words import HEADING, HYPERDHT, IROH, Result, kept, ours, part, replaced
from tests.natlab.kinds import Kind
from tests.natlab.matrix import Cell
from tests.natlab.report import page

_ROWS = f"| --- |\n| **open** | 0.3 15 | 1.5B 200 |{' - |' * 12}"
_PAGE = f"# Which\n\n| worker \\ consumer | {' | '.join(Kind)} |\n{_ROWS}\n\nx\n"


def result(system: str, other: Kind, seconds: float | None) -> Result:
    return Result(system, Kind.OPEN, other, seconds, "")


RESULTS = [
    result(HYPERDHT, Kind.OPEN, 0.02),
    result(HYPERDHT, Kind.FIREWALL, 2.0),
    result(HYPERDHT, Kind.NO_UDP, 4.0),
    result(IROH, Kind.OPEN, 0.3),
    result(IROH, Kind.FIREWALL, None),
    result(IROH, Kind.NO_UDP, None),
]


def test_our_times_are_read_from_the_table() -> None:
    found = ours(_PAGE)
    assert (found[Kind.OPEN, Kind.OPEN], found[Kind.OPEN, Kind.FIREWALL]) == (0.3, 1.5)
    assert found[Kind.OPEN, Kind.NO_UDP] is None


def test_the_page_as_it_is_has_a_time_for_each_pair_that_can_meet() -> None:
    # Not how many it has: that differs each time it is made again, as a pair of one run is met in another.
    found = ours(PAGE.read_text())
    pairs = [(one, other) for one in Kind for other in Kind if Cell(one, other).required]
    assert len(pairs) > 100
    assert [pair for pair in pairs if found.get(pair) is None] == []


def test_the_part_counts_pairs_that_all_were_tried_with_and_says_what_others_alone_met() -> None:
    text = part(ours(_PAGE), RESULTS)
    assert "pairs met, of 3 | median | of the 1 that all met" in text
    assert "| HyperDHT | 3 | 2.0 s | 0.02 s | 0.0 s |" in text
    assert "0.3 / 0.02 / 0.3 | 1.5 / 2.0 / - " in text
    assert "Met by HyperDHT and not by us: open x no-udp." in text
    assert "Met by iroh and not by us: none." in text


def test_the_part_takes_the_place_of_an_older_one_and_outlives_a_new_page() -> None:
    once = replaced(_PAGE, RESULTS)
    again = replaced(once, RESULTS)
    assert (again.count(HEADING), again) == (1, once)
    assert HEADING in page([], 0.0, kept(once))
    assert kept(_PAGE) == ""


def test_a_result_is_read_as_it_was_written() -> None:
    assert [Result.read(each.line()) for each in RESULTS] == RESULTS

"""Fair tables: who would make room."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.limits.budget import Budget
from core.limits.fair import FairTable, Level, site_limit
from core.scope import network


def test_it_says_who_would_go_first_whether_it_is_full_or_not() -> None:
    table: FairTable[str, int, str] = FairTable(10, 10)
    assert table.first_out() is None
    assert table.oldest_of("a") is None
    table.put("kept", 0, "c", kept=True)
    assert table.first_out() is None
    table.put("a1", 1, "a")
    table.put("b1", 1, "b")
    table.put("b2", 1, "b")
    assert table.first_out() == "b1"
    assert (table.oldest_of("a"), table.oldest_of("c")) == ("a1", "kept")
    assert len(table) == 4


def of_site(number: int, place: str = "2001:db8:7") -> str:
    """Return a /64 of a /48, as hosts are counted."""
    return network(f"{place}:{number:x}::1")


def test_a_site_has_four_hosts_places_and_its_own_make_room() -> None:
    table: FairTable[int, None, str] = FairTable(100, 5)
    for number in range(60):
        table.put(number, None, of_site(number))
    assert sorted(table) == list(range(40, 60))
    table.put(100, None, of_site(100))
    assert 40 not in table
    assert len(table) == 20
    assert (table.count(of_site(100)), table.count(of_site(100), Level.SITE)) == (1, 20)


def test_who_has_most_in_a_site_makes_room_in_it() -> None:
    table: FairTable[str, None, str] = FairTable(100, 5)
    for number in range(16):
        table.put(f"one {number}", None, of_site(number))
    for number in range(4):
        table.put(f"many {number}", None, of_site(99))
    assert table.would_evict(of_site(200)) == "many 0"
    assert [gone.key for gone in table.put("new", None, of_site(200))] == ["many 0"]


def test_a_site_is_one_when_it_is_asked_who_has_most() -> None:
    table: FairTable[object, None, str] = FairTable(12, 12, kept=2)
    for number in range(3):
        table.put(f"four {number}", None, "192.0.2.7")
    table.put("friend", None, of_site(1), kept=True)
    for number in range(500):
        table.put(number, None, of_site(number))
    assert {"four 0", "four 1", "four 2", "friend"} <= set(table)
    assert table.first_out() == 493
    for other in ("198.51.100.1", "198.51.100.2", of_site(1, "2001:db8:8")):
        table.put(other, None, other)
    assert {"four 0", "four 1", "four 2", "friend", "198.51.100.1", of_site(1, "2001:db8:8")} <= set(table)


def test_places_of_trusted_peers_are_not_counted_with_their_site_nor_taken_for_it() -> None:
    table: FairTable[object, None, str] = FairTable(100, 5, kept=40)
    for number in range(30):
        table.put(f"friend {number}", None, of_site(number), kept=True)
    for number in range(1000):
        table.put(number, None, of_site(1000 + number))
    assert sum(isinstance(key, str) for key in table) == 30
    assert sum(isinstance(key, int) for key in table) == 20


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 5), st.booleans(), st.booleans()), max_size=200))
def test_counts_of_sites_are_those_of_their_hosts(acts: list[tuple[int, int, bool, bool]]) -> None:
    owners = ["192.0.2.1", "192.0.2.2", of_site(1), of_site(2), of_site(3), of_site(1, "2001:db8:8")]
    table: FairTable[int, str, str] = FairTable(14, 2, kept=2)
    for key, owner, kept, remove in acts:
        if remove:
            table.pop(key)
        else:
            table.put(key, owners[owner], owners[owner], kept=kept)
            table.use(key)
        assert len(table) <= 14
        for each in owners:
            assert table.count(each) == sum(table.get(key) == each for key in table) <= 2
        assert table.count(of_site(9), Level.SITE) <= 6
    gone = list(iter(table.shrink, None))
    assert len(table) == 0
    assert len({each.key for each in gone}) == len(gone)


def test_what_a_site_takes_of_a_budget_is_bounded_but_for_trusted_owners() -> None:
    budget: Budget[str] = Budget(1000, 10, kept=100)
    taken = [budget.take(of_site(number), 10) for number in range(6)]
    assert taken == [True] * 4 + [False] * 2
    assert budget.take(of_site(9), 10, trusted=True)
    assert budget.take("192.0.2.1", 10)
    for number in (0, 1):
        budget.give(of_site(number), 10)
    assert budget.take(of_site(7), 10)
    for owner in (of_site(2), of_site(3), of_site(9), of_site(7), "192.0.2.1"):
        budget.give(owner, 10)
    assert budget.used() == 0
    assert budget.take(of_site(7), 10)


@pytest.mark.parametrize(
    ("per_owner", "places", "expected"),
    [(5, 100, 20), (64, 500, 250), (100, 100, 100), (25, 100, 50)],
)
def test_a_site_is_four_hosts_at_most_half_of_the_places_and_no_less_than_a_host(
    per_owner: int, places: int, expected: int
) -> None:
    assert site_limit(per_owner, places) == expected


def test_a_stranger_never_takes_the_place_of_somebody_trusted() -> None:
    table: FairTable[str, None, str] = FairTable(4, 3, kept=2)
    for number in range(3):
        table.put(f"friend {number}", None, "home", kept=True)
    assert [gone.key for gone in table.put("neighbour", None, "home")] == ["neighbour"], "behind the same address"
    table.put("friend 3", None, "away", kept=True)
    assert [gone.key for gone in table.put("stranger", None, "elsewhere")] == ["stranger"]
    assert sorted(table) == ["friend 0", "friend 1", "friend 2", "friend 3"]
    assert [gone.key for gone in table.put("friend 4", None, "away", kept=True)] == ["friend 0"]

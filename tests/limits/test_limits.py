"""Bounds: who makes room, who is refused, and that the counts never drift, whatever the order of the calls."""

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.limits.budget import Budget, BudgetState
from core.limits.fair import SITE_OWNERS, Evicted, FairTable
from core.limits.rate import Backoff, HostRates, TokenBucket
from core.limits.table import BoundedTable


def test_the_entry_used_longest_ago_makes_room() -> None:
    gone: list[tuple[str, int]] = []
    table = BoundedTable[str, int](2, lambda key, value: gone.append((key, value)))
    table["a"], table["b"] = 1, 2
    assert table.use("a", lambda: 9) == 1
    table["c"] = 3
    assert gone == [("b", 2)]
    assert list(table) == ["a", "c"]
    assert table.evicted == 1
    assert table.full()


def test_reading_is_not_using_and_an_entry_is_made_once() -> None:
    table = BoundedTable[str, list[int]](2)
    made = table.use("a", lambda: [1])
    table["b"] = [2]
    assert table.get("a") is made
    assert table.oldest() == ("a", [1])
    table["c"] = [3]
    assert "a" not in table
    assert BoundedTable[str, int](1).oldest() is None


@pytest.mark.parametrize("limit", [0, -1])
def test_a_table_of_nothing_is_a_mistake(limit: int) -> None:
    with pytest.raises(ValueError, match="holds nothing"):
        BoundedTable[int, int](limit)


def test_an_owner_at_its_limit_loses_its_own_oldest() -> None:
    table = FairTable[int, str, str](10, 2)
    table.put(1, "x", "host")
    table.put(2, "y", "host")
    assert table.put(3, "z", "host") == [Evicted(1, "x", "host")]
    assert table.count("host") == 2


def test_when_all_is_full_the_owner_with_most_makes_room() -> None:
    table = FairTable[int, int, str](4, 3)
    for key in (1, 2, 3):
        table.put(key, key, "greedy")
    table.put(4, 4, "modest")
    assert [gone.key for gone in table.put(5, 5, "newcomer")] == [1]
    assert table.would_evict("another") == 2


def test_strangers_do_not_take_what_is_kept_and_never_evict_the_trusted() -> None:
    table = FairTable[int, int, str](4, 4, kept=2)
    table.put(1, 1, "friend", kept=True)
    for key in (2, 3, 4, 5, 6):
        table.put(key, key, f"stranger {key}")
    assert sorted(table) == [1, 5, 6]
    table.put(7, 7, "friend", kept=True)
    assert sorted(table) == [1, 5, 6, 7]
    table.put(8, 8, "friend", kept=True)
    assert sorted(table) == [1, 6, 7, 8]


def test_using_an_entry_makes_it_its_owners_newest() -> None:
    table = FairTable[int, int, str](2, 2)
    table.put(1, 1, "a")
    table.put(2, 2, "a")
    assert table.use(1) == 1
    assert table.use(9) is None
    assert [gone.key for gone in table.put(3, 3, "b")] == [2]


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 3), st.booleans(), st.booleans()), max_size=120))
def test_a_fair_table_keeps_its_bounds(acts: list[tuple[int, int, bool, bool]]) -> None:
    table = FairTable[int, int, int](6, 4, kept=2)
    for key, owner, kept, remove in acts:
        if remove:
            table.pop(key)
        else:
            gone = table.put(key, key, owner, kept=kept)
            assert (key in table) is not any(each.key == key for each in gone)
            assert key in table or not kept
        assert len(table) <= 6
        counts = Counter(owner for owner in range(4) for _ in range(table.count(owner)))
        assert sum(counts.values()) == len(table)
        assert all(count <= 4 for count in counts.values())


@pytest.mark.parametrize("arguments", [(2, 1, 2), (2, 0, 0), (2, 1, -1)])
def test_a_fair_table_refuses_numbers_that_cannot_be(arguments: tuple[int, int, int]) -> None:
    limit, per_owner, kept = arguments
    with pytest.raises(ValueError, match="fair table"):
        FairTable[int, int, int](limit, per_owner, kept=kept)


def test_a_bucket_fills_at_its_rate_and_never_over_its_burst() -> None:
    bucket = TokenBucket(10.0, 2.0)
    assert [bucket.take(5.0) for _ in range(3)] == [True, True, False]
    assert bucket.wait(5.0) == pytest.approx(0.1)
    assert bucket.take(5.11)
    assert bucket.tokens(1000.0) == 2.0
    assert bucket.tokens(900.0) == 2.0  # a clock that goes back gives nothing and takes nothing


def test_a_charge_may_go_below_nothing_and_is_paid_off() -> None:
    bucket = TokenBucket(1.0, 1.0)
    bucket.charge(0.0, 4.0)
    assert not bucket.take(3.0)
    assert bucket.wait(3.0) == pytest.approx(1.0)
    assert bucket.wait(3.0, 2.0) == float("inf")
    assert bucket.take(4.0)


def test_pauses_double_after_patience_and_begin_again_after_success() -> None:
    backoff = Backoff(1.0, 5.0, patience=1)
    assert [backoff.failed() for _ in range(5)] == [1.0, 1.0, 2.0, 4.0, 5.0]
    backoff.succeeded()
    assert backoff.failed() == 1.0


def test_a_back_off_of_ten_thousand_failures_is_still_its_greatest() -> None:
    backoff = Backoff(0.5, 30.0, Random(1))
    pauses = [backoff.failed() for _ in range(10_000)]
    assert 15.0 <= pauses[-1] <= 30.0


def test_what_is_kept_is_for_the_trusted() -> None:
    budget = Budget[str](100, 60, kept=30, per_trusted=100)
    assert budget.take("a", 60)
    assert not budget.take("a", 1)
    assert budget.take("b", 10)
    assert not budget.take("c", 1)
    assert budget.take("friend", 30, trusted=True)
    assert budget.state() == BudgetState(100, 100, 3, 2)
    budget.give("a", 60)
    assert budget.used() == 40
    assert budget.used("a") == 0


def test_what_is_held_already_is_charged_beyond_the_limit() -> None:
    budget = Budget[str](10, 10)
    budget.charge("a", 25)
    assert not budget.fits("b", 1)
    budget.give("a", 25)
    assert budget.fits("b", 1)


def test_nobody_gives_back_more_than_it_took() -> None:
    budget = Budget[str](10, 10)
    budget.take("a", 3)
    with pytest.raises(ValueError, match="gives back 4"):
        budget.give("a", 4)


def test_numbers_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="budget"):
        Budget[str](1, 1, kept=1)
    with pytest.raises(ValueError, match="bucket"):
        TokenBucket(0.0, 1.0)
    with pytest.raises(ValueError, match="back-off"):
        Backoff(2.0, 1.0)


def test_shrinking_lets_the_oldest_of_the_greatest_owner_go_and_kept_ones_last() -> None:
    table: FairTable[str, int, str] = FairTable(10, 10, kept=2)
    table.put("kept", 0, "friend", kept=True)
    for key in ("a1", "a2", "b1"):
        table.put(key, 0, key[0])
    gone = [entry.key for entry in iter(table.shrink, None)]
    assert (gone[0], gone[-1], len(gone)) == ("a1", "kept", 4)
    assert table.evicted == 4


def test_a_site_has_the_rate_of_some_hosts() -> None:
    rates = HostRates(1.0, 2.0, 100)
    assert [rates.take("192.0.2.1", 0.0) for _ in range(3)] == [True, True, False]
    assert sum(rates.take(f"2001:db8:7:{number}::1", 0.0) for number in range(20)) == 2 * SITE_OWNERS
    assert [rates.take("2001:db8:8::1", 0.0) for _ in range(3)] == [True, True, False]
    assert rates.take("2001:db8:7:1::9", 1.0)
    assert not rates.take("192.0.2.1", 0.5)
    assert rates.take("192.0.2.1", 1.0)

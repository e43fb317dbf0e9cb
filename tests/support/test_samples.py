"""Which cases are in every run, and which wait for the slow half."""

import pytest

from tests.support.samples import some


def test_each_of_so_many_is_in_every_run_and_no_case_is_lost() -> None:
    cases = some(range(5), 2)
    assert [case if isinstance(case, int) else case.values for case in cases] == [0, (1,), 2, (3,), 4]
    assert all(case.marks == (pytest.mark.slow,) for case in cases if not isinstance(case, int))


def test_tuples_and_marked_cases_stay_what_they_are() -> None:
    other = pytest.mark.parametrize
    first, second, third = some([(1, 2), (3, 4), pytest.param(5, 6, marks=other, id="named")], 9)
    assert first == (1, 2)
    assert second.values == (3, 4)
    assert (third.values, third.id, list(third.marks)) == ((5, 6), "named", [other, pytest.mark.slow])

"""A sample of a test's cases for every run; the slow half runs all the others."""

from collections.abc import Iterable
from typing import Any

import pytest


def some(cases: Iterable[Any], every: int) -> list[Any]:
    """Return all cases, where each that is not one of `every` has the mark `slow`; the first is in every run.

    A case is a value, a tuple of values, or a `pytest.param`, which keeps its marks and its id.
    """
    return [case if number % every == 0 else _slow(case) for number, case in enumerate(cases)]


def _slow(case: Any) -> Any:  # noqa: ANN401 - as pytest has them
    if isinstance(case, type(pytest.param())):
        return pytest.param(*case.values, marks=[*case.marks, pytest.mark.slow], id=case.id)
    values = case if isinstance(case, tuple) else (case,)
    return pytest.param(*values, marks=pytest.mark.slow)

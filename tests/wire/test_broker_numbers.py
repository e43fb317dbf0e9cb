"""Numbers in a registration, as JSON has them: of any size."""

import pytest

from core.values import JsonValue
from core.wire.broker_message import WAIT_MAX, parse_registration


@pytest.mark.parametrize(
    ("wait", "read"),
    [(0, 0.0), (2.5, 2.5), (10**400, WAIT_MAX), (float("inf"), WAIT_MAX), (-(10**400), None), (float("nan"), None)],
)
def test_a_wait_is_cut_whatever_its_size(wait: JsonValue, read: float | None) -> None:
    """An integer may be too large for a float (found by fuzzing): that was our error, not the peer's."""
    assert parse_registration({"service": "x", "server": True, "wait": wait}).wait == read

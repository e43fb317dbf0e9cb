"""How often we speak, by what is known of the router."""

import pytest

from core.nat.keeping import keepalive


@pytest.mark.parametrize(
    ("lifetime", "every"), [(None, 15.0), (120.0, 15.0), (20.0, 15.0), (19.0, 15.2), (10.0, 8.0), (1.0, 2.0)]
)
def test_the_measured_lifetime_counts(lifetime: float | None, every: float) -> None:
    assert keepalive(lifetime) == pytest.approx(every)

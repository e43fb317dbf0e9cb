"""The window of counters says what a set of all counters says, within its width."""

from hypothesis import given
from hypothesis import strategies as st

from core.datagrams.replay import WINDOW, ReplayWindow

jumps = st.lists(st.integers(-WINDOW - 200, WINDOW + 200) | st.integers(-70, 70), max_size=300)


@given(jumps)
def test_it_knows_what_was_seen(steps: list[int]) -> None:
    window, seen, at = ReplayWindow(), set[int](), 0
    for step in steps:
        at = max(0, at + step)
        new = at not in seen and (not seen or at > max(seen) - WINDOW)
        assert window.fresh(at) == new
        if new:
            window.take(at)
            seen.add(at)


def test_every_counter_passes_once_in_any_order_within_the_window() -> None:
    window = ReplayWindow()
    for base in range(0, 20 * WINDOW, WINDOW):
        for counter in reversed(range(base, base + WINDOW)):
            assert window.fresh(counter)
            window.take(counter)
            assert not window.fresh(counter)
    assert not window.fresh(0)
    assert window.fresh(1 << 40)

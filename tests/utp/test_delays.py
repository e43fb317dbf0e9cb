"""The base delay and the queue above it: wrap-around, forgetting, no samples."""

import pytest

from core.utp.delays import DelayHistory


@pytest.mark.parametrize("base", [0, 1, 0xFFFFFFFF, 0xFFFFFFF0, 0x80000000, 123_456])
def test_queues_are_measured_across_the_wrap(base: int) -> None:
    history = DelayHistory()
    for sample in (base + 30_000, base, base + 50_000, base + 40_000, base + 60_000):
        history.add(sample & 0xFFFFFFFF, 1.0)
    assert history.queuing == pytest.approx(0.04)


def test_the_base_is_forgotten_after_ten_minutes() -> None:
    history = DelayHistory()
    history.add(1_000, 0.0)
    for minute in range(1, 10):
        for _ in range(3):
            history.add(51_000, minute * 60.0)
    assert history.queuing == pytest.approx(0.05)  # a route that became longer looks like a queue
    for minute in range(10, 12):
        history.add(51_000, minute * 60.0)
    assert history.queuing == 0.0


def test_no_samples_is_no_queue() -> None:
    history = DelayHistory()
    assert not history
    assert history.queuing == 0.0

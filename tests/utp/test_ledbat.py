"""Congestion control: slow start, growth by delay, retreat, base delay, wrap-around of the delay."""

import pytest

from core.utp.config import UtpConfig
from core.utp.ledbat import DelayHistory, Ledbat
from tests.utp.pair import Pair, Writer

CONFIG = UtpConfig()
PACKET = CONFIG.payload_bytes
BASE = 5_000_000  # microseconds; the clocks' difference


def steady(ledbat: Ledbat, queuing: float, rounds: int, start: float = 0.0) -> float:
    """Ack a full window `rounds` times with a queue of `queuing` seconds; return the time."""
    now = start
    for _ in range(rounds):
        window = int(ledbat.window)
        for _ in range(max(1, window // PACKET)):
            ledbat.acked(PACKET, BASE + int(queuing * 1e6), 1.0, now, limited=True)
        now += 0.1
    return now


def out_of_slow_start(queuing: float = 0.0) -> Ledbat:
    """Return a controller whose base delay is known and whose slow start is over at ten packets."""
    ledbat = Ledbat(CONFIG)
    ledbat.window = 20 * PACKET
    ledbat.acked(0, BASE, 1.0, 0.0, limited=False)
    ledbat.lost()
    assert ledbat.window == 10 * PACKET
    return ledbat


def test_slow_start_doubles_in_a_round_trip() -> None:
    ledbat = Ledbat(CONFIG)
    steady(ledbat, 0.0, 1)
    assert ledbat.window == 8 * PACKET
    steady(ledbat, 0.0, 2)
    assert ledbat.window == 32 * PACKET


def test_slow_start_ends_at_the_target() -> None:
    ledbat = Ledbat(CONFIG)
    now = steady(ledbat, 0.0, 2)
    before = ledbat.window
    steady(ledbat, 0.095, 3, now)
    assert before <= ledbat.window < before + 3 * CONFIG.increase_bytes


def test_growth_is_bounded_to_3000_bytes_in_a_round_trip() -> None:
    ledbat = out_of_slow_start()
    before = ledbat.window
    steady(ledbat, 0.0, 1)
    assert before + 0.8 * CONFIG.increase_bytes < ledbat.window <= before + CONFIG.increase_bytes


def test_a_queue_above_the_target_shrinks_it_down_to_two_packets() -> None:
    ledbat = out_of_slow_start()
    now = steady(ledbat, 0.15, 1)
    assert ledbat.window < 10 * PACKET
    steady(ledbat, 0.5, 100, now)
    assert ledbat.window == 2 * PACKET


def test_it_settles_where_the_queue_is_the_target() -> None:
    ledbat = out_of_slow_start()
    steady(ledbat, 0.1, 1)
    before = ledbat.window
    steady(ledbat, 0.1, 50, 10.0)
    assert ledbat.window == pytest.approx(before)


def test_what_is_not_used_does_not_grow() -> None:
    ledbat = out_of_slow_start()
    for step in range(100):
        ledbat.acked(PACKET, BASE, 1.0, step / 10, limited=False)
    assert ledbat.window == 10 * PACKET


def test_growth_ends_at_what_may_be_in_flight() -> None:
    ledbat = Ledbat(CONFIG)
    steady(ledbat, 0.0, 30)
    assert ledbat.window == CONFIG.in_flight_packets * PACKET


def test_loss_halves_and_timeouts_leave_one_packet() -> None:
    ledbat = Ledbat(CONFIG)
    ledbat.window = 100 * PACKET
    ledbat.lost()
    assert ledbat.window == 50 * PACKET
    ledbat.timed_out(again=False)
    ledbat.timed_out(again=True)
    assert ledbat.window == PACKET
    steady(ledbat, 0.0, 6)
    assert 25 * PACKET < ledbat.window < 30 * PACKET  # slow start up to half of the 50, then slowly


def test_the_delay_cannot_exceed_the_round_trip() -> None:
    ledbat = out_of_slow_start()
    before = ledbat.window
    ledbat.acked(PACKET, BASE + 900_000, 0.02, 1.0, limited=True)
    assert ledbat.window > before


def test_no_measurement_is_no_delay() -> None:
    ledbat = out_of_slow_start()
    before = ledbat.window
    ledbat.acked(PACKET, 0, 1.0, 1.0, limited=True)
    assert ledbat.window > before


@pytest.mark.parametrize("base", [0, 1, 0xFFFFFFFF, 0xFFFFFFF0, 0x80000000, 123_456])
def test_queues_are_measured_across_the_wrap(base: int) -> None:
    history = DelayHistory()
    for sample in (base + 30_000, base, base + 50_000, base + 40_000, base + 60_000):
        history.add(sample & 0xFFFFFFFF, 1.0)
    assert history.queuing() == pytest.approx(0.04)


def test_the_base_is_forgotten_after_ten_minutes() -> None:
    history = DelayHistory()
    history.add(1_000, 0.0)
    for minute in range(1, 10):
        for _ in range(3):
            history.add(51_000, minute * 60.0)
    assert history.queuing() == pytest.approx(0.05)  # a route that became longer looks like a queue
    for minute in range(10, 12):
        history.add(51_000, minute * 60.0)
    assert history.queuing() == 0.0


def test_no_samples_is_no_queue() -> None:
    assert DelayHistory().queuing() == 0.0


def test_a_transfer_over_a_long_link_fills_it() -> None:
    pair = Pair()
    a, b = pair.connect()
    start = pair.now
    Writer(pair, a, bytes(5_000_000)).start()
    assert pair.run(lambda: len(pair.b.received(b)) == 5_000_000, limit=60.0)
    assert pair.now - start < 1.0  # 40 ms of round trip, slow start, then a megabyte each

"""The congestion window by delay: slow start, growth, retreat, and what a peer's clock may do to it."""

import pytest

from core.utp.config import UtpConfig
from core.utp.ledbat import Ledbat
from tests.support.samples import some
from tests.utp.bottleneck import Bottleneck
from tests.utp.pair import Pair, Writer

CONFIG = UtpConfig()
PACKET = CONFIG.payload_bytes
TARGET = CONFIG.target_delay
FIRST = CONFIG.initial_window_packets * PACKET
BASE = 5_000_000  # microseconds; the clocks' difference
RTT = 0.1  # seconds


def steady(ledbat: Ledbat, queuing: float, rounds: int, start: float = 0.0, *, limited: bool = True) -> float:
    """Ack a full window `rounds` times with a queue of `queuing` seconds; return the time."""
    now = start
    for _ in range(rounds):
        now += RTT + queuing
        for _ in range(max(1, int(ledbat.window) // PACKET)):
            ledbat.acked(PACKET, BASE + int(queuing * 1e6), RTT + queuing, now, limited=limited)
    return now


def out_of_slow_start(packets: int = 40) -> tuple[Ledbat, float]:
    """Return a controller that knows its path, past slow start, with a window of so many packets; and the time."""
    ledbat = Ledbat(CONFIG)
    now = steady(ledbat, 0.0, 4)
    now = steady(ledbat, TARGET * 0.8, 4, now)
    assert not ledbat.starting()
    ledbat.window = packets * PACKET
    return ledbat, steady(ledbat, TARGET, 1, now)


def test_slow_start_doubles_in_a_round_trip() -> None:
    ledbat = Ledbat(CONFIG)
    now = steady(ledbat, 0.0, 1)
    assert ledbat.window == 2 * FIRST
    steady(ledbat, 0.0, 2, now)
    assert ledbat.window == 8 * FIRST


def test_slow_start_ends_at_half_the_target() -> None:
    ledbat = Ledbat(CONFIG)
    now = steady(ledbat, 0.0, 4)
    before = ledbat.window
    now = steady(ledbat, TARGET * 0.4, 1, now)
    assert ledbat.starting()
    steady(ledbat, TARGET * 0.6, 1, now)
    assert not ledbat.starting()
    assert ledbat.window < 1.3 * before  # what the path was seen to deliver, not what had been allowed


def test_growth_near_the_target_is_bounded_to_3000_bytes_in_a_round_trip() -> None:
    ledbat, now = out_of_slow_start()
    before = ledbat.window
    steady(ledbat, TARGET / 2, 1, now)
    assert 0.4 * CONFIG.increase_bytes < ledbat.window - before <= 0.5 * CONFIG.increase_bytes


def test_a_queue_above_the_target_shrinks_it_in_parts_down_to_two_packets() -> None:
    ledbat, now = out_of_slow_start()
    now = steady(ledbat, 1.25 * TARGET, 2, now)
    assert 20 * PACKET < ledbat.window < 30 * PACKET
    steady(ledbat, 5 * TARGET, 20, now)
    assert ledbat.window == 2 * PACKET


def test_it_settles_where_the_queue_is_the_target() -> None:
    ledbat, now = out_of_slow_start()
    before = ledbat.window
    steady(ledbat, TARGET, 50, now)
    assert ledbat.window == pytest.approx(before)


def test_what_is_not_used_does_not_grow() -> None:
    ledbat, now = out_of_slow_start()
    before = ledbat.window
    steady(ledbat, 0.0, 20, now, limited=False)
    assert ledbat.window == before


def test_growth_ends_at_what_may_be_in_flight() -> None:
    ledbat = Ledbat(CONFIG)
    steady(ledbat, 0.0, 30)
    assert ledbat.window == CONFIG.in_flight_packets * PACKET


def test_no_measurement_of_the_peer_is_no_delay() -> None:
    ledbat = Ledbat(CONFIG)
    for step in range(10):
        ledbat.acked(PACKET, 0, RTT + step, float(step), limited=True)
    assert ledbat.queuing() == 0.0


@pytest.mark.parametrize("step", [1_000_000, -1_000_000, 0x7FFFFFFF, 0x80000001, 3_600_000_000])
def test_a_step_of_the_peers_clock_is_no_queue(step: int) -> None:
    """Two histories must agree: the round trip is measured by our clock alone."""
    ledbat = Ledbat(CONFIG)
    for number in range(6):
        shift = step if number >= 3 else 0
        ledbat.acked(PACKET, (BASE + shift) & 0xFFFFFFFF, RTT + 0.002, float(number), limited=True)
        assert ledbat.queuing() == 0.0


def test_a_transfer_over_a_long_link_fills_it() -> None:
    pair = Pair()
    a, b = pair.connect()
    start = pair.now
    Writer(pair, a, bytes(5_000_000)).start()
    assert pair.run(lambda: len(pair.b.received(b)) == 5_000_000, limit=60.0)
    assert pair.now - start < 1.0  # 40 ms of round trip, slow start, then a megabyte each


@pytest.mark.parametrize("megabits", [2, 20])
@pytest.mark.parametrize("rtt", some([0.02, 0.001, 0.1], 3))
def test_a_link_is_filled_and_its_queue_stays_short(megabits: float, rtt: float) -> None:
    link = Bottleneck(megabits, rtt)
    assert link.pour(4.0) > 0.8 * megabits  # of 0.965 that headers leave; the start takes some round trips
    assert link.up.waited(95) < 0.1
    assert link.up.dropped == 0


@pytest.mark.parametrize("drift", some([200e-6, 0.0, -200e-6], 3))
def test_an_hour_with_a_drifting_clock_neither_starves_nor_bloats(drift: float) -> None:
    """A window on a link that is nobody else's, 20 ms long; the queue is what the window holds beyond that."""
    rate, base, now = 250_000.0, 0.02, 0.0
    ledbat = Ledbat(CONFIG)
    queues: list[float] = []
    idle = 0.0
    while now < 3600.0:
        queue = max(0.0, ledbat.window / rate - base)
        idle += max(0.0, base - ledbat.window / rate)
        queues.append(queue)
        now += base + queue
        part = int(ledbat.window / 4)
        for _ in range(4):
            delay = BASE + int((queue + drift * now) * 1e6)
            ledbat.acked(part, delay, base + queue, now, limited=True)
    queues.sort()
    assert queues[len(queues) * 95 // 100] < 0.1
    assert idle < 0.01 * 3600.0

"""What loss does to the window: little when the path has room, half when it has not; timeouts; probing pauses."""

import pytest

from core.utp.config import UtpConfig
from core.utp.ledbat import Ledbat
from tests.support.samples import some
from tests.utp.bottleneck import Bottleneck
from tests.utp.test_ledbat import BASE, CONFIG, FIRST, PACKET, RTT, TARGET, steady


def past_start(packets: int, queuing: float) -> Ledbat:
    """Return a controller past slow start that has seen so many packets per round trip delivered."""
    ledbat = Ledbat(CONFIG)
    now = steady(ledbat, 0.0, 3)
    ledbat.timed_out(again=False)
    ledbat.window = packets * PACKET
    steady(ledbat, queuing, 4, now, limited=False)
    ledbat.window = packets * PACKET
    return ledbat


def test_loss_without_a_queue_leaves_what_the_path_delivers() -> None:
    ledbat = past_start(100, 0.0)
    ledbat.dropped(2)
    ledbat.lost()
    assert 90 * PACKET < ledbat.window <= 100 * PACKET


def test_loss_with_a_queue_leaves_what_fits_without_it() -> None:
    ledbat = past_start(100, 0.4 * RTT)
    ledbat.dropped(2)
    ledbat.lost()
    assert 65 * PACKET < ledbat.window < 80 * PACKET  # 100 / 1.4


def test_loss_takes_no_more_than_half() -> None:
    ledbat = past_start(100, 5 * RTT)
    ledbat.dropped(2)
    ledbat.lost()
    assert ledbat.window == pytest.approx(50 * PACKET)


def test_heavy_loss_is_congestion_even_without_a_queue() -> None:
    """What the last round trip delivered counts then, not the best of the last ten."""
    ledbat = past_start(100, 0.0)
    now = 10.0
    for _ in range(8):
        now += RTT
        ledbat.dropped(40)
        for _ in range(60):
            ledbat.acked(PACKET, BASE, RTT, now, limited=False)
    ledbat.lost()
    assert 50 * PACKET <= ledbat.window < 65 * PACKET


def test_slow_start_outlives_a_random_loss_but_not_many() -> None:
    ledbat = Ledbat(CONFIG)
    steady(ledbat, 0.0, 3)
    ledbat.dropped(1)
    ledbat.lost()
    assert ledbat.starting()
    assert ledbat.window == 8 * FIRST
    ledbat.dropped(40)
    ledbat.lost()
    assert not ledbat.starting()
    assert ledbat.window < 8 * FIRST


def test_timeouts_leave_one_packet_and_half_as_the_goal() -> None:
    ledbat = past_start(100, 0.0)
    ledbat.timed_out(again=False)
    ledbat.timed_out(again=True)
    assert ledbat.window == PACKET
    steady(ledbat, 0.0, 5, 100.0)
    assert ledbat.window == 32 * PACKET
    steady(ledbat, 0.0, 1, 110.0)
    assert 50 * PACKET <= ledbat.window < 64 * PACKET


@pytest.mark.parametrize(
    ("rtt", "loss", "share"),
    some([(0.02, 0.05, 0.75), (0.02, 0.01, 0.9), (0.1, 0.01, 0.7), (0.1, 0.05, 0.4)], 4),
)
def test_random_loss_leaves_most_of_the_rate(rtt: float, loss: float, share: float) -> None:
    link = Bottleneck(20, rtt, loss=loss, seed=3)
    assert link.pour(6.0) > share * 20
    assert link.up.waited(95) < 0.1
    assert link.a.mux.statistics().timeouts == 0


@pytest.mark.parametrize(("megabits", "rtt", "queue"), some([(8, 0.04, 0.01), (20, 0.02, 0.003), (20, 0.1, 0.01)], 3))
def test_a_queue_too_small_to_be_felt_is_not_flooded(megabits: float, rtt: float, queue: float) -> None:
    """Loss alone speaks there: growth that brings no speed pauses."""
    link = Bottleneck(megabits, rtt)
    link.up.queue = int(megabits * 1e6 / 8 * queue)
    assert link.pour(6.0) > 0.8 * megabits
    assert link.up.dropped < 0.09 * len(link.up.waits)


def test_the_least_window_is_two_packets() -> None:
    ledbat = Ledbat(UtpConfig(initial_window_packets=2))
    ledbat.dropped(20)
    ledbat.lost()
    assert ledbat.window == 2 * PACKET
    assert TARGET < RTT  # the rest of this module counts on it


def test_the_least_window_is_two_packets_however_long() -> None:
    ledbat = Ledbat(CONFIG)
    ledbat.packet = 16_384
    ledbat.window = 1_000_000.0
    for _ in range(10):
        ledbat.dropped(20)
        ledbat.lost()
    assert ledbat.window == 2 * 16_384
    ledbat.timed_out(again=False)
    assert ledbat.window == 16_384

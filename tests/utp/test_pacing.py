"""Pacing: bursts, the rate, waiting for half a burst, and that a fast path is not held back."""

import math
from itertools import pairwise

import pytest

from core.utp.pacer import Pacer
from core.wire.utp_packet import PacketType
from tests.utp.pair import Link, Pair, Writer

PACKET = 1000


def test_without_a_rate_everything_leaves() -> None:
    pacer = Pacer()
    pacer.spend(10**9, 1.0)
    assert pacer.allowance(1.0) == math.inf


def test_a_burst_leaves_at_once_and_the_rest_at_the_rate() -> None:
    pacer = Pacer()
    pacer.set(100_000.0, PACKET)
    assert pacer.allowance(1.0) == 4 * PACKET  # however long it was idle
    pacer.spend(4 * PACKET, 1.0)
    assert pacer.allowance(1.0) == pytest.approx(0.0)
    assert pacer.ready_at() == pytest.approx(1.02)
    assert pacer.allowance(1.02) == pytest.approx(2 * PACKET)
    sent = 4 * PACKET
    now = 1.0
    while now < 2.0:
        now = pacer.ready_at()
        sent += 2 * PACKET
        pacer.spend(2 * PACKET, now)
    assert sent == pytest.approx(104_000, abs=2 * PACKET)


def test_a_fast_path_has_long_bursts_and_no_timer_below_a_millisecond() -> None:
    pacer = Pacer()
    pacer.set(100e6, PACKET)
    assert pacer.allowance(1.0) == pytest.approx(200_000)
    pacer.spend(200_000, 1.0)
    assert pacer.ready_at() - 1.0 == pytest.approx(0.001)


def test_what_overdraws_is_paid_back() -> None:
    pacer = Pacer()
    pacer.set(100_000.0, PACKET)
    pacer.spend(24 * PACKET, 1.0)
    assert pacer.allowance(1.1) < 0.0 < pacer.allowance(1.21)


def test_a_window_leaves_spread_over_the_round_trip() -> None:
    pair = Pair(link=Link(delay=0.05))
    a, b = pair.connect()
    Writer(pair, a, bytes(3_000_000)).start()
    pair.run(lambda: len(pair.b.received(b)) == 3_000_000)
    pair.run(limit=5.0)  # idle: no ack is left that could clock anything out
    began = pair.now
    whole = 180 * pair.config.payload_bytes  # a short last packet would wait for an ack (Nagle)
    Writer(pair, a, bytes(whole)).start()
    pair.run(lambda: len(pair.b.received(b)) == 3_000_000 + whole)
    times = [sent.at - began for sent in pair.sent if sent.packet.type is PacketType.DATA and sent.at >= began]
    assert len(times) == 180
    assert 0.006 < times[-1] < 0.1  # 1,000 packets of window, twice a round trip in slow start, less the first burst
    assert max(later - earlier for earlier, later in pairwise(times)) < 0.004
    first_burst = sum(at == 0.0 for at in times)
    assert first_burst < 60


def test_a_timer_that_comes_hours_late_lets_out_no_flood() -> None:
    pair = Pair(link=Link(delay=0.05))
    a, b = pair.connect()
    Writer(pair, a, bytes(3_000_000)).start()
    pair.run(lambda: len(pair.b.received(b)) > 1_000_000)
    before = len(pair.sent)
    pair.now += 3 * 3600.0
    pair.a.mux.tick(pair.now)
    pair.flush()
    assert len(pair.sent) - before < 10

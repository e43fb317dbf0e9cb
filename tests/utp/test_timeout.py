"""The retransmission timer: its values by RFC 6298, its back-off, what it does to the window, when it gives up."""

from itertools import pairwise

import pytest

from core.errors import TransportClosed
from core.utp.config import UtpConfig
from core.utp.rtt import RoundTrip
from core.utp.state import State
from tests.utp.pair import A, Pair


def test_the_estimate_follows_rfc_6298() -> None:
    estimate = RoundTrip(UtpConfig())
    assert estimate.timeout() == 1.0
    estimate.sample(0.4)
    assert estimate.smoothed == 0.4
    assert estimate.timeout() == pytest.approx(0.4 + 4 * 0.2)
    estimate.sample(0.8)
    assert estimate.smoothed == pytest.approx(0.4 * 7 / 8 + 0.8 / 8)
    assert estimate.timeout() == pytest.approx(0.45 + 4 * (0.2 * 3 / 4 + 0.4 / 4))


def test_the_timeout_has_a_floor_and_a_ceiling() -> None:
    estimate = RoundTrip(UtpConfig())
    for _ in range(50):
        estimate.sample(0.001)
    assert estimate.timeout() == 0.5
    waits = []
    for _ in range(7):
        estimate.back_off()
        waits.append(estimate.timeout())
    assert waits == [1.0, 2.0, 4.0, 6.0, 6.0, 6.0, 6.0]
    for _ in range(2000):
        estimate.back_off()
    assert estimate.timeout() == 6.0
    estimate.progress()
    assert estimate.timeout() == 0.5


def test_a_lone_packet_is_repeated_with_back_off_until_the_peer_is_given_up() -> None:
    pair = Pair()
    a, _ = pair.connect()
    pair.drop = lambda sent: True
    start = pair.now
    a.write(b"anybody?", pair.now, boundary=True)
    pair.run(lambda: pair.a.closed(a) is not None, limit=200.0)
    times = sorted({round(sent.at - start, 6) for sent in pair.sent if sent.by == A and sent.packet.payload})
    probe = a._sender.round_trip.probe_timeout()
    assert probe is not None
    waits = [round(later - earlier, 6) for earlier, later in pairwise(times)]
    assert waits[:7] == pytest.approx([probe, 0.5 - probe, 1.0, 2.0, 4.0, 6.0, 6.0])
    closed = pair.a.closed(a)
    assert closed is not None
    assert isinstance(closed.error, TransportClosed)
    assert pair.config.dead_after <= pair.now - start < pair.config.dead_after + pair.config.rto_max + 0.1
    assert a.state is State.CLOSED


def test_from_the_second_timeout_on_a_lone_packet_goes_twice() -> None:
    pair = Pair()
    a, _ = pair.connect()
    pair.drop = lambda sent: True
    start = pair.now
    a.write(b"anybody?", pair.now, boundary=True)
    pair.run(limit=5.0)
    counts: dict[float, int] = {}
    for sent in pair.sent:
        if sent.by == A and sent.packet.payload:
            counts[round(sent.at - start, 6)] = counts.get(round(sent.at - start, 6), 0) + 1
    assert counts == {0.0: 1, 0.13: 1, 0.5: 1, 1.5: 2, 3.5: 2}  # 0.13: the probe


def test_a_timeout_shrinks_the_window_to_two_probes() -> None:
    pair = Pair()
    a, b = pair.connect()
    a.write(bytes(300_000), pair.now)
    pair.run(lambda: len(pair.b.received(b)) > 100_000)
    pair.drop = lambda sent: True
    pair.run(lambda: pair.a.mux.statistics().timeouts == 1, limit=5.0)
    assert len([sent for sent in pair.sent if sent.by == A and sent.at == pair.now]) == 2
    pair.lossless()
    assert pair.run(lambda: len(pair.b.received(b)) == 300_000, limit=20.0)


def test_the_idle_time_before_does_not_count_as_silence() -> None:
    pair = Pair()
    a, b = pair.connect()
    a.write(b"first", pair.now)
    pair.run(limit=100.0)
    pair.drop = lambda sent: sent.at < 1103.0
    a.write(b"second", pair.now)
    assert pair.run(lambda: pair.b.received(b) == b"firstsecond", limit=10.0)
    assert a.state is State.OPEN


def test_karn_a_packet_sent_twice_gives_no_sample() -> None:
    pair = Pair()
    a, b = pair.connect()
    before = a._sender.round_trip.smoothed
    pair.drop = lambda sent: sent.by == A and sent.at < 1000.4
    a.write(b"x", pair.now, boundary=True)
    pair.run(lambda: pair.b.received(b) == b"x")
    pair.run(limit=1.0)
    assert a._sender.round_trip.smoothed == before
    assert a._sender.round_trip.backed_off == 0


def test_a_clock_that_jumps_hours_ahead_costs_no_connection_and_no_estimate() -> None:
    estimate = RoundTrip(UtpConfig())
    estimate.sample(0.1)
    estimate.sample(7200.0)
    assert estimate.timeout() <= UtpConfig().rto_max
    assert estimate.smoothed is not None
    assert estimate.smoothed < 1.0
    pair = Pair()
    a, _ = pair.connect()
    a.write(b"x" * 1000, pair.now)
    pair.drop = lambda sent: True
    pair.flush()
    pair.lossless()
    sender = a._sender
    assert sender.tick(pair.now + 7200.0)  # one timeout proves nothing
    for _ in range(3):
        sender.segments(pair.now + 7200.0, 10)
        alive = sender.tick(pair.now + 7300.0)
    assert not alive

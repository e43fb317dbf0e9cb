"""Tail-loss probes (RFC 8985 section 7): when all in flight is lost, no ack tells; one packet sent again early asks."""

import pytest

from core.utp.config import UtpConfig
from core.utp.rtt import RoundTrip
from core.utp.send_window import SendWindow
from core.wire.utp_marks import Marks
from core.wire.utp_packet import PacketType, seq_add
from tests.utp.pair import A, Pair, Sent, Writer

LIKE_LIBUTP = UtpConfig(selective_ack_bits=32, marks=Marks.JOINS)
FIRST = 65_500  # so that numbers wrap
RTT = 0.1  # seconds


def window(packets: int) -> SendWindow:
    """Return a window whose packets were sent at 0.0."""
    sending = SendWindow(FIRST)
    for _ in range(packets):
        sending.sent(sending.add(PacketType.DATA, bytes(100)), 0.0)
    return sending


def probe(sending: SendWindow, now: float) -> None:
    """Send the oldest packet again."""
    sending.probe()
    sending.sent(sending.take_lost(), now)


def drop_data(pair: Pair, first: int, last: int) -> list[int]:
    """Lose the first transmission of the data packets `first` to `last` of `a`, counted from now; return their seqs."""
    seen: set[int] = set()
    dropped: list[int] = []

    def drop(sent: Sent) -> bool:
        packet = sent.packet
        if sent.by != A or packet.type is not PacketType.DATA or packet.seq in seen:
            return False
        seen.add(packet.seq)
        if first <= len(seen) <= last:
            dropped.append(packet.seq)
            return True
        return False

    pair.drop = drop
    return dropped


def test_the_wait_is_two_round_trips_and_what_they_vary() -> None:
    estimate = RoundTrip(UtpConfig())
    assert estimate.probe_timeout() is None
    estimate.sample(0.2)
    assert estimate.probe_timeout() == pytest.approx(0.2 + 4 * 0.1 + 0.01)
    for _ in range(100):
        estimate.sample(0.2)
    assert estimate.probe_timeout() == pytest.approx(0.41)


def test_a_lost_tail_is_repaired_without_a_timeout() -> None:
    pair = Pair()
    a, b = pair.connect()
    Writer(pair, a, bytes(400_000)).start()
    pair.run(lambda: len(pair.b.received(b)) == 400_000)
    dropped = drop_data(pair, 60, 72)
    start = pair.now
    Writer(pair, a, bytes(100_000)).start()
    assert pair.run(lambda: len(pair.b.received(b)) == 500_000, limit=10.0)
    statistics = pair.a.mux.statistics()
    assert (len(dropped), statistics.timeouts, statistics.probes) == (13, 0, 1)
    assert pair.now - start < 0.3  # a paced round trip, the probe's wait, two round trips; a timeout alone takes 0.5 s


def test_holes_past_what_the_peer_reports_are_repaired_without_a_timeout() -> None:
    """A full socket buffer of libutp: many packets lost in a row, and some past them arrive, unseen in its mask."""
    pair = Pair(config=LIKE_LIBUTP)
    a, b = pair.connect()
    Writer(pair, a, bytes(400_000)).start()
    pair.run(lambda: len(pair.b.received(b)) == 400_000)
    dropped = drop_data(pair, 40, 139)
    Writer(pair, a, bytes(250_000)).start()
    start = pair.now
    assert pair.run(lambda: len(pair.b.received(b)) == 650_000, limit=30.0)
    assert len(dropped) == 100
    statistics = pair.a.mux.statistics()
    assert statistics.timeouts == 0
    assert statistics.retransmitted < 110
    assert pair.now - start < 1.0


def test_repairs_go_on_while_what_came_unseen_still_fills_the_window() -> None:
    """Of 200 that came past the peer's mask we learn nothing until the holes are filled: they count as in flight."""
    pair = Pair(config=LIKE_LIBUTP)
    a, b = pair.connect()
    Writer(pair, a, bytes(400_000)).start()
    pair.run(lambda: len(pair.b.received(b)) == 400_000)
    dropped = drop_data(pair, 10, 49)
    Writer(pair, a, bytes(350_000)).start()
    start = pair.now
    assert pair.run(lambda: len(pair.b.received(b)) == 750_000, limit=30.0)
    statistics = pair.a.mux.statistics()
    assert len(dropped) == statistics.retransmitted == 40
    assert statistics.timeouts == 0
    assert pair.now - start < 1.5  # two in a round trip


def test_one_probe_until_there_is_progress() -> None:
    pair = Pair()
    a, b = pair.connect()
    pair.drop = lambda sent: sent.by == A
    a.write(b"x", pair.now, boundary=True)
    pair.run(limit=20.0)
    assert pair.a.mux.statistics().probes == 1
    pair.lossless()
    pair.run(lambda: pair.b.received(b) == b"x")
    pair.run(limit=1.0)
    pair.drop = lambda sent: sent.by == A
    a.write(b"y", pair.now, boundary=True)
    pair.run(limit=0.4)
    assert pair.a.mux.statistics().probes == 2


def test_nothing_is_asked_when_nothing_is_missing() -> None:
    pair = Pair()
    a, b = pair.connect()
    Writer(pair, a, bytes(400_000), close=True).start()
    b.close(pair.now)
    pair.run(lambda: pair.a.closed(a) is not None)
    assert pair.a.mux.statistics().probes == pair.a.mux.statistics().retransmitted == 0


def test_the_ack_of_the_probe_alone_tells_that_all_before_it_was_lost() -> None:
    sending = window(60)
    probe(sending, 0.3)
    acked = sending.acknowledge(FIRST, b"", 0.31, duplicate=False, round_trip=RTT)
    assert (acked.packets, acked.lost, acked.fresh_loss, acked.sample) == (1, 59, True, None)


def test_a_probe_that_was_not_needed_loses_nothing() -> None:
    sending = window(60)
    probe(sending, 0.3)
    acked = sending.acknowledge(seq_add(FIRST, 20), b"", 0.31, duplicate=False, round_trip=RTT)
    assert (acked.packets, acked.lost) == (21, 0)
    assert sending.in_flight == 39


def test_a_probe_does_not_pass_what_is_known_to_be_lost() -> None:
    sending = window(60)
    sending.acknowledge(seq_add(FIRST, -1), b"\xf8\0\0\0", 0.1, duplicate=True, round_trip=RTT)
    sending.sent(sending.take_lost(), 0.1)
    known = sending.lost
    assert known > 0
    sending.probe()  # the oldest is in flight again, but others wait to be sent
    assert sending.lost == known


def test_what_was_held_past_a_gap_gives_no_sample() -> None:
    sending = window(10)
    sending.lose_all()
    sending.sent(sending.take_lost(), 0.7)
    assert sending.acknowledge(seq_add(FIRST, 9), b"", 0.8, duplicate=False, round_trip=RTT).sample is None
    sending.sent(sending.add(PacketType.DATA, b"next"), 0.9)
    assert sending.acknowledge(seq_add(FIRST, 10), b"", 1.0, duplicate=False, round_trip=RTT).sample == pytest.approx(
        0.1
    )

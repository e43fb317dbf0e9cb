"""Losses found without a timeout: selective acks, duplicate acks, retransmissions that are lost as well."""

import pytest

from core.utp.config import UtpConfig
from core.utp.receive_window import Arrival, ReceiveWindow
from core.utp.send_window import SendWindow
from core.wire.utp_packet import PacketType, seq_add
from tests.utp.pair import A, Pair, Sent, Writer

RTT = 0.04  # of the pair's link


def losing(pair: Pair, *which: int, times: int = 1) -> list[int]:
    """Drop the first `times` transmissions of the data packets with these places; return what was dropped."""
    first: list[int] = []
    seen: dict[int, int] = {}
    dropped: list[int] = []

    def drop(sent: Sent) -> bool:
        if sent.by != A or not sent.packet.payload:
            return False
        if not first:
            first.append(sent.packet.seq)
        place = sent.packet.seq - first[0]
        seen[place] = seen.get(place, 0) + 1
        if place in which and seen[place] <= times:
            dropped.append(place)
            return True
        return False

    pair.drop = drop
    return dropped


@pytest.mark.parametrize("lost", [(10,), (10, 11, 12), (5, 9, 20, 40)])
def test_losses_are_repaired_without_a_timeout(lost: tuple[int, ...]) -> None:
    pair = Pair(2)
    a, b = pair.connect()
    dropped = losing(pair, *lost)
    Writer(pair, a, bytes(200_000)).start()
    assert pair.run(lambda: len(pair.b.received(b)) == 200_000, limit=10.0)
    statistics = pair.a.mux.statistics()
    assert sorted(dropped) == sorted(lost)
    assert statistics.timeouts == 0
    assert statistics.fast_losses == statistics.retransmitted == len(lost)
    assert pair.b.mux.statistics().duplicates == 0


def test_a_lost_retransmission_is_found_too() -> None:
    pair = Pair(2)
    a, b = pair.connect()
    losing(pair, 30, times=2)
    Writer(pair, a, bytes(400_000)).start()
    assert pair.run(lambda: len(pair.b.received(b)) == 400_000, limit=10.0)
    assert pair.a.mux.statistics().timeouts == 0


def test_a_peer_without_selective_acks_is_understood_by_duplicate_acks(monkeypatch: pytest.MonkeyPatch) -> None:
    pair = Pair(2)
    pair.together = False
    a, b = pair.connect()
    losing(pair, 20)
    monkeypatch.setattr(ReceiveWindow, "selective_ack", lambda _: b"")
    Writer(pair, a, bytes(200_000)).start()
    assert pair.run(lambda: len(pair.b.received(b)) == 200_000, limit=10.0)
    assert pair.a.mux.statistics().timeouts == 0


def test_the_repair_takes_one_round_trip() -> None:
    pair = Pair(2)
    a, b = pair.connect()
    losing(pair, 6)
    Writer(pair, a, bytes(20_000)).start()
    pair.run(lambda: len(pair.b.received(b)) == 20_000, limit=10.0)
    times = [sent.at for sent in pair.sent if sent.by == A and sent.packet.payload]
    seqs = [sent.packet.seq for sent in pair.sent if sent.by == A and sent.packet.payload]
    twice = next(seq for seq in seqs if seqs.count(seq) == 2)
    first, second = (at for at, seq in zip(times, seqs, strict=True) if seq == twice)
    assert 0.99 * RTT <= second - first < 2.1 * RTT


def window(*, first: int = 65_530, packets: int = 10) -> SendWindow:
    """Return a window with packets of 100 bytes sent at 0.0, 0.001, ..."""
    sending = SendWindow(first)
    for number in range(packets):
        sending.sent(sending.add(PacketType.DATA, bytes(100)), number / 1000)
    return sending


def test_two_later_packets_are_reordering_three_are_a_loss() -> None:
    sending = window()
    base = sending.base
    acked = sending.acknowledge(seq_add(base, -1), b"\x03\0\0\0", 0.1, duplicate=True, round_trip=0.1)
    assert (acked.packets, acked.lost) == (2, 0)  # base + 1 and base + 2 came
    acked = sending.acknowledge(seq_add(base, -1), b"\x07\0\0\0", 0.1, duplicate=True, round_trip=0.1)
    assert (acked.packets, acked.lost) == (1, 1)
    lost = sending.next_lost()
    assert lost is not None
    assert lost.seq == base
    assert sending.flight_bytes == 600
    assert sending.unacked_bytes == 700


def test_the_third_duplicate_ack_and_not_the_second() -> None:
    sending = window()
    before = seq_add(sending.base, -1)
    lost = [sending.acknowledge(before, b"", 0.2, duplicate=True, round_trip=0.1).lost for _ in range(4)]
    assert lost == [0, 0, 1, 0]


def test_packets_past_the_last_reported_one_are_not_taken_for_lost() -> None:
    """libutp reports 30 packets, come or not; of what lies beyond, nothing is known."""
    sending = window(packets=60)
    base = sending.base
    sending.acknowledge(seq_add(base, -1), b"\xff\0\0\0", 0.1, duplicate=True, round_trip=0.1)
    resent = sending.take_lost()
    sending.sent(resent, 0.1)
    acked = sending.acknowledge(seq_add(base, 8), b"\x00\x01\0\0", 0.2, duplicate=False, round_trip=0.1)
    lost = []
    while sending.next_lost() is not None:
        lost.append(sending.take_lost().seq)
    assert acked.lost == len(lost) == 30
    assert lost == [seq_add(base, step) for step in range(9, 40) if step != 18]


def test_an_ack_that_must_be_of_the_first_transmission_tells_nothing_of_the_second() -> None:
    sending = window(packets=10)
    base = sending.base
    sending.lose_all()
    for _ in range(10):
        sending.sent(sending.take_lost(), 0.5)
    # a moment after the second transmissions, the last of the first ones is acked: the others may still come
    acked = sending.acknowledge(seq_add(base, -1), b"\0\x01\0\0", 0.501, duplicate=True, round_trip=0.1)
    assert (acked.packets, acked.lost, acked.sample) == (1, 0, None)
    acked = sending.acknowledge(seq_add(base, -1), b"\x80\x01\0\0", 0.6, duplicate=True, round_trip=0.1)
    assert (acked.packets, acked.lost) == (1, 6)


def test_bits_for_what_was_never_sent_do_nothing() -> None:
    sending = window(packets=3)
    acked = sending.acknowledge(seq_add(sending.base, -1), b"\xff" * 32, 0.1, duplicate=True, round_trip=0.1)
    assert acked.packets == 2
    assert sending.span == 3


def test_the_window_is_halved_once_for_one_round_trip() -> None:
    sending = window(packets=40)
    base = sending.base
    first = sending.acknowledge(seq_add(base, -1), b"\x78\0\0\0", 0.1, duplicate=True, round_trip=0.1)
    assert first.fresh_loss
    sending.halved()
    second = sending.acknowledge(seq_add(base, -1), b"\0\0\0\x0f", 0.1, duplicate=True, round_trip=0.1)
    assert second.lost > 0
    assert not second.fresh_loss


def test_the_mask_names_what_came_past_the_gap() -> None:
    receiving = ReceiveWindow(UtpConfig(), 65_534)
    assert receiving.selective_ack() == b""
    for ahead in (1, 2, 9, 33):
        assert receiving.insert(seq_add(65_534, ahead), b"x", fin=False) is Arrival.GAP
    assert receiving.selective_ack().hex() == "0301000001000000"
    assert receiving.insert(seq_add(65_534, 9), b"x", fin=False) is Arrival.DUPLICATE
    assert receiving.insert(65_534, b"x", fin=False) is Arrival.IN_ORDER
    assert receiving.next_seq == 1
    assert receiving.selective_ack().hex() == "20000020"  # bits 5 and 29: 7 and 31 have come, 2 is the first bit
    assert receiving.take() == [b"x"] * 3


def test_the_mask_is_bounded() -> None:
    receiving = ReceiveWindow(UtpConfig(selective_ack_bits=64), 0)
    for ahead in range(1, 500):
        receiving.insert(ahead, b"x", fin=False)
    assert receiving.selective_ack() == b"\xff" * 8
    far = ReceiveWindow(UtpConfig(selective_ack_bits=64), 0)
    far.insert(66, b"x", fin=False)  # past the mask, which must not look as if nothing had come
    assert far.selective_ack() == bytes(4)


def test_out_of_order_packets_are_acked_at_once_with_a_mask() -> None:
    pair = Pair()
    a, b = pair.connect()
    pair.run(limit=1.0)
    start = pair.now
    losing(pair, 0)
    for _ in range(2):
        a.write(b"x", pair.now, boundary=True)
    pair.run(lambda: bool(pair.packets(pair.b, since=start)))
    assert pair.now - start == pytest.approx(RTT / 2)
    (ack,) = pair.packets(pair.b, since=start)
    assert ack.selective_ack == b"\x01\0\0\0"
    assert pair.b.received(b) == b""

"""Every table and buffer has a bound; what is over it is dropped and counted."""

import gc
from dataclasses import replace
from random import Random

import pytest

from core.errors import LocalError
from core.utp.config import UtpConfig
from core.utp.connection import Connection
from core.utp.mux import Mux
from core.utp.receive_window import Arrival, ReceiveWindow
from core.utp.state import State
from core.values import Address
from core.wire.utp_packet import Packet, PacketType, seq_add
from tests.utp.pair import A, B, Pair


def syn(connection_id: int, seq: int = 100) -> bytes:
    """Return a SYN of a made-up peer."""
    return bytes(Packet(PacketType.SYN, connection_id, 1, 0, 1 << 20, seq, 0))


def shake(mux: Mux, source: Address, connection_id: int) -> None:
    """Connect a made-up peer to a mux and confirm it."""
    mux.transmit(1.0)
    mux.receive([syn(connection_id)], source, 1.0)
    (burst,) = mux.transmit(1.0)
    answer = burst.datagrams[0]
    seq, delay = int.from_bytes(answer[16:18], "big"), 1 - int.from_bytes(answer[4:8], "big") & 0xFFFFFFFF
    confirm = Packet(PacketType.STATE, seq_add(connection_id, 1), 1, delay, 1 << 20, 101, seq_add(seq, -1))
    mux.receive([bytes(confirm)], source, 1.0)
    mux.transmit(1.0)


def test_connect_refuses_beyond_the_bound() -> None:
    mux = Mux(UtpConfig(connections=3), Random(1))
    kept = [mux.connect(B, 0.0) for _ in range(3)]
    with pytest.raises(LocalError, match="close some"):
        mux.connect(B, 0.0)
    kept[0].abort(0.0)
    assert mux.connect(B, 0.0).state is State.SYN_SENT


def test_beyond_the_bound_a_stranger_makes_room() -> None:
    mux = Mux(UtpConfig(connections=3), Random(1))
    for number in range(5):
        shake(mux, Address(f"192.0.2.{number}", 1), 10)
    statistics = mux.statistics()
    assert (statistics.connections, statistics.evicted, statistics.accepted) == (3, 2, 5)


def test_syns_beyond_the_bound_are_refused_when_all_is_ours() -> None:
    mux = Mux(UtpConfig(connections=3), Random(1))
    for number in range(3):
        mux.connect(Address(f"192.0.2.{number}", 1), 0.0)
    mux.transmit(1.0)
    for number in range(3, 5):
        mux.receive([syn(10)], Address(f"192.0.2.{number}", 1), 1.0)
    statistics = mux.statistics()
    assert (statistics.connections, statistics.refused, statistics.accepted) == (3, 2, 0)
    assert mux.transmit(1.0) == []


def test_one_host_cannot_take_all_places() -> None:
    mux = Mux(UtpConfig(connections_per_host=2), Random(1))
    for port in range(1, 10):
        shake(mux, Address("192.0.2.7", port), 10)
    assert mux.statistics().connections == 2
    shake(mux, Address("192.0.2.8", 3), 10)
    assert mux.statistics().connections == 3


def test_a_flood_of_syns_takes_no_more_than_the_half_open_places() -> None:
    mux = Mux(UtpConfig(half_open=4), Random(1))
    for number in range(10):
        mux.receive([syn(number * 10)], A, 1.0)
    statistics = mux.statistics()
    assert (statistics.half_open, statistics.connections) == (4, 4)
    assert mux.events() == []
    shake(mux, Address("192.0.2.9", 9), 3)  # an honest peer still gets in
    assert mux.statistics().accepted == mux.statistics().cookies_redeemed == 1
    assert mux.statistics().cookies_sent == 7


def test_no_syn_is_taken_while_nobody_fetches_events() -> None:
    mux = Mux(UtpConfig(events=2), Random(1))
    for port in (1, 2):
        shake(mux, Address("192.0.2.1", port), 10)
    mux.receive([syn(10)], Address("192.0.2.1", 3), 1.0)
    assert mux.statistics().refused == 1
    assert len(mux.events()) == 2
    shake(mux, Address("192.0.2.1", 4), 10)
    assert mux.statistics().accepted == 3


def test_the_send_buffer_takes_what_it_has_room_for() -> None:
    pair = Pair(config=UtpConfig(send_buffer=10_000))
    pair.drop = lambda sent: sent.packet.type is PacketType.DATA
    a, _ = pair.connect()
    assert a.writable() == 10_000
    assert a.write(bytes(7000), pair.now) == 7000
    pair.run(limit=2.0)
    assert a.writable() == 3000  # what is in flight counts
    assert a.write(bytes(7000), pair.now) == 3000
    assert a.write(bytes(7000), pair.now) == 0


def test_many_tiny_boundary_writes_are_bounded_by_their_number() -> None:
    pair = Pair(config=UtpConfig(send_packets=10))
    a = pair.a.mux.connect(B, pair.now)
    assert [a.write(b"x", pair.now, boundary=True) for _ in range(12)] == [1] * 10 + [0, 0]
    assert a.writable() == 0


def test_no_more_packets_in_flight_than_libutp_bears() -> None:
    pair = Pair(config=UtpConfig(in_flight_packets=50, mtu=120))
    a, b = pair.connect()
    a.write(bytes(50_000), pair.now)
    pair.run(lambda: len(pair.b.received(b)) > 40_000)
    pair.drop = lambda sent: True
    pair.run(lambda: pair.a.mux.statistics().timeouts == 1)
    assert a._sender._window.span <= 50


@pytest.mark.parametrize("ahead", [1024, 1025, 5000, -1024, -5000, 32767])
def test_numbers_out_of_reach_are_dropped(ahead: int) -> None:
    pair = Pair()
    _, b = pair.connect()
    sent = len(pair.sent)
    template = pair.packets(pair.a)[-1]
    far = replace(template, type=PacketType.DATA, seq=seq_add(template.seq, ahead), payload=b"far")
    pair.inject(A, B, bytes(far))
    assert pair.b.mux.statistics().dropped_far == 1
    assert pair.b.received(b) == b""
    assert len(pair.sent) == sent


@pytest.mark.parametrize("ahead", [0, 1, 1000, 32767])
def test_acks_of_what_was_never_sent_are_dropped(ahead: int) -> None:
    pair = Pair()
    a, b = pair.connect()
    a.write(bytes(5000), pair.now)
    pair.flush()
    next_seq = seq_add(pair.packets(pair.a)[-1].seq, 1)
    forged = Packet(PacketType.DATA, a.receive_id, 1, 0, 0, b._sender.next_seq, seq_add(next_seq, ahead), b"", b"evil")
    pair.inject(B, A, bytes(forged))
    assert pair.a.mux.statistics().dropped_ack == 1
    assert pair.a.received(a) == b""
    assert a._sender.peer_window == pair.config.receive_window
    assert pair.run(lambda: len(pair.b.received(b)) == 5000, limit=5.0)


def test_an_absurd_window_does_not_widen_ours() -> None:
    pair = Pair()
    a, b = pair.connect()
    template = pair.packets(pair.b)[-1]
    pair.inject(B, A, bytes(replace(template, window=0xFFFFFFFF)))
    a.write(bytes(1 << 20), pair.now)
    pair.flush()
    assert len(pair.packets(pair.a)) < 15  # the first congestion window holds
    assert pair.run(lambda: len(pair.b.received(b)) == 1 << 20, limit=30.0)


def test_packets_past_a_gap_are_bounded_in_bytes() -> None:
    receiving = ReceiveWindow(UtpConfig(receive_window=5000), 0)
    arrivals = [receiving.insert(seq, bytes(1000), fin=False) for seq in range(1, 10)]
    assert arrivals.count(Arrival.GAP) == 5
    assert arrivals.count(Arrival.FULL) == 4
    assert receiving.available() == 0
    assert receiving.insert(0, bytes(1000), fin=False) is Arrival.IN_ORDER  # the missing one always gets in
    assert receiving.insert(6, bytes(1000), fin=False) is Arrival.FULL
    assert sum(len(chunk) for chunk in receiving.take()) == 6000
    assert receiving.available() == 5000


def test_stale_timers_do_not_pile_up() -> None:
    pair = Pair()
    a, b = pair.connect()
    for _ in range(3000):
        a.write(b"x", pair.now, boundary=True)
        pair.run(limit=0.05)
    assert len(pair.b.received(b)) == 3000
    assert len(pair.a.mux._timers) <= 2 + 64
    assert len(pair.b.mux._timers) <= 2 + 64


def test_closed_connections_leave_nothing_behind() -> None:
    pair = Pair()
    for _ in range(300):
        a, b = pair.connect()
        a.close(pair.now)
        b.close(pair.now)
        pair.run(limit=1.0)
    mux = pair.b.mux
    assert mux.statistics().connections == mux.statistics().half_open == 0
    assert (len(mux._accepted), mux._timers.live, len(mux._touched)) == (0, 0, 0)
    assert len(mux._timers) <= 64


def test_packets_past_a_gap_are_bounded_in_number() -> None:
    receiving = ReceiveWindow(UtpConfig(reorder_packets=8), 65_530)
    arrivals = [receiving.insert(seq_add(65_530, ahead), b"x", fin=False) for ahead in (7, 8, -7, -8)]
    assert arrivals == [Arrival.GAP, Arrival.FAR, Arrival.DUPLICATE, Arrival.FAR]


def alive() -> int:
    """Return how many connections there are in memory."""
    return sum(isinstance(thing, Connection) for thing in gc.get_objects())


def test_a_connection_that_is_over_is_freed_without_the_garbage_collector() -> None:
    gc.collect()
    gc.disable()  # no gc.collect() below: a flood's dead connections must not wait for one
    try:
        before = alive()
        pair = Pair(config=UtpConfig(half_open=1))
        one, other = pair.connect()
        one.write(b"x" * 100, pair.now)
        pair.run(limit=1.0)
        one.close(pair.now)
        other.close(pair.now)
        pair.run(limit=1.0)
        for port in range(100):
            pair.inject(Address("192.0.2.9", 2000 + port), B, syn(7))
            pair.run(limit=pair.config.half_open_timeout - 1 if port == 99 else pair.config.half_open_timeout + 1)
        assert alive() == before + 3
        for side in (pair.a, pair.b):
            side.events.clear()
            side.chunks.clear()
            side.incoming.clear()
        del one, other, side
        assert alive() == before + 1  # the last half-open one
    finally:
        gc.enable()


def test_data_of_our_own_and_of_kept_connections_go_first_and_nothing_else_does() -> None:
    pair = Pair()
    ours, theirs = pair.connect()

    def packet(kind: PacketType, connection: Connection) -> bytes:
        return bytes(Packet(kind, connection.receive_id, 1, 0, 1 << 20, 1, 1))

    for kind in (PacketType.DATA, PacketType.STATE, PacketType.FIN):
        assert pair.a.mux.goes_first(B, packet(kind, ours))
        assert not pair.b.mux.goes_first(A, packet(kind, theirs))  # a stranger's
    theirs.keep()
    assert pair.b.mux.goes_first(A, packet(PacketType.DATA, theirs))
    for kind in (PacketType.SYN, PacketType.RESET):
        assert not pair.b.mux.goes_first(A, packet(kind, theirs))
    assert not pair.b.mux.goes_first(Address(A.host, A.port + 1), packet(PacketType.DATA, theirs))
    assert not pair.b.mux.goes_first(A, packet(PacketType.DATA, theirs)[:19])
    other = bytes(Packet(PacketType.DATA, seq_add(theirs.receive_id, 7), 1, 0, 1 << 20, 1, 1))
    assert not pair.b.mux.goes_first(A, other)

"""The mux as a Machine: bursts, batches, counters, snapshots."""

from dataclasses import FrozenInstanceError, fields
from random import Random

import pytest

from core.utp.config import UtpConfig
from core.utp.events import Connected, UtpEvent
from core.utp.mux import Mux
from core.utp.statistics import Counters, MuxStatistics
from core.values import Address, Machine
from tests.utp.pair import A, B, Pair


def test_a_mux_is_a_machine() -> None:
    machine: Machine[UtpEvent] = Mux(UtpConfig(), Random(1))
    assert machine.deadline() is None
    assert machine.transmit(0.0) == []
    assert list(machine.events()) == []


def test_datagrams_for_one_destination_leave_in_one_burst() -> None:
    mux = Mux(UtpConfig(), Random(1))
    other = Address("192.0.2.3", 3)
    for remote in (B, B, B, other, B):
        mux.connect(remote, 0.0)
    bursts = mux.transmit(0.0)
    assert [(burst.to, len(burst.datagrams)) for burst in bursts] == [(B, 3), (other, 1), (B, 1)]


def test_a_window_of_data_is_one_burst_of_full_packets_but_the_last() -> None:
    pair = Pair()
    a, _ = pair.connect()
    pair.run(limit=1.0)
    a.write(bytes(3 * 1382 + 10), pair.now)
    a.close(pair.now)
    (burst,) = pair.a.mux.transmit(pair.now)
    assert [len(datagram) for datagram in burst.datagrams] == [1402, 1402, 1402, 30, 20]


def test_a_batch_is_answered_by_one_ack() -> None:
    pair = Pair()
    a, b = pair.connect()
    pair.run(limit=1.0)
    a.write(bytes(4 * 1382), pair.now)
    (burst,) = pair.a.mux.transmit(pair.now)
    pair.b.mux.receive([memoryview(bytearray(datagram)) for datagram in burst.datagrams], A, pair.now)
    (answer,) = pair.b.mux.transmit(pair.now)
    assert len(answer.datagrams) == 1
    assert sum(map(len, b.read(pair.now))) == 4 * 1382


def test_received_buffers_are_not_kept() -> None:
    pair = Pair()
    a, b = pair.connect()
    a.write(b"precious", pair.now)
    (burst,) = pair.a.mux.transmit(pair.now)
    buffer = bytearray(burst.datagrams[-1])
    pair.b.mux.receive([memoryview(buffer)], A, pair.now)
    buffer[:] = bytes(len(buffer))
    assert b.read(pair.now) == [b"precious"]


def test_what_was_fetched_is_forgotten() -> None:
    pair = Pair()
    a, _ = pair.connect()
    a.write(b"x", pair.now)
    assert pair.a.mux.transmit(pair.now)
    assert pair.a.mux.transmit(pair.now) == []


def test_malformed_datagrams_are_counted_and_dropped() -> None:
    mux = Mux(UtpConfig(), Random(1))
    mux.receive([b"", b"\xc3\xbf", bytes(30), b"\x21" * 19, b"\x21\x01" + bytes(18)], B, 0.0)
    assert (mux.statistics().received, mux.statistics().dropped_malformed) == (5, 5)
    assert mux.transmit(0.0) == []


def test_statistics_are_a_frozen_copy_of_all_counters() -> None:
    mux = Mux(UtpConfig(), Random(1))
    statistics = mux.statistics()
    mux.connect(B, 0.0)
    assert (statistics.connections, mux.statistics().connections) == (0, 1)
    with pytest.raises(FrozenInstanceError):
        statistics.received = 1  # type: ignore[misc]
    names = [field.name for field in fields(Counters)]
    assert [field.name for field in fields(MuxStatistics)] == [*names, "connections", "half_open", "kept"]


def test_sent_and_received_are_counted_on_both_sides() -> None:
    pair = Pair()
    a, b = pair.connect()
    a.write(bytes(100_000), pair.now)
    pair.run(lambda: len(pair.b.received(b)) == 100_000)
    pair.run(limit=1.0)
    assert pair.a.mux.statistics().sent == pair.b.mux.statistics().received == len(pair.packets(pair.a))
    assert pair.b.mux.statistics().sent == pair.a.mux.statistics().received == len(pair.packets(pair.b))


def test_many_connections_share_one_mux() -> None:
    pair = Pair()
    ends = [pair.connect() for _ in range(50)]
    for number, (a, b) in enumerate(ends):
        a.write(b"a%d" % number, pair.now)
        b.write(b"b%d" % number, pair.now)
    pair.run(limit=2.0)
    assert [pair.b.received(b) for _, b in ends] == [b"a%d" % number for number in range(50)]
    assert [pair.a.received(a) for a, _ in ends] == [b"b%d" % number for number in range(50)]


def test_work_grows_with_the_bytes_and_not_with_their_square() -> None:
    """Counted in packets, not seconds: a transfer ten times as long costs about ten times as many."""

    def packets(size: int) -> int:
        pair = Pair()
        a, b = pair.connect()
        data = memoryview(bytes(size))
        offset = a.write(data, pair.now)
        while len(pair.b.received(b)) < size:
            pair.run(limit=0.2)
            offset += a.write(data[offset:], pair.now)
        return pair.a.mux.statistics().sent + pair.b.mux.statistics().sent

    assert packets(3_000_000) < 12 * packets(300_000)


def test_who_does_not_accept_yet_is_silent_and_takes_the_next_try() -> None:
    pair = Pair()
    pair.b.mux.accepts = False
    connection = pair.a.mux.connect(B, pair.now)
    assert not pair.run(lambda: bool(pair.b.incoming), limit=0.5)
    assert pair.packets(pair.b) == []
    assert pair.b.mux.statistics().refused == 1
    pair.b.mux.accepts = True
    assert pair.run(lambda: Connected(connection) in pair.a.events, limit=5.0)

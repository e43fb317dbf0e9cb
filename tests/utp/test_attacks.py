"""Floods and forgeries while a transfer runs: it takes no longer, nothing grows, all is counted."""

import gc
import tracemalloc
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest

from core.utp.config import UtpConfig
from core.utp.mux import Mux
from core.utp.state import State
from core.values import Address
from core.wire.utp_packet import HEADER_BYTES, Packet, PacketType, seq_add
from tests.utp.pair import A, B, Link, Pair, Sent, Writer

SIZE = 1_500_000  # bytes; some 1,100 packets and half as many acks
Forge = Callable[[Pair, Sent], list[tuple[Address, bytes]]]


def transfer(forge: Forge | None = None) -> tuple[Pair, float]:
    """Send data from `a` to `b` while `forge` answers everything that is sent; return the time it took as well."""
    pair = Pair(7, link=Link(delay=0.02))
    a, b = pair.connect()
    data = Random(7).randbytes(SIZE)
    start = pair.now

    def and_forge(sent: Sent) -> bool:
        if forge is not None:
            for source, datagram in forge(pair, sent):
                pair.sides[sent.to].mux.receive([datagram], source, pair.now)
        return False

    pair.drop = and_forge
    Writer(pair, a, data).start()
    assert pair.run(lambda: len(pair.b.received(b)) == SIZE, limit=60.0)
    took = pair.now - start
    assert pair.b.received(b) == data
    assert (a.state, b.state) == (State.OPEN, State.OPEN)
    return pair, took


@pytest.fixture(scope="module")
def undisturbed() -> float:
    return transfer()[1]


def from_anywhere(random: Random) -> Address:
    return Address(f"198.18.{random.randrange(256)}.{random.randrange(256)}", random.randrange(1, 65_536))


def test_a_flood_of_syns_from_everywhere_costs_a_transfer_nothing(undisturbed: float) -> None:
    random, forged = Random(1), 0

    def syns(pair: Pair, sent: Sent) -> list[tuple[Address, bytes]]:
        nonlocal forged
        if sent.to not in pair.sides:
            return []  # the answer to one of them
        forged += 10
        fields = (random.getrandbits(32), 0, 1 << 20, random.getrandbits(16), 0)
        return [
            (from_anywhere(random), bytes(Packet(PacketType.SYN, random.getrandbits(16), *fields))) for _ in range(10)
        ]

    pair, took = transfer(syns)
    assert took == pytest.approx(undisturbed, rel=0.01)
    assert forged > 10_000
    for side in (pair.a, pair.b):
        statistics = side.mux.statistics()
        assert statistics.half_open <= pair.config.half_open
        assert statistics.connections <= pair.config.half_open + 1
        assert statistics.accepted <= 1
    answers = Counter(sent.to for sent in pair.sent if sent.to not in pair.sides)
    assert max(answers.values()) <= 5, "the source of a SYN may be forged"


@pytest.mark.parametrize("many", [3_000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_many_syns_take_no_more_memory_than_one_thousand(many: int) -> None:
    mux, random = Mux(UtpConfig(), Random(1)), Random(2)

    def flood(count: int, start: float) -> None:
        for number in range(count):
            now = start + number / 10_000
            syn = Packet(PacketType.SYN, random.getrandbits(16), 1, 0, 1 << 20, random.getrandbits(16), 0)
            mux.receive([bytes(syn)], from_anywhere(random), now)
            mux.transmit(now)
            mux.tick(now)
            assert not mux.events()

    tracemalloc.start()
    try:
        flood(1_000, 0.0)  # what a flood takes at all: the half-open connections, and tables of their size
        gc.collect()  # a connection is a cycle of parts
        before = tracemalloc.get_traced_memory()[0]
        flood(many, 1.0)
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert mux.statistics().half_open == mux.statistics().connections == 128
    assert grown < 200_000, "bytes; the 128 newest take the place of the 128 before"
    mux.tick(1000.0)
    assert mux.statistics().connections == 0


def forgeries(pair: Pair, sent: Sent) -> dict[str, bytes]:
    """Return what somebody sends in the name of the peer who knows the id and guesses the rest wrong."""
    packet = sent.packet
    mux = pair.sides[sent.to].mux
    (connection,) = mux._connections.values()
    sender = connection.sequence_space().sender
    bare = replace(packet, selective_ack=b"", payload=b"evil", type=PacketType.DATA)
    state = bytes(replace(bare, type=PacketType.STATE, payload=b""))
    far = seq_add(connection.sequence_space().expected, 20_000)
    return {
        "dropped_ack": bytes(replace(bare, ack=sender.next_seq)),
        "dropped_ack ": bytes(replace(bare, ack=seq_add(sender.oldest, -3000))),
        "dropped_far": bytes(replace(bare, seq=far, window=0xFFFFFFFF)),
        "resets_dropped": bytes(replace(packet, type=PacketType.RESET, ack=seq_add(sender.next_seq, 1))),
        "resets_dropped ": bytes(replace(packet, type=PacketType.RESET, ack=seq_add(sender.oldest, -20))),
        "resets_dropped  ": bytes(replace(packet, type=PacketType.RESET, connection_id=packet.connection_id ^ 0x5555)),
        "dropped_malformed": state[:1] + b"\x01" + state[2:] + b"\x00\xff" + bytes(8),
        "dropped_malformed ": state[:1] + b"\x01" + state[2:] + b"\x01\x04",
        "dropped_malformed  ": state[: HEADER_BYTES - 1],
    }


def test_forgeries_in_the_name_of_the_peer_cost_a_transfer_nothing(undisturbed: float) -> None:
    expected = Counter[str]()

    def forge(pair: Pair, sent: Sent) -> list[tuple[Address, bytes]]:
        made = forgeries(pair, sent)
        if sent.to == B:
            expected.update(name.strip() for name in made)
        return [(sent.by, datagram) for datagram in made.values()]

    pair, took = transfer(forge)
    assert took == pytest.approx(undisturbed, rel=0.01)
    statistics = pair.b.mux.statistics()
    assert {name: getattr(statistics, name) for name in expected} == expected
    assert expected.total() > 9_000


def test_windows_from_nothing_to_absurd_move_no_more_than_was_sent(undisturbed: float) -> None:
    """A window is believed from who knows the numbers; the next true packet corrects it."""
    random = Random(4)

    def forge(pair: Pair, sent: Sent) -> list[tuple[Address, bytes]]:
        if sent.to == B or random.random() < 0.5:
            return []
        window = random.choice((0, 1, 0x7FFFFFFF, 0xFFFFFFFF))
        return [(B, bytes(replace(sent.packet, window=window, selective_ack=b"")))]

    pair, took = transfer(forge)
    assert took < 5 * undisturbed + 5.0
    assert not pair.a.mux.statistics().timeouts


@pytest.mark.parametrize("lag", [-1, 4, 100, 1000])
def test_a_reset_must_ack_what_is_on_its_way_and_tell_our_time(lag: int) -> None:
    pair = Pair()
    a, _ = pair.connect()
    pair.run(limit=1.0)
    next_seq = a.sequence_space().sender.next_seq
    reset = Packet(PacketType.RESET, a.receive_id, 1, 0, 0, 0, seq_add(next_seq, -1 - lag))
    pair.inject(B, A, bytes(replace(reset, ack=seq_add(next_seq, 1) if lag < 0 else reset.ack)))
    assert a.state is State.OPEN
    assert pair.a.mux.statistics().resets_dropped == 1
    pair.inject(B, A, bytes(replace(reset, ack=seq_add(next_seq, -1))))
    assert a.state is State.OPEN, "it fits, and is challenged"
    assert pair.a.mux.statistics().challenges == 1
    stamp = pair.packets(pair.a)[-1].timestamp
    pair.inject(B, A, bytes(replace(reset, ack=seq_add(next_seq, -1), timestamp=stamp)))
    assert pair.a.closed(a) is not None

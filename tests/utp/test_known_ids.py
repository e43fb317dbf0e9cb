"""An outsider that knows addresses and ids, but hears nothing: its DATA and FIN past a gap do not get into a stream."""

from dataclasses import replace
from random import Random

import pytest

from core.utp.config import UtpConfig
from core.utp.state import State
from core.wire.utp_marks import PLAIN
from core.wire.utp_packet import Packet, PacketType, seq_add
from tests.utp.pair import A, B, Link, Pair, Sent, Writer

SIZE = 300_000


@pytest.mark.parametrize("kind", [PacketType.DATA, PacketType.FIN])
@pytest.mark.parametrize("drift", [0, 1 << 20, 1 << 29, 1 << 31])
def test_forged_packets_that_fit_the_numbers_change_nothing(kind: PacketType, drift: int) -> None:
    """Each packet of `a` is followed by forgeries with its own id and ack, a few numbers ahead."""
    pair, random = Pair(3, link=Link(delay=0.02)), Random(1)
    a, b = pair.connect()
    data = random.randbytes(SIZE)
    forged = 0

    def forge(sent: Sent) -> bool:
        nonlocal forged
        if sent.to == B and sent.packet.type is PacketType.DATA:
            for ahead in (1, 2, 3, 7, 30):
                told = sent.packet.timestamp_difference + (1 << 30) & 0xFFFFFFFF
                payload = b"" if kind is PacketType.FIN else b"forged"
                fake = replace(sent.packet, type=kind, seq=seq_add(sent.packet.seq, ahead), payload=payload,
                    timestamp=sent.packet.timestamp + drift & 0xFFFFFFFF, timestamp_difference=told,
                    extensions=(),
                )  # fmt: skip
                pair.b.mux.receive([bytes(fake)], A, pair.now)
                forged += 1
        return False

    pair.drop = forge
    Writer(pair, a, data).start()
    pair.run(lambda: len(pair.b.received(b)) >= SIZE, limit=60.0)
    assert forged > 500
    assert pair.b.received(b) == data
    assert (a.state, b.state) == (State.OPEN, State.OPEN)


def test_a_fin_just_in_turn_ends_nothing() -> None:
    pair = Pair(4, link=Link(delay=0.02))
    a, b = pair.connect()
    Writer(pair, a, b"hello").start()
    pair.run(lambda: len(pair.b.received(b)) == 5, limit=10.0)
    last = next(sent.packet for sent in reversed(pair.sent) if sent.to == B and sent.packet.type is PacketType.DATA)
    fin = Packet(
        PacketType.FIN, last.connection_id, last.timestamp, 12345, last.window, seq_add(last.seq, 1), last.ack,
        extensions=(), payload=b"",
    )  # fmt: skip
    pair.b.mux.receive([bytes(fin)], A, pair.now)
    pair.run(limit=5.0)
    assert b.state is State.OPEN
    a.close(pair.now)
    pair.run(lambda: b.state is not State.OPEN, limit=10.0)
    assert b.state is not State.OPEN


@pytest.mark.parametrize("marks", [None, PLAIN], ids=["ours", "plain"])
@pytest.mark.parametrize("queue", [0.02, 1.0, 3.0])
def test_losses_on_slow_and_bloated_paths_are_mended_as_before(queue: float, marks: object) -> None:
    config = UtpConfig(marks=PLAIN) if marks is PLAIN else None
    pair, random = Pair(5, link=Link(delay=queue), config=config), Random(2)
    a, b = pair.connect()
    data = random.randbytes(60_000)
    pair.drop = lambda sent: sent.packet.type is PacketType.DATA and random.random() < 0.05
    Writer(pair, a, data).start()
    assert pair.run(lambda: len(pair.b.received(b)) == len(data), limit=300.0)
    assert pair.b.received(b) == data
    assert pair.b.mux.statistics().dropped_far == 0

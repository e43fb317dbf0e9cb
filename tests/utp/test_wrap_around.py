"""Sequence numbers, ids and timestamps pass their largest value unharmed."""

from random import Random

import pytest

from core.utp.config import UtpConfig
from core.utp.mux import Mux
from core.wire.utp_marks import Marks
from tests.utp.pair import Link, Pair, Writer

PLAIN = UtpConfig(marks=Marks(0))  # no probes among the packets that tests count


class Scripted(Random):
    """Gives the numbers it was made with, then zeros."""

    def __init__(self, *numbers: int) -> None:
        super().__init__(0)
        self._numbers = list(numbers)

    def getrandbits(self, k: int) -> int:
        """Return the next number."""
        return self._numbers.pop(0) if self._numbers else 0


@pytest.mark.parametrize("loss", [0.0, 0.1])
def test_sequence_numbers_wrap_both_ways(loss: float) -> None:
    pair = Pair(5)
    pair.a.mux = Mux(PLAIN, Scripted(0xFFFF, 0xFFF0))
    pair.b.mux = Mux(PLAIN, Scripted(0xFFFA))
    a, b = pair.connect()
    assert (a.receive_id, a.send_id) == (0xFFFF, 0)
    pair.link = Link(loss=loss, jitter=0.01)
    there, back = Random(1).randbytes(120_000), Random(2).randbytes(120_000)
    Writer(pair, a, there, close=True).start()
    Writer(pair, b, back, close=True).start()
    assert pair.run(lambda: bool(pair.a.closed(a) and pair.b.closed(b)), limit=600.0)
    assert (pair.b.received(b), pair.a.received(a)) == (there, back)
    sequences = {packet.seq for packet in pair.packets(pair.a) if packet.payload}
    assert {0xFFFF, 0, 40} <= sequences


def test_a_syn_with_the_last_number_is_followed_by_zero() -> None:
    pair = Pair()
    pair.a.mux = Mux(PLAIN, Scripted(1, 0))
    a, b = pair.connect()
    assert pair.sent[0].packet.seq == 0xFFFF
    a.write(b"x", pair.now)
    pair.run(lambda: pair.b.received(b) == b"x")
    assert pair.packets(pair.a)[-1].seq == 0


def test_the_stream_may_be_longer_than_the_numbers() -> None:
    pair = Pair(config=UtpConfig(mtu=30), link=Link(delay=0.001))
    a, b = pair.connect()
    data = Random(3).randbytes(700_000)  # 70,000 packets of 10 bytes
    Writer(pair, a, data).start()
    assert pair.run(lambda: len(pair.b.received(b)) == len(data), limit=600.0)
    assert pair.b.received(b) == data


@pytest.mark.parametrize("before", [0.2, 0.03, 0.01])
def test_timestamps_wrap(before: float) -> None:
    """2**32 microseconds are 71.6 minutes: the delays measured across that moment stay small."""
    scout = Pair()  # same seed, same secret offset of the connection's clock
    clock = scout.connect()[0].sequence_space().headers.clock(scout.now)
    pair = Pair(start=scout.now + (2**32 - clock) / 1e6 - before)
    start = pair.now
    a, b = pair.connect()
    Writer(pair, a, bytes(2_000_000)).start()
    assert pair.run(lambda: len(pair.b.received(b)) == 2_000_000, limit=60.0)
    assert pair.now < start + before + 3.0
    stamps = [packet.timestamp for packet in pair.packets(pair.a)]
    assert any(stamp > 2**32 - 1_000_000 for stamp in stamps)
    assert any(stamp < 1_000_000 for stamp in stamps)
    delays = [packet.timestamp_difference for packet in pair.packets(pair.b)][1:]
    skew = delays[0] - 20_000  # of the two clocks
    assert {(delay - skew + 10) % 2**32 for delay in delays} <= set(range(20_008, 20_013))

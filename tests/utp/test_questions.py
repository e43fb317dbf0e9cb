"""Questions and answers: a packet alone in flight takes short cuts, and they lead where the long way leads."""

from math import inf
from random import Random

import pytest

from core.utp.config import UtpConfig
from core.utp.events import Readable, UtpEvent
from core.utp.ledbat import Ledbat
from tests.utp.pair import Link, Pair, Side

CONFIG = UtpConfig()
PACKET = CONFIG.payload_bytes
BASE = 5_000_000  # microseconds; the clocks' difference
RTT = 0.1  # seconds


def settled() -> Ledbat:
    """Return a controller past slow start that knows its path."""
    ledbat = Ledbat(CONFIG)
    for number in range(1, 200):
        queue = 0.0 if number < 100 else CONFIG.target_delay * 0.8
        ledbat.acked(PACKET, BASE + int(queue * 1e6), RTT + queue, number * RTT / 10, limited=True)
    assert not ledbat.starting()
    return ledbat


@pytest.mark.parametrize("seed", range(20))
def test_the_window_is_what_it_would_be(seed: int) -> None:
    random, now, short = Random(seed), 30.0, 0
    quick, whole = settled(), settled()
    for _ in range(2000):
        now += random.choice((RTT, RTT, 2.0))
        queue = random.choice((0.0, 0.002, 0.02, 0.3)) if random.random() < 0.8 else 0.3
        fields = (BASE + int(queue * 1e6) + random.randrange(500), RTT + queue + random.random() / 1000, now)
        if quick.unhurried(*fields):
            short += 1
        else:
            quick.acked(100, *fields, limited=False)
        whole.acked(100, *fields, limited=False)
        assert quick.window == whole.window
    assert short > 400
    assert whole.window < settled().window


def test_a_queue_and_a_new_minimum_and_no_measurement_go_the_long_way() -> None:
    ledbat = settled()
    assert ledbat.unhurried(BASE, RTT, 30.0)
    assert not ledbat.unhurried(BASE, RTT + CONFIG.target_delay / 2, 30.1)
    assert not ledbat.unhurried(BASE - 1, RTT, 30.2)
    assert not ledbat.unhurried(BASE, RTT - 0.01, 30.3)
    assert not ledbat.unhurried(0, RTT, 30.4)
    assert not ledbat.unhurried(BASE, RTT, 3000.0)  # a new minute
    assert not Ledbat(CONFIG).unhurried(BASE, RTT, 30.0)


def test_what_a_path_delivers_is_not_forgotten_over_small_talk() -> None:
    ledbat = settled()
    before = ledbat.delivered
    for number in range(100):
        assert ledbat.unhurried(BASE, RTT, 30.0 + number / 10)
    ledbat.acked(PACKET, BASE, RTT, 50.0, limited=True)
    assert ledbat.delivered == before > 0


def talk(pair: Pair, rounds: int) -> None:
    """Let `a` ask and `b` answer so many times, each answer followed by the next question at once."""
    a, _ = pair.connect()
    left = rounds

    def hear(side: Side, event: UtpEvent) -> None:
        nonlocal left
        if isinstance(event, Readable) and left and (side is pair.b or (left := left - 1)):
            event.connection.write(b"x" * 100, pair.now, boundary=True)

    pair.on_event = hear
    a.write(b"x" * 100, pair.now, boundary=True)
    assert pair.run(lambda: not left, limit=rounds)
    pair.run(limit=1.0)
    assert len(pair.a.received(a)) == rounds * 100
    assert a._sender.outstanding == 0
    assert a._sender.deadline() == inf


def test_each_question_and_each_answer_takes_one_packet() -> None:
    pair = Pair()
    talk(pair, 500)
    assert len([sent for sent in pair.sent if sent.packet.payload]) == 1000
    assert len(pair.sent) <= 1000 + 5  # SYN, its answer, its ack twice, and the last answer's
    assert pair.a.mux.counters.timeouts == pair.a.mux.counters.retransmitted == 0


@pytest.mark.parametrize("seed", range(10))
def test_all_are_answered_over_a_bad_link(seed: int) -> None:
    pair = Pair(seed, link=Link(loss=0.1, duplicate=0.1, jitter=0.02))
    talk(pair, 200)
    assert pair.a.mux.counters.retransmitted > 0


def test_a_lone_packet_that_is_lost_is_sent_again_after_two_round_trips() -> None:
    pair = Pair()
    talk(pair, 20)
    pair.on_event = lambda side, event: None
    a = pair.b.incoming[-1]
    pair.sent.clear()
    pair.drop = lambda sent: len(pair.sent) == 1
    a.write(b"lost", pair.now, boundary=True)
    pair.run(limit=2.0)
    first, again = [sent for sent in pair.sent if sent.packet.payload]
    assert again.packet.payload == b"lost"
    assert 0.08 < again.at - first.at < 0.1


def test_a_closed_window_holds_a_lone_packet_back() -> None:
    pair = Pair(config=UtpConfig(receive_window=3000, send_buffer=100_000))
    a, b = pair.connect()
    pair.b.reading = False
    a.write(bytes(2900), pair.now)
    pair.run(limit=0.4)
    pair.sent.clear()
    a.write(bytes(200), pair.now)
    pair.run(limit=0.4)
    assert [sent for sent in pair.sent if sent.packet.payload] == []
    pair.b.read(b, pair.now)
    pair.run(limit=2.0)
    pair.b.read(b, pair.now)
    assert len(pair.b.received(b)) == 3100

"""Path MTU: packets grow by probes that were answered, shrink when the path does, and no size is a black hole."""

from dataclasses import replace
from random import Random

import pytest

from core.utp.config import UtpConfig
from core.utp.connection import Connection
from core.utp.mux import Mux
from core.utp.path_memory import PATHS_MAX, PathMemory
from core.utp.path_search import BETWEEN, SAFE, SEARCH_AGAIN, STEPS, USUAL
from core.values import Address
from core.wire.utp_marks import Marks
from core.wire.utp_packet import HEADER_BYTES, Packet, PacketType
from core.wire.utp_probe import PATH_ANSWER, PATH_PROBE, Probe, datagram_bytes, pack_probe, parse_probe
from tests.support.samples import some
from tests.utp.bottleneck import Bottleneck
from tests.utp.pair import A, B, Link, Pair, Writer

OURS = UtpConfig()
SIZES = (SAFE, *sorted(BETWEEN), *STEPS)


def path_pair(mtu: int, *, fragments: bool = False, loss: float = 0.0, seed: int = 1) -> Pair:
    """Return a pair of ours on a path of that MTU (UDP payload), fast enough for any packet."""
    return Pair(seed, config=OURS, link=Link(delay=0.001, mtu=mtu, fragments=fragments, loss=loss))


def plain_pair(mtu: int, *, fragments: bool) -> Pair:
    """Return a pair whose `b` is a plain peer."""
    pair = path_pair(mtu, fragments=fragments)
    pair.b.mux = Mux(UtpConfig(marks=Marks(0)), Random(9))
    return pair


def carry(pair: Pair, a: Connection, b: Connection, size: int, *, limit: float = 300.0) -> bool:
    """Send `size` bytes more from a to b; tell whether they arrived as they were."""
    before, data = len(pair.b.received(b)), Random(size).randbytes(size)
    Writer(pair, a, data).start()
    done = pair.run(lambda: len(pair.b.received(b)) >= before + size, limit=limit)
    return done and pair.b.received(b)[before:] == data


def search(pair: Pair, a: Connection, b: Connection) -> None:
    """Send much for as long as a search takes whose every probe but the last is lost."""
    for _ in range(15):
        assert carry(pair, a, b, 100_000)
        pair.run(limit=1.0)


def probes(pair: Pair) -> list[Packet]:
    """Return the probes that `a` sent."""
    return [packet for packet in pair.packets(pair.a) if packet.extension(PATH_PROBE)]


def longest(pair: Pair, since: float = 0.0) -> int:
    """Return how long the longest DATA packet of `a` was."""
    data = [packet for packet in pair.packets(pair.a, since) if packet.type is PacketType.DATA]
    return max(datagram_bytes(packet) for packet in data)


@pytest.mark.parametrize("mtu", [548, 600, 1199, 1200, 1252, 1280, 1392, 1402, 1464, 1472, 4000, 8972, 16_356, 65_507])
def test_packets_become_as_long_as_the_path_takes(mtu: int) -> None:
    pair = path_pair(mtu)
    a, b = pair.connect()
    search(pair, a, b)
    fits = max(size for size in SIZES if size <= mtu)
    assert a.path.packet_bytes == longest(pair) == fits
    statistics = pair.a.mux.statistics()
    assert statistics.retransmitted == statistics.black_holes == 0, "data never had to find out"
    assert statistics.path_confirmed == pair.b.mux.statistics().path_answers
    assert len(probes(pair)) <= 3 * len(SIZES)


def test_a_slow_path_keeps_ethernets_packets() -> None:
    """Of 2 Mbit/s one of 16 KB would take 65 ms, in which nothing else gets through."""
    sizes = []
    for megabits, seconds in ((2, 8.0), (200, 2.0)):
        line = Bottleneck(megabits, 0.02, config=OURS)
        line.link = replace(line.link, mtu=65_507)
        connection, _ = line.connect()
        line.start(connection)
        line.run_for(seconds)
        sizes.append(connection.path.packet_bytes)
    assert sizes == [1472, 16_356]


def test_nothing_is_longer_than_what_was_answered() -> None:
    pair = path_pair(8972)
    pair.drop = lambda sent: bool(sent.packet.extension(PATH_ANSWER))
    a, b = pair.connect()
    assert carry(pair, a, b, 500_000)
    assert longest(pair) == a.path.packet_bytes == SAFE
    asked = [parse_probe(packet, PATH_PROBE) for packet in probes(pair)]
    assert max([probe.size for probe in asked if probe]) == USUAL, "a size is tried only past one that was answered"


def test_small_messages_neither_probe_nor_wait() -> None:
    pair = path_pair(1402)
    a, b = pair.connect()
    for number in range(50):
        a.write(b"%04d" % number * 100, pair.now, boundary=True)
        pair.run(limit=0.1)
    assert len(pair.b.received(b)) == 50 * 400
    assert probes(pair) == []


def test_a_probe_is_as_long_as_it_says_and_its_answer_is_short() -> None:
    pair = path_pair(65_507)
    a, b = pair.connect()
    assert carry(pair, a, b, 1_000_000)
    for packet in probes(pair):
        probe = parse_probe(packet, PATH_PROBE)
        assert probe is not None
        assert (packet.type, probe.size) == (PacketType.STATE, datagram_bytes(packet))
    answers = [packet for packet in pair.packets(pair.b) if packet.extension(PATH_ANSWER)]
    assert len(answers) == len(STEPS)
    assert max(datagram_bytes(packet) for packet in answers) < 100


@pytest.mark.parametrize("seed", some(range(12), 4))
def test_lost_probes_are_sent_again(seed: int) -> None:
    pair = path_pair(1472, loss=0.2, seed=seed)
    a, b = pair.connect()
    search(pair, a, b)
    assert a.path.packet_bytes >= BETWEEN[-1]


def test_a_search_that_ended_begins_anew_after_ten_minutes() -> None:
    pair = path_pair(1402)
    a, b = pair.connect()
    search(pair, a, b)
    asked = len(probes(pair))
    pair.link = replace(pair.link, mtu=8972)
    pair.run(limit=SEARCH_AGAIN / 2)
    assert carry(pair, a, b, 200_000)
    assert len(probes(pair)) == asked
    pair.run(limit=SEARCH_AGAIN / 2)
    assert carry(pair, a, b, 1_000_000)
    assert a.path.packet_bytes == 8972


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize(("before", "after"), [(16_356, 1472), (8972, 600), (1472, 548)])
def test_a_path_that_shrinks_in_the_middle_of_a_transfer(before: int, after: int, told: bool) -> None:
    pair = path_pair(before, fragments=True)
    a, b = pair.connect()
    data = Random(7).randbytes(4_000_000)
    Writer(pair, a, data).start()
    assert pair.run(lambda: len(pair.b.received(b)) > 1_500_000)
    assert a.path.packet_bytes == before
    pair.link = replace(pair.link, mtu=after)
    since = pair.now
    if told:  # by an ICMP message to the system, which refuses from then on
        for size in sorted(SIZES, reverse=True):
            if size > after:
                pair.a.mux.too_long(B, size, pair.now)
    assert pair.run(lambda: len(pair.b.received(b)) == len(data), limit=200.0)
    assert pair.b.received(b) == data
    assert a.path.packet_bytes == max(size for size in SIZES if size <= after)
    statistics = pair.a.mux.statistics()
    assert (statistics.black_holes == 0) == told
    assert statistics.path_shrunk >= 1
    assert pair.now - since < 60


def test_a_path_that_shrinks_to_a_plain_peer() -> None:
    pair = plain_pair(1402, fragments=True)
    a, b = pair.connect()
    data = Random(7).randbytes(1_000_000)
    Writer(pair, a, data).start()
    assert pair.run(lambda: len(pair.b.received(b)) > 300_000)
    assert longest(pair) == 1402
    pair.link = replace(pair.link, mtu=700)
    assert pair.run(lambda: pair.b.received(b) == data, limit=200.0)
    assert a.path.packet_bytes == SAFE
    assert probes(pair) == []
    assert pair.a.mux.statistics().black_holes == 1


@pytest.mark.parametrize("boundary", [True, False])
@pytest.mark.parametrize("mtu", [600, 1200])
def test_a_path_that_drops_whatever_is_long_carries_bulk_from_the_start(mtu: int, boundary: bool) -> None:
    pair = path_pair(mtu, fragments=False)
    a, b = pair.connect()
    for number in range(20):
        assert a.write(bytes([number]) * 30_000, pair.now, boundary=boundary) == 30_000
    assert pair.run(lambda: len(pair.b.received(b)) == 600_000, limit=60.0)
    assert pair.a.mux.statistics().timeouts == 0


def test_a_wrong_guess_of_a_black_hole_costs_a_round_trip() -> None:
    pair = path_pair(8972)
    a, b = pair.connect()
    data = Random(7).randbytes(6_000_000)
    Writer(pair, a, data).start()
    assert pair.run(lambda: len(pair.b.received(b)) > 2_000_000)
    until = pair.now + 4
    pair.drop = lambda sent: pair.now < until
    assert pair.run(lambda: pair.b.received(b) == data, limit=120.0)
    assert pair.a.mux.statistics().black_holes >= 1
    assert a.path.packet_bytes == 8972


def test_the_next_connection_begins_where_the_last_one_ended() -> None:
    pair = path_pair(8972)
    a, b = pair.connect()
    assert carry(pair, a, b, 1_000_000)
    a.abort(pair.now)
    pair.run(limit=1.0)
    asked = len(probes(pair))
    a, b = pair.connect()
    since = pair.now
    assert carry(pair, a, b, 50_000)
    assert longest(pair, since) == 8972
    assert len(probes(pair)) == asked


def test_what_is_remembered_is_bounded_and_ages() -> None:
    memory = PathMemory()
    for port in range(PATHS_MAX + 10):
        memory.note(Address("192.0.2.1", port), 8972, 100.0, 0.0)
    assert len(memory) == PATHS_MAX
    assert memory.recall(Address("192.0.2.1", 9), 1.0)[0] == 0
    newest = Address("192.0.2.1", PATHS_MAX + 9)
    assert memory.recall(newest, 1.0) == (8972, 100.0)
    assert memory.recall(newest, 200.0) == (8972, -float("inf")), "time to search again"
    assert memory.recall(newest, SEARCH_AGAIN)[0] == 0


def forge(pair: Pair, to: Address, template: Packet, number: int, probe: Probe, *, pad: int = 0) -> None:
    """Inject a probe or an answer that only someone on the path could have made so well."""
    packet = replace(template, extensions=(pack_probe(number, probe),), payload=bytes(pad), selective_ack=b"")
    pair.inject(A if to == B else B, to, bytes(packet))


def test_answers_that_nobody_asked_for_change_nothing() -> None:
    pair = path_pair(65_507)
    pair.drop = lambda sent: bool(sent.packet.extension(PATH_PROBE))
    a, _ = pair.connect()
    a.write(bytes(20_000), pair.now)
    pair.flush()
    asked = parse_probe(probes(pair)[0], PATH_PROBE)
    assert asked is not None
    template = pair.packets(pair.b)[-1]
    for nonce, size in ((asked.nonce ^ 1, asked.size), (asked.nonce, asked.size + 1), (0, 16_356)):
        forge(pair, A, template, PATH_ANSWER, Probe(nonce, size))
    assert a.path.packet_bytes == SAFE
    assert pair.a.mux.statistics().path_dropped == 3
    forge(pair, A, template, PATH_ANSWER, asked)
    assert a.path.packet_bytes == USUAL
    forge(pair, A, template, PATH_ANSWER, asked)
    assert pair.a.mux.statistics().path_dropped == 4, "an answer counts once"


def test_probes_that_lie_are_not_answered_and_others_only_so_often() -> None:
    pair = path_pair(65_507)
    pair.connect()
    template = pair.packets(pair.a)[-1]
    size = HEADER_BYTES + 8 + 500
    for lie in (size - 1, size + 1, 65_507):
        forge(pair, B, template, PATH_PROBE, Probe(1, lie), pad=500)
    assert pair.b.mux.statistics().path_answers == 0
    for nonce in range(100):
        forge(pair, B, template, PATH_PROBE, Probe(nonce, size), pad=500)
    assert pair.b.mux.statistics().path_answers == 16
    assert pair.b.mux.statistics().path_dropped == 3 + 84
    pair.run(limit=1.0)
    forge(pair, B, template, PATH_PROBE, Probe(5, size), pad=500)
    assert pair.b.mux.statistics().path_answers == 17


def test_no_answer_is_longer_than_its_question() -> None:
    pair = path_pair(65_507)
    pair.connect()
    template = pair.packets(pair.a)[-1]
    gap = replace(template, type=PacketType.DATA, seq=template.seq + 60 & 0xFFFF, payload=b"past a gap")
    pair.inject(A, B, bytes(gap))
    before = len(pair.sent)
    forge(pair, B, template, PATH_PROBE, Probe(1, HEADER_BYTES + 8))
    answers = pair.sent[before:]
    assert all(datagram_bytes(sent.packet) <= HEADER_BYTES + 8 for sent in answers if sent.packet.extensions)


def test_probes_are_no_duplicate_acks() -> None:
    pair = path_pair(65_507)
    a, b = pair.connect()
    assert carry(pair, a, b, 100_000)
    b.write(bytes(30_000), pair.now)
    pair.flush()
    template = pair.packets(pair.a)[-1]
    for nonce in range(5):
        forge(pair, B, replace(template, type=PacketType.STATE), PATH_PROBE, Probe(nonce, 528), pad=500)
    assert pair.b.mux.statistics().fast_losses == 0


@pytest.mark.parametrize("window", [4000, 20_000, 100_000])
def test_no_packet_is_longer_than_the_windows_suit(window: int) -> None:
    pair = Pair(config=UtpConfig(receive_window=window, send_buffer=window), link=Link(delay=0.01))
    a, b = pair.connect()
    assert carry(pair, a, b, 300_000)
    assert longest(pair) <= max(SAFE, window // 8)


def test_messages_to_a_plain_peer_leave_whole_after_a_black_hole() -> None:
    """It reads each packet as one message; what is written before the hole is found, and after."""
    pair = plain_pair(700, fragments=True)
    a, b = pair.connect()
    messages = [bytes([65 + number]) * size for number, size in enumerate((30, 1382, 529, 528, 1000, 1382))]
    for message in messages:
        assert a.write(message, pair.now, boundary=True) == len(message)
    Writer(pair, a, bytes(5000)).start()
    assert pair.run(lambda: len(pair.b.received(b)) == sum(map(len, messages)) + 5000, limit=100.0)
    assert a.path.packet_bytes == SAFE
    late, before = b"[" * 1382, len(pair.b.chunks[b])
    assert a.write(late, pair.now, boundary=True) == 1382
    assert pair.run(lambda: b"[" in pair.b.received(b), limit=10.0)
    assert pair.b.chunks[b][: len(messages)] == messages
    assert pair.b.chunks[b][before:] == [late]


def test_a_small_send_buffer_takes_every_message_of_a_packet() -> None:
    with pytest.raises(ValueError, match=r"send_buffer of 1381 bytes: mtu 1402"):
        UtpConfig(send_buffer=1381)
    pair = Pair(config=UtpConfig(mtu=150, send_buffer=130))
    a, b = pair.connect()
    assert a.write(bytes(130), pair.now, boundary=True) == 130
    assert pair.run(lambda: len(pair.b.received(b)) == 130, limit=2.0)
    assert a.path.packet_bytes == 150

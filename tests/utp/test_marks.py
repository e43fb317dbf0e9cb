"""Marks in the handshake: told in the SYN, answered only to a marked one, unharmed by loss and repeats."""

from dataclasses import replace

import pytest

from core.utp.config import UtpConfig
from core.utp.connection import Connection
from core.utp.mux import Mux
from core.wire.utp_marks import Marks, pack_marks, parse_marks
from core.wire.utp_packet import EXTENSION_BITS, Packet, PacketType, seq_add
from tests.utp.pair import A, B, Pair, Sent

BOTH = Marks.JOINS | Marks.PROBES
MARKED = UtpConfig(marks=BOTH)
PLAIN = UtpConfig(marks=Marks(0))


def pair_of(first: UtpConfig, second: UtpConfig) -> Pair:
    """Return a pair whose sides differ."""
    pair = Pair(config=first)
    pair.b.mux = Mux(second, pair.random)
    return pair


def marks_of(packet: Packet) -> Marks:
    """Return what a packet says."""
    return parse_marks(packet.extension(EXTENSION_BITS))


def both_ways(pair: Pair, a: Connection, b: Connection) -> bool:
    """Send something each way; tell whether it arrived."""
    a.write(b"to b", pair.now)
    b.write(b"to a", pair.now)
    return pair.run(lambda: pair.a.received(a) == b"to a" and pair.b.received(b) == b"to b", limit=10.0)


def test_two_of_ours_know_each_other() -> None:
    pair = pair_of(MARKED, replace(MARKED, marks=Marks.JOINS))
    a, b = pair.connect()
    assert (a.peer_marks, b.peer_marks) == (Marks.JOINS, BOTH)
    assert both_ways(pair, a, b)
    assert [marks_of(sent.packet) for sent in pair.sent[:3]] == [BOTH, Marks.JOINS, 0]
    assert not any(sent.packet.extensions for sent in pair.sent[2:])


def test_an_unmarked_syn_gets_a_plain_answer() -> None:
    pair = pair_of(PLAIN, MARKED)
    a, b = pair.connect()
    assert (a.peer_marks, b.peer_marks) == (0, 0)
    assert not any(sent.packet.extensions for sent in pair.sent)
    assert both_ways(pair, a, b)


def test_an_answer_without_marks_is_a_plain_peer() -> None:
    pair = pair_of(MARKED, PLAIN)
    a, b = pair.connect()
    assert (a.peer_marks, b.peer_marks) == (0, BOTH)
    assert marks_of(pair.sent[0].packet) == BOTH
    assert pair.sent[1].packet.extensions == ()
    assert both_ways(pair, a, b)


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_lost_answers_and_repeated_syns_keep_the_marks(lost: int) -> None:
    pair = Pair(config=MARKED)
    dropped: list[Sent] = []

    def drop(sent: Sent) -> bool:
        if sent.by == B and len(dropped) < lost:
            dropped.append(sent)
            return True
        return False

    pair.drop = drop
    a, b = pair.connect()
    assert (a.peer_marks, b.peer_marks) == (BOTH, BOTH)
    answers = [packet for packet in pair.packets(pair.b) if packet.ack == pair.sent[0].packet.seq]
    assert [marks_of(answer) for answer in answers] == [BOTH] * (lost + 1)
    assert pair.b.incoming == [b]


def test_marks_do_not_change_once_the_syn_was_taken() -> None:
    pair = Pair(config=MARKED)
    pair.drop = lambda sent: True
    syn = Packet(PacketType.SYN, 7, 1, 0, 1 << 20, 100, 0)
    for extensions in (((EXTENSION_BITS, pack_marks(Marks.JOINS)),), ()):
        pair.inject(A, B, bytes(replace(syn, extensions=extensions)))
    answer = pair.packets(pair.b)[-1]
    assert marks_of(answer) == BOTH
    pair.inject(A, B, bytes(Packet(PacketType.STATE, 8, 2, 0, 1 << 20, 101, seq_add(answer.seq, -1))))
    assert pair.b.incoming[0].peer_marks == Marks.JOINS


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(bytes(8), id="libutp's extension bits"),
        pytest.param(b"GRPV\x01", id="too short"),
        pytest.param(b"GRPV\x09\x03\x00\x00", id="of another version"),
    ],
)
def test_a_syn_with_other_bits_is_served_as_plain(content: bytes) -> None:
    pair = Pair(config=MARKED)
    syn = Packet(PacketType.SYN, 7, 1, 0, 1 << 20, 100, 0, extensions=((EXTENSION_BITS, content),))
    pair.inject(A, B, bytes(syn))
    (answer,) = pair.packets(pair.b)
    assert (answer.ack, answer.extensions) == (100, ())


@pytest.mark.parametrize("length", [9, 200, 255])
def test_a_lying_length_is_counted_and_dropped(length: int) -> None:
    pair = Pair(config=MARKED)
    lie = bytearray(bytes(Packet(PacketType.SYN, 7, 1, 0, 1 << 20, 100, 0, extensions=((2, pack_marks(BOTH)),))))
    lie[21] = length
    pair.inject(A, B, bytes(lie))
    statistics = pair.b.mux.statistics()
    assert (statistics.dropped_malformed, statistics.connections) == (1, 0)
    assert pair.sent == []


def test_a_connection_to_ourselves_is_marked_at_both_ends() -> None:
    pair = Pair(config=MARKED)
    connection = pair.a.mux.connect(A, pair.now)
    assert pair.run(lambda: bool(pair.a.incoming), limit=5.0)
    assert (connection.peer_marks, pair.a.incoming[0].peer_marks) == (BOTH, BOTH)

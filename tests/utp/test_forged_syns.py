"""Off the path: somebody knows addresses and ports, and forges. No connection ends, stalls or is filled by it.

And who really started again on the same port, with the same ids and numbers as libutp does, gets in soon.
"""

import functools
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from random import Random

import pytest

from core.utp.config import UtpConfig
from core.utp.connection import Connection
from core.utp.events import Closed
from core.utp.mux import Mux
from core.utp.state import State
from core.wire.utp_marks import OUR_MARKS, PLAIN, Marks
from core.wire.utp_packet import Packet, PacketType, pack_header, seq_add
from tests.support.samples import some
from tests.utp.pair import A, B, Link, Pair, Side

NUMBERS = 65_536
AT_ONCE = 512  # datagrams
SWEEP_SECONDS = 2.0  # one sweep
NEAR = 300


@functools.lru_cache(2)  # 8 MB each; the next test asks for the same
def forged(kind: PacketType, seed: int, connection_id: int | None, about: frozenset[int] | None) -> list[bytes]:
    """Return a packet for each id, with any number; or for each number, with this id.

    With `about`, for each fifth, and for all that are near to one of these.
    """
    random, packets = Random(seed), []
    near = {(each + distance) % NUMBERS for each in about or () for distance in range(-NEAR, NEAR + 1)}
    for number in range(NUMBERS) if about is None else sorted({*range(0, NUMBERS, 5), *near}):
        ids = number if connection_id is None else connection_id
        seq = random.getrandbits(16) if connection_id is None or kind is not PacketType.SYN else number
        ack = 0 if kind is PacketType.SYN else random.getrandbits(16) if connection_id is None else number
        packets.append(pack_header(kind, ids, random.getrandbits(32), 0, 1 << 20, seq, ack))
    random.shuffle(packets)
    return packets


@dataclass
class Talk:
    """A pair of which `a` asks and `b` answers, over a connection that is swept meanwhile."""

    pair: Pair = field(default_factory=lambda: Pair(5, link=Link(delay=0.02)))
    served: int = 0

    def __post_init__(self) -> None:
        self.pair.on_event = self._on_event

    def _on_event(self, side: Side, event: object) -> None:
        for connection in side.incoming:
            for chunk in side.chunks.pop(connection, []):
                connection.write(b"re:" + chunk, self.pair.now, boundary=True)

    def ask(self, connection: Connection, question: bytes) -> None:
        """Ask and wait for the answer."""
        self.pair.a.chunks.pop(connection, None)
        assert connection.write(question, self.pair.now, boundary=True) == len(question)
        answer = b"re:" + question
        assert self.pair.run(lambda: self.pair.a.received(connection) == answer, limit=5.0), "the request failed"
        self.served += 1

    def sweep(self, victim: Side, packets: list[bytes]) -> None:
        """Send forged packets in the name of the other side, while time passes."""
        source = A if victim is self.pair.b else B
        pause = SWEEP_SECONDS * AT_ONCE / len(packets)
        for start in range(0, len(packets), AT_ONCE):
            victim.mux.receive(packets[start : start + AT_ONCE], source, self.pair.now)
            self.pair.flush()
            self.pair.run(limit=pause)


# Sweeps of all ids and numbers are in the slow half.
WHOLE = pytest.mark.parametrize("whole", [False, pytest.param(True, marks=pytest.mark.slow)])


def numbers_of(connection: Connection) -> frozenset[int]:
    """Return the ids and numbers of a connection: a sweep in part has all that are near to them."""
    expected = 0 if connection.state is State.SYN_SENT else connection.sequence_space().expected
    return frozenset({connection.receive_id, connection.send_id, connection.next_seq, expected})


def sweeps(kind: PacketType, connection_id: int, count: int, about: frozenset[int] | None) -> Iterator[list[bytes]]:
    """Iterate over sweeps of ids and, every other time, of numbers of a known id."""
    for number in range(count):
        yield forged(kind, kind, connection_id if number % 2 else None, about)


def numbers(kind: PacketType, connection_id: int, about: frozenset[int] | None) -> Iterator[list[bytes]]:
    """Iterate over one sweep of the numbers of an id, and over one of all ids before where the whole is asked for."""
    return iter([*sweeps(kind, connection_id, 1 if about is None else 0, about),
                 forged(kind, kind, connection_id, about)])  # fmt: skip


@pytest.mark.parametrize(("victim", "count"), some([("acceptor", 2), ("acceptor", 10), ("initiator", 2)], 3))
def test_sweeps_of_syns_cut_no_idle_connection(victim: str, count: int) -> None:
    talk = Talk()
    a, b = talk.pair.connect()
    talk.ask(a, b"before")
    talk.pair.run(limit=10.0)
    side, connection = (talk.pair.b, b) if victim == "acceptor" else (talk.pair.a, a)
    sent = len(talk.pair.packets(side))
    about = numbers_of(connection) if (victim, count) == ("acceptor", 2) else None
    for packets in sweeps(PacketType.SYN, seq_add(connection.receive_id, -1), count, about):
        talk.sweep(side, packets)
    to_peer = [each for each in talk.pair.packets(side)[sent:] if each.connection_id == connection.send_id]
    assert len(to_peer) <= 2 * count * SWEEP_SECONDS + 10, "two answers a second to what has the connection's id"
    talk.ask(a, b"after")
    assert (a.state, b.state) == (State.OPEN, State.OPEN)


@pytest.mark.parametrize("count", some([2, 4], 2))
def test_sweeps_of_syns_delay_no_transfer(count: int) -> None:
    talk = Talk()
    a, b = talk.pair.connect()
    about = numbers_of(b) if count == 2 else None
    for number, packets in enumerate(sweeps(PacketType.SYN, b.receive_id - 1, count, about)):
        for start in range(0, len(packets), len(packets) // 8 + 1):
            talk.pair.b.mux.receive(packets[start : start + len(packets) // 8 + 1], A, talk.pair.now)
            talk.ask(a, b"%d at %d" % (start, number))
    assert (a.state, b.state) == (State.OPEN, State.OPEN)
    assert not talk.pair.a.mux.statistics().retransmitted


@pytest.mark.parametrize("when", some(["before the confirmation", "before the SYN"], 2))
@WHOLE
def test_sweeps_of_syns_keep_nobody_from_connecting(when: str, whole: bool) -> None:
    """What is half-open because of a forged SYN swallows nothing of the true peer's."""
    talk = Talk()
    if when == "before the SYN":
        for packets in sweeps(PacketType.SYN, 7, 2 if whole else 1, None if whole else frozenset()):
            talk.sweep(talk.pair.b, packets)
    a = talk.pair.a.mux.connect(B, talk.pair.now)
    a.write(b"hello", talk.pair.now, boundary=True)
    talk.pair.run(limit=0.03)  # the SYN is there; its answer is on the way
    if when == "before the confirmation":
        for packets in numbers(PacketType.SYN, a.receive_id, None if whole else numbers_of(a)):
            talk.pair.b.mux.receive(packets, A, talk.pair.now)
    assert talk.pair.run(lambda: talk.pair.a.received(a) == b"re:hello", limit=1.0)
    talk.ask(a, b"once more")


def test_an_impostor_that_was_first_with_the_id_keeps_nobody_out() -> None:
    pair = Pair()
    a = pair.a.mux.connect(B, pair.now)
    for seq in (1, 2, 3):
        pair.inject(A, B, bytes(Packet(PacketType.SYN, a.receive_id, 1, 0, 0, seq, 0)))
    assert pair.run(lambda: bool(pair.b.incoming), limit=0.5)
    assert a.state is State.OPEN


@WHOLE
def test_sweeps_of_syns_cut_no_closing_connection(whole: bool) -> None:
    """One side has ended, the other still speaks; and the repeated FIN of one just closed is acked."""
    talk = Talk()
    pair = talk.pair
    a, b = pair.connect()
    talk.ask(a, b"before")
    a.close(pair.now)
    pair.run(limit=1.0)
    assert (a.state, b.state) == (State.LOCAL_ENDED, State.REMOTE_ENDED)
    about = None if whole else numbers_of(b)
    for packets in numbers(PacketType.SYN, seq_add(b.receive_id, -1), about):
        talk.sweep(pair.b, packets)
    assert b.write(b"last words", pair.now) == 10
    b.close(pair.now)
    pair.drop = lambda sent: sent.by == B and sent.packet.type is PacketType.FIN  # b's end stays unknown to a
    pair.run(limit=0.2)
    for packets in numbers(PacketType.SYN, seq_add(b.receive_id, -1), about):
        pair.b.mux.receive(packets, A, pair.now)
    pair.lossless()
    assert pair.run(lambda: pair.a.closed(a) is not None and pair.b.closed(b) is not None, limit=10.0)
    assert pair.a.received(a).endswith(b"last words")
    assert [each.error for each in (pair.a.closed(a), pair.b.closed(b)) if each] == [None, None]


def test_a_forged_syn_does_not_silence_the_memory_of_a_closed_connection() -> None:
    pair = Pair()
    a, b = pair.connect()
    a.close(pair.now)
    pair.run(limit=1.0)
    pair.drop = lambda sent: sent.by == A and sent.packet.type is PacketType.STATE  # a's ack of b's FIN
    b.close(pair.now)
    pair.run(lambda: pair.a.closed(a) is not None, limit=1.0)
    assert pair.b.closed(b) is None
    pair.inject(B, A, bytes(Packet(PacketType.SYN, seq_add(a.receive_id, -1), 1, 0, 0, 9, 0)))
    pair.lossless()
    assert pair.run(lambda: pair.b.closed(b) is not None, limit=5.0)
    closed = pair.b.closed(b)
    assert closed is not None
    assert closed.error is None


@pytest.mark.parametrize("kind", [PacketType.RESET, PacketType.FIN, PacketType.DATA, PacketType.STATE])
@WHOLE
def test_sweeps_of_other_packets_cut_no_connection(kind: PacketType, whole: bool) -> None:
    talk = Talk()
    a, b = talk.pair.connect()
    talk.ask(a, b"before")
    for packets in sweeps(kind, b.receive_id, 1, None if whole else numbers_of(b)):
        talk.sweep(talk.pair.b, packets)
    talk.ask(a, b"after")
    for side in (talk.pair.a, talk.pair.b):
        assert not [event for event in side.events if isinstance(event, Closed)]


@pytest.mark.parametrize("times", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_resets_with_a_known_id_and_every_number_cut_no_connection(times: int) -> None:
    """Ids of libutp can be guessed: its random numbers have no seed."""
    talk = Talk()
    a, b = talk.pair.connect()
    talk.ask(a, b"before")
    for number in range(times):
        about = numbers_of(b) | numbers_of(a) if times == 1 else None
        talk.sweep(talk.pair.b, forged(PacketType.RESET, number, b.receive_id, about))
        talk.sweep(talk.pair.a, forged(PacketType.RESET, number, a.send_id, about))
        talk.ask(a, b"after %d" % number)
    assert 0 < talk.pair.b.mux.statistics().challenges <= times * 2 * SWEEP_SECONDS + 3


@pytest.mark.parametrize("times", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_resets_with_every_number_keep_nobody_from_connecting(times: int) -> None:
    talk = Talk()
    a = talk.pair.a.mux.connect(B, talk.pair.now)
    a.write(b"hello", talk.pair.now, boundary=True)
    talk.pair.run(limit=0.01)
    resets = forged(PacketType.RESET, 1, a.receive_id, numbers_of(a) if times == 1 else None)
    for _ in range(times):
        talk.pair.a.mux.receive(resets, B, talk.pair.now)
    talk.pair.run(limit=0.02)
    talk.pair.b.mux.receive(resets, A, talk.pair.now)
    assert talk.pair.run(lambda: talk.pair.a.received(a) == b"re:hello", limit=1.0)


@WHOLE
def test_a_syn_that_crosses_ours_takes_no_answer_from_it(whole: bool) -> None:
    """Forged, it must not make us forget the ids under which the answer comes."""
    pair = Pair()
    a = pair.a.mux.connect(B, pair.now)
    pair.flush()
    for packets in sweeps(PacketType.SYN, 7, 1, None if whole else numbers_of(a)):
        pair.a.mux.receive(packets, B, pair.now)
    assert pair.run(lambda: a.state is State.OPEN, limit=0.5)


# -- peers that did start again ---------------------------------------------------------------------------------------


class Libutp(Random):
    """Random numbers without a seed: each process draws the same, and one after the other within it."""

    def getrandbits(self, k: int) -> int:
        return super().getrandbits(32) >> (32 - k)


def restarted(pair: Pair, requests: int) -> tuple[Connection, Connection, Connection]:
    """Let `a` connect, ask, die and start again with the same ids and numbers; return old, its other end, and new."""
    pair.a.mux = Mux(pair.config, Libutp(9))
    old, other = pair.connect()
    for number in range(requests):
        old.write(b"%d" % number, pair.now, boundary=True)
        pair.run(limit=0.2)
    pair.run(limit=10.0)
    pair.a.mux = Mux(pair.config, Libutp(9))
    pair.now += 0.5
    new = pair.a.mux.connect(B, pair.now)
    assert (new.receive_id, new.next_seq) == (old.receive_id, seq_add(old.next_seq, -requests))
    return old, other, new


@pytest.mark.parametrize("requests", [0, 1, 2, 3, 50])
@pytest.mark.parametrize("marks", [PLAIN, OUR_MARKS])
def test_a_peer_that_restarted_with_the_same_ids_is_in_at_once(requests: int, marks: Marks) -> None:
    pair = Pair(config=UtpConfig(marks=marks))
    old, other, new = restarted(pair, requests)
    new.write(b"new", pair.now, boundary=True)
    assert pair.run(lambda: b"new" in [chunk for side in pair.b.chunks.values() for chunk in side], limit=3.0)
    assert new.state is State.OPEN
    assert new.peer_marks == marks
    if len(pair.b.incoming) > 1:
        closed = pair.b.closed(other)
        assert closed is not None
        assert closed.error is not None
        assert old.receive_id == new.receive_id


def test_the_reset_that_our_challenge_draws_ends_the_old_connection_and_the_syn_is_taken() -> None:
    """A peer that answers RESET to numbers it does not know, and sends zeros as times, as libutp does."""
    pair = Pair()
    a, b = pair.connect()
    pair.run(limit=10.0)
    pair.drop = lambda sent: True
    syn = Packet(PacketType.SYN, seq_add(b.receive_id, -1), 1, 0, 1 << 20, 4000, 0)
    pair.inject(A, B, bytes(syn))
    assert b.state is State.OPEN
    challenge = pair.packets(pair.b)[-2]
    assert challenge.type is PacketType.STATE
    assert challenge.connection_id == b.send_id
    assert challenge.ack == seq_add(b.sequence_space().expected, -1), "RFC 5961: the ack is the connection's own"
    wrong = Packet(PacketType.RESET, b.send_id, 0, 0, 0, 0, seq_add(challenge.seq, 1))
    pair.inject(A, B, bytes(wrong))
    assert b.state is State.OPEN
    pair.inject(A, B, bytes(replace(wrong, ack=challenge.seq)))
    assert pair.b.closed(b) is not None
    pair.inject(A, B, bytes(syn))
    assert pair.b.mux.statistics().half_open == 1
    assert pair.packets(pair.b)[-1].ack == syn.seq
    assert a.state is State.OPEN


def test_our_half_open_connection_answers_reset_to_numbers_that_cannot_be() -> None:
    pair = Pair()
    pair.drop = lambda sent: True
    a = pair.a.mux.connect(B, pair.now)
    pair.flush()
    syn = pair.sent[-1].packet
    pair.inject(B, A, bytes(Packet(PacketType.STATE, syn.connection_id, 77, 0, 1 << 20, 900, seq_add(syn.seq, 5))))
    answer = pair.packets(pair.a)[-1]
    assert (answer.type, answer.connection_id, answer.ack) == (PacketType.RESET, syn.connection_id, 900)
    assert a.state is State.SYN_SENT
    pair.inject(A, B, bytes(syn))
    pair.inject(A, B, bytes(Packet(PacketType.DATA, seq_add(syn.connection_id, 1), 77, 0, 1 << 20, 901, 40_000)))
    answer = pair.packets(pair.b)[-1]
    assert (answer.type, answer.ack) == (PacketType.RESET, 901), "an impostor's half-open swallows nothing"


def test_answers_reset_at_a_bounded_rate_only() -> None:
    pair = Pair(config=UtpConfig(resets_per_second=10))
    pair.drop = lambda sent: True
    a = pair.a.mux.connect(B, pair.now)
    pair.flush()
    for _ in range(100):
        pair.inject(B, A, bytes(Packet(PacketType.STATE, a.receive_id, 77, 0, 1 << 20, 900, 5)))
    assert pair.a.mux.statistics().resets_sent == 10


def test_guesses_void_a_challenge() -> None:
    pair = Pair()
    _, b = pair.connect()
    pair.run(limit=10.0)
    pair.inject(A, B, bytes(Packet(PacketType.SYN, seq_add(b.receive_id, -1), 1, 0, 1 << 20, 4000, 0)))
    secret = pair.packets(pair.b)[-2].seq
    for number in range(8):
        pair.inject(A, B, bytes(Packet(PacketType.RESET, b.send_id, 0, 0, 0, 0, seq_add(secret, 1 + number))))
    pair.inject(A, B, bytes(Packet(PacketType.RESET, b.send_id, 0, 0, 0, 0, secret)))
    assert b.state is State.OPEN

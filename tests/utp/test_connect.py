"""Connecting: the three packets, ids, repeated SYNs and answers, giving up, a peer that restarted."""

from random import Random

import pytest

from core.errors import RequestTimeout
from core.utp.events import Closed, Connected, Incoming
from core.utp.mux import Mux
from core.utp.state import State
from core.wire.utp_packet import Packet, PacketType, seq_add
from tests.support.samples import some
from tests.utp.pair import A, B, Link, Pair, Sent, Writer


def syn(seq: int = 100, connection_id: int = 7, timestamp: int = 1) -> bytes:
    """Return a SYN of a made-up peer."""
    return bytes(Packet(PacketType.SYN, connection_id, timestamp, 0, 1 << 20, seq, 0))


def test_syn_state_and_an_ack_open_both_sides() -> None:
    pair = Pair()
    a, b = pair.connect()
    first, second, third = (sent.packet for sent in pair.sent)
    assert (first.type, second.type, third.type) == (PacketType.SYN, PacketType.STATE, PacketType.STATE)
    assert first.connection_id == second.connection_id == seq_add(third.connection_id, -1)
    assert second.ack == first.seq
    assert third.seq == seq_add(first.seq, 1)
    assert third.ack == seq_add(second.seq, -1)
    assert (a.receive_id, a.send_id) == (b.send_id, b.receive_id)
    assert (a.state, b.state) == (State.OPEN, State.OPEN)
    assert pair.a.kinds(a) == [Connected]
    assert pair.b.kinds(b) == [Incoming]
    assert (a.remote, b.remote) == (B, A)


def test_the_first_data_has_the_number_after_the_syn() -> None:
    pair = Pair()
    a, _ = pair.connect()
    a.write(b"x", pair.now)
    pair.flush()
    assert pair.sent[-1].packet.seq == seq_add(pair.sent[0].packet.seq, 1)


def test_ids_and_numbers_come_from_the_random_source() -> None:
    def numbers(seed: int) -> list[tuple[int, int]]:
        pair = Pair(seed)
        pair.connect()
        return [(sent.packet.connection_id, sent.packet.seq) for sent in pair.sent]

    assert numbers(1) == numbers(1)
    assert numbers(1) != numbers(2)


def test_a_syn_is_sent_again_with_back_off_and_given_up() -> None:
    pair = Pair()
    pair.drop = lambda sent: True
    a = pair.a.mux.connect(B, pair.now)
    pair.run(limit=120.0)
    waits = [round(sent.at - 1000.0, 6) for sent in pair.sent]
    assert waits == [0, 1, 3, 7, 11, 15, 19, 23, 27, 31]
    closed = pair.a.closed(a)
    assert closed is not None
    assert isinstance(closed.error, RequestTimeout)
    assert pair.a.mux.statistics().connections == 0


def test_a_sign_of_life_has_the_syn_leave_soon_and_not_oftener_than_that() -> None:
    pair = Pair()
    pair.drop = lambda sent: True
    a = pair.a.mux.connect(B, pair.now)
    pair.flush()
    pair.now += 0.4
    for _ in range(5):
        pair.a.mux.speak(pair.now, B)
        pair.flush()
    pair.now += 0.02
    a.speak(pair.now)  # the last one has just left: a moment later
    pair.run(limit=120.0)
    assert [round(sent.at - 1000.0, 6) for sent in pair.sent[:3]] == [0, 0.4, 0.5]
    assert {sent.packet.type for sent in pair.sent} == {PacketType.SYN}
    assert len(pair.sent) == 10, "there are as many as ever"
    assert pair.a.closed(a) is not None


def test_a_lost_answer_is_repeated_without_a_second_connection() -> None:
    pair = Pair()
    lost: list[Sent] = []

    def drop(sent: Sent) -> bool:
        if sent.by == B and len(lost) < 2:
            lost.append(sent)
            return True
        return False

    pair.drop = drop
    a, b = pair.connect()
    assert pair.b.incoming == [b]
    assert pair.b.mux.statistics().accepted == 1
    assert a.state is State.OPEN


def test_a_lost_confirmation_is_asked_for_again() -> None:
    pair = Pair()
    pair.drop = lambda sent: sent.by == A and sent.packet.type is PacketType.STATE and pair.now < 1002
    pair.a.mux.connect(B, pair.now)
    assert pair.run(lambda: bool(pair.b.incoming), limit=10.0)
    assert pair.now < 1005


def test_a_forged_syn_makes_no_incoming_and_few_answers() -> None:
    pair = Pair()
    pair.inject(A, B, syn())
    assert pair.b.mux.statistics().half_open == 1
    pair.drop = lambda sent: True
    pair.run(limit=200.0)
    assert len(pair.packets(pair.b)) == 3, "each as long as the SYN; the rule for all answers counts them"
    assert pair.b.events == []
    assert pair.b.mux.statistics().connections == 0


def test_a_wrong_ack_does_not_confirm() -> None:
    pair = Pair()
    pair.drop = lambda sent: True
    pair.inject(A, B, syn())
    answer = pair.packets(pair.b)[0]
    for ack in (answer.seq, seq_add(answer.seq, 5), seq_add(answer.seq, -9)):
        pair.inject(A, B, bytes(Packet(PacketType.DATA, 8, 2, 0, 1 << 20, 101, ack, payload=b"forged")))
    assert pair.b.incoming == []
    assert pair.b.mux.statistics().dropped_ack == 3
    pair.inject(A, B, bytes(Packet(PacketType.DATA, 8, 2, 0, 1 << 20, 101, seq_add(answer.seq, -1), payload=b"true")))
    assert pair.b.received(pair.b.incoming[0]) == b"true"


def test_only_the_state_that_acks_the_syn_connects() -> None:
    pair = Pair()
    pair.drop = lambda sent: True
    a = pair.a.mux.connect(B, pair.now)
    pair.flush()
    first = pair.sent[0].packet
    for kind, ack in ((PacketType.STATE, seq_add(first.seq, 1)), (PacketType.DATA, first.seq)):
        pair.inject(B, A, bytes(Packet(kind, first.connection_id, 1, 0, 1 << 20, 50, ack, payload=b"x")))
    assert a.state is State.SYN_SENT
    assert pair.a.mux.statistics().dropped_ack == 2


def test_writes_before_the_answer_leave_after_it() -> None:
    pair = Pair()
    a = pair.a.mux.connect(B, pair.now)
    assert a.write(b"early", pair.now) == 5
    pair.run(lambda: bool(pair.b.incoming) and pair.b.received(pair.b.incoming[0]) == b"early", limit=5.0)
    assert pair.b.received(pair.b.incoming[0]) == b"early"


def test_closing_before_the_answer_with_nothing_written_ends_at_once() -> None:
    pair = Pair()
    a = pair.a.mux.connect(B, pair.now)
    a.close(pair.now)
    pair.flush()
    assert pair.a.kinds(a) == [Closed]
    assert pair.sent == []


def test_closing_before_the_answer_still_delivers() -> None:
    pair = Pair()
    a = pair.a.mux.connect(B, pair.now)
    a.write(b"and bye", pair.now)
    a.close(pair.now)
    pair.run(lambda: bool(pair.b.incoming) and pair.b.received(pair.b.incoming[0]) == b"and bye", limit=5.0)
    assert a.state is State.LOCAL_ENDED


def test_a_late_copy_of_the_syn_changes_nothing() -> None:
    pair = Pair()
    a, b = pair.connect()
    a.write(b"data", pair.now)
    pair.run(limit=5.0)
    pair.inject(A, B, bytes(pair.sent[0].packet))
    assert b.state is State.OPEN
    assert pair.b.mux.statistics().connections == 1
    assert pair.b.incoming == [b]


def test_a_busy_connection_is_not_replaced() -> None:
    pair = Pair()
    a, b = pair.connect()
    Writer(pair, a, bytes(400_000)).start()
    pair.run(lambda: len(pair.b.received(b)) > 100_000)
    pair.inject(A, B, syn(connection_id=b.send_id, timestamp=int(pair.now * 1e6) & 0xFFFFFFFF))
    assert b.state is State.OPEN
    assert pair.run(lambda: len(pair.b.received(b)) == 400_000)


@pytest.mark.parametrize("seed", some(range(40), 4))
def test_connects_under_loss_and_duplication(seed: int) -> None:
    pair = Pair(seed, link=Link(loss=0.25, jitter=0.05, duplicate=0.3))
    a = pair.a.mux.connect(B, pair.now)
    assert pair.run(lambda: a.state is State.OPEN and len(pair.b.incoming) == 1, limit=100.0)


def test_a_second_syn_is_answered_and_keeps_nothing() -> None:
    """Either may be forged: the first that is confirmed is the true one."""
    pair = Pair()
    pair.drop = lambda sent: True
    pair.inject(A, B, syn(seq=100))
    pair.inject(A, B, syn(seq=200))
    assert [packet.ack for packet in pair.packets(pair.b)] == [100, 200]
    assert pair.b.mux.statistics().connections == 1
    answer = pair.packets(pair.b)[-1]
    confirm = Packet(PacketType.STATE, 8, 50, 50 - answer.timestamp & 0xFFFFFFFF, 1 << 20, 201, answer.seq - 1)
    pair.inject(A, B, bytes(confirm))
    assert pair.b.mux.statistics().accepted == 1
    assert pair.b.mux.statistics().connections == 1


class _Ids(Random):
    """Gives these 16-bit numbers first."""

    def __init__(self, *first: int) -> None:
        super().__init__(1)
        self._first = list(first)

    def getrandbits(self, k: int) -> int:
        return self._first.pop(0) if k == 16 and self._first else super().getrandbits(k)


@pytest.mark.parametrize("apart", [-2, -1, 0, 1, 2])
def test_both_connect_at_once_with_ids_that_meet(apart: int) -> None:
    """The SYN of one looks like one for the other's own connection, where they are one apart."""
    pair = Pair()
    pair.a.mux, pair.b.mux = Mux(pair.config, _Ids(100)), Mux(pair.config, _Ids(100 + apart))
    a, b = pair.a.mux.connect(B, pair.now), pair.b.mux.connect(A, pair.now)

    def both() -> bool:
        return Connected in pair.a.kinds(a) and Connected in pair.b.kinds(b)

    assert pair.run(both, limit=3.0)
    pair.run(limit=1.0)
    assert len(pair.a.incoming) == len(pair.b.incoming) == 1
    a.write(b"from a", pair.now)
    b.write(b"from b", pair.now)
    pair.run(limit=1.0)
    assert pair.b.received(pair.b.incoming[0]) == b"from a"
    assert pair.a.received(pair.a.incoming[0]) == b"from b"

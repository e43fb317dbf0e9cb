"""RESET: who gets one, who believes one, and at what rate they leave."""

from dataclasses import replace

import pytest

from core.errors import TransportClosed
from core.utp.config import UtpConfig
from core.utp.events import Closed, Connected
from core.utp.state import State
from core.wire.utp_packet import Packet, PacketType, seq_add
from tests.utp.pair import A, B, Pair


def packet(kind: PacketType, connection_id: int = 77, seq: int = 9, ack: int = 8) -> Packet:
    """Return a packet of no connection."""
    return Packet(kind, connection_id, 1, 0, 1 << 20, seq, ack)


@pytest.mark.parametrize("kind", [PacketType.DATA, PacketType.FIN, PacketType.STATE])
def test_a_packet_of_no_connection_is_answered_as_libutp_does(kind: PacketType) -> None:
    pair = Pair()
    pair.inject(A, B, bytes(packet(kind)))
    (answer,) = pair.packets(pair.b)
    assert (answer.type, answer.connection_id, answer.ack) == (PacketType.RESET, 77, 9)
    assert pair.b.mux.statistics().resets_sent == 1


def test_a_reset_is_never_answered() -> None:
    pair = Pair()
    pair.inject(A, B, bytes(packet(PacketType.RESET)))
    assert pair.packets(pair.b) == []
    assert pair.b.mux.statistics().resets_dropped == 1


def test_resets_leave_at_a_bounded_rate() -> None:
    pair = Pair(config=UtpConfig(resets_per_second=10))
    for connection_id in range(100):
        pair.inject(A, B, bytes(packet(PacketType.DATA, connection_id)))
    assert len(pair.packets(pair.b)) == 10
    pair.now += 0.5
    for connection_id in range(100):
        pair.inject(A, B, bytes(packet(PacketType.DATA, connection_id)))
    assert len(pair.packets(pair.b)) == 15
    assert pair.b.mux.statistics().dropped_unknown == 200


def test_abort_resets_the_peer_and_ends_both() -> None:
    pair = Pair()
    a, b = pair.connect()
    a.write(b"never mind", pair.now)
    a.abort(pair.now)
    a.abort(pair.now)
    pair.run(lambda: pair.b.closed(b) is not None, limit=1.0)
    assert pair.a.kinds(a) == [Connected, Closed]
    ours, theirs = pair.a.closed(a), pair.b.closed(b)
    assert ours is not None
    assert theirs is not None
    assert ours.error is None
    assert isinstance(theirs.error, TransportClosed)
    assert [packet.type for packet in pair.packets(pair.a)][-1] is PacketType.RESET
    assert pair.b.mux.statistics().resets_received == 1
    assert a.write(b"x", pair.now) == 0


def test_what_came_before_a_reset_can_still_be_read() -> None:
    pair = Pair()
    pair.b.reading = False
    a, b = pair.connect()
    a.write(b"last words", pair.now)
    pair.run(limit=1.0)
    a.abort(pair.now)
    pair.run(lambda: pair.b.closed(b) is not None, limit=1.0)
    assert b.read(pair.now) == [b"last words"]
    assert b.read(pair.now) == []


@pytest.mark.parametrize("whose", ["receive", "send"])
def test_both_ids_of_a_connection_are_believed(whose: str) -> None:
    pair = Pair()
    a, _ = pair.connect()
    a.write(b"x", pair.now)
    pair.flush()
    sent = pair.packets(pair.a)[-1]
    connection_id = a.receive_id if whose == "receive" else a.send_id
    pair.inject(B, A, bytes(replace(packet(PacketType.RESET, connection_id, ack=sent.seq), timestamp=sent.timestamp)))
    assert a.state is State.CLOSED


def test_other_ids_other_places_and_forged_acks_are_not_believed() -> None:
    pair = Pair()
    a, b = pair.connect()
    ack = pair.packets(pair.a)[-1].seq
    pair.inject(B, A, bytes(packet(PacketType.RESET, seq_add(a.receive_id, -1), ack=ack)))
    pair.inject(B, A, bytes(packet(PacketType.RESET, seq_add(a.send_id, 1), ack=ack)))
    pair.inject(B, A, bytes(packet(PacketType.RESET, a.receive_id, ack=seq_add(ack, 1))))
    pair.inject(B, A, bytes(packet(PacketType.RESET, a.receive_id, ack=seq_add(ack, -2000))))
    pair.a.mux.receive([bytes(packet(PacketType.RESET, a.receive_id, ack=ack))], B._replace(port=9), pair.now)
    assert a.state is State.OPEN
    assert pair.a.mux.statistics().resets_dropped == 5
    assert b.state is State.OPEN


def test_a_reset_refuses_a_connection() -> None:
    pair = Pair()
    pair.drop = lambda sent: True
    a = pair.a.mux.connect(B, pair.now)
    pair.flush()
    syn = pair.sent[0].packet
    reset = packet(PacketType.RESET, syn.connection_id, ack=syn.seq)
    pair.inject(B, A, bytes(reset))
    assert pair.a.closed(a) is None, "it does not tell when the SYN left: anybody could have sent it"
    pair.inject(B, A, bytes(replace(reset, timestamp=syn.timestamp)))
    closed = pair.a.closed(a)
    assert closed is not None
    assert isinstance(closed.error, TransportClosed)


def test_a_peer_that_forgot_us_says_so() -> None:
    pair = Pair()
    a, b = pair.connect()
    pair.drop = lambda sent: sent.packet.type is PacketType.RESET
    b.abort(pair.now)  # its RESET is lost
    pair.flush()
    pair.drop = lambda sent: False
    a.write(b"are you there", pair.now)
    assert pair.run(lambda: pair.a.closed(a) is not None, limit=1.0)

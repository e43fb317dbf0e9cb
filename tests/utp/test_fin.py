"""Closing: half-closed streams both ways, simultaneous ends, lost FINs and acks, peers that vanish at the end."""

from dataclasses import replace

import pytest

from core.errors import LocalError, TransportClosed
from core.utp.config import UtpConfig
from core.utp.connection import Connection
from core.utp.events import Closed, Connected, Ended, Incoming, Readable
from core.utp.state import TRANSITIONS, State
from core.wire.utp_packet import Packet, PacketType, seq_add
from tests.utp.pair import A, B, Pair, Side, Writer


def error_of(side: Side, connection: Connection) -> object:
    """Return the error that a connection ended with; fails when it has not ended."""
    closed = side.closed(connection)
    assert closed is not None
    return closed.error


def test_fin_follows_everything_written() -> None:
    pair = Pair()
    a, b = pair.connect()
    Writer(pair, a, bytes(50_000), close=True).start()
    assert pair.run(lambda: Ended in pair.b.kinds(b), limit=10.0)
    assert len(pair.b.received(b)) == 50_000
    last = [packet for packet in pair.packets(pair.a) if packet.type in (PacketType.DATA, PacketType.FIN)][-1]
    assert last.type is PacketType.FIN
    assert (a.state, b.state) == (State.LOCAL_ENDED, State.REMOTE_ENDED)


def test_reading_goes_on_after_our_fin_and_writing_after_theirs() -> None:
    pair = Pair()
    a, b = pair.connect()
    a.close(pair.now)
    pair.run(lambda: Ended in pair.b.kinds(b))
    pair.run(limit=60.0)
    Writer(pair, b, bytes(200_000), close=True).start()
    assert pair.run(lambda: bool(pair.a.closed(a) and pair.b.closed(b)), limit=20.0)
    assert len(pair.a.received(a)) == 200_000
    assert pair.a.kinds(a) == [Connected, *[Readable] * pair.a.kinds(a).count(Readable), Ended, Closed]
    assert pair.b.kinds(b) == [Incoming, Ended, Closed]
    assert (error_of(pair.a, a), error_of(pair.b, b)) == (None, None)


def test_both_may_end_at_the_same_moment() -> None:
    pair = Pair()
    a, b = pair.connect()
    a.close(pair.now)
    b.close(pair.now)
    assert pair.run(lambda: bool(pair.a.closed(a) and pair.b.closed(b)), limit=2.0)
    assert (error_of(pair.a, a), error_of(pair.b, b)) == (None, None)
    pair.run(limit=200.0)
    assert pair.a.mux.statistics().resets_sent == pair.b.mux.statistics().resets_sent == 0
    assert pair.next_at() is None or pair.a.mux.statistics().connections == 0


@pytest.mark.parametrize("last_words", [b"", b"last words"])
@pytest.mark.parametrize("together", [True, False])
def test_the_second_end_is_acked_at_once(last_words: bytes, together: bool) -> None:
    pair = Pair()
    pair.together = together
    a, b = pair.connect()
    a.close(pair.now)
    pair.run(limit=5.0)
    started = pair.now
    if last_words:
        b.write(last_words, pair.now)
    b.close(pair.now)
    assert pair.run(lambda: pair.b.closed(b) is not None, limit=10.0)
    assert pair.now - started == pytest.approx(2 * pair.link.delay)
    assert pair.a.received(a) == last_words
    assert (error_of(pair.a, a), error_of(pair.b, b)) == (None, None)
    assert pair.b.mux.statistics().timeouts == 0


def test_the_last_packet_of_an_orderly_end_is_the_ack_of_the_last_fin() -> None:
    pair = Pair()
    a, b = pair.connect()
    a.close(pair.now)
    pair.run(limit=5.0)
    b.close(pair.now)
    pair.run(limit=pair.config.rto_min / 2)  # before any FIN is repeated
    fin = next(packet for packet in pair.packets(pair.b) if packet.type is PacketType.FIN)
    last = pair.packets(pair.a)[-1]
    assert (last.type, last.ack, last.connection_id) == (PacketType.STATE, fin.seq, a.send_id)
    assert [packet.ack for packet in pair.packets(pair.a)].count(fin.seq) == 1


def test_reading_the_rest_of_an_ended_stream_sends_nothing() -> None:
    pair = Pair()
    pair.a.reading = False
    a, b = pair.connect()
    a.close(pair.now)
    Writer(pair, b, bytes(pair.config.receive_window // 2), close=True).start()
    assert pair.run(lambda: pair.b.closed(b) is not None, limit=60.0)
    count = len(pair.sent)
    pair.a.read(a, pair.now)
    pair.flush()
    assert pair.a.kinds(a)[-2:] == [Ended, Closed]
    assert len(pair.sent) == count


def test_a_reset_between_fin_and_its_ack_takes_the_ack_away() -> None:
    """The peer is gone: it would answer our ack by another RESET."""
    pair = Pair()
    a, b = pair.connect()
    a.close(pair.now)
    pair.drop = lambda sent: sent.by == A
    pair.run(limit=0.1)
    template = pair.packets(pair.b)[-1]
    fin = replace(template, type=PacketType.FIN, ack=seq_add(pair.packets(pair.a)[-1].seq, -1))
    count = len(pair.packets(pair.a))
    pair.a.mux.receive([bytes(fin), bytes(replace(fin, type=PacketType.RESET))], B, pair.now)
    pair.flush()
    assert error_of(pair.a, a) is None
    assert len(pair.packets(pair.a)) == count
    assert b.state is State.OPEN


def test_ended_waits_until_everything_is_read() -> None:
    pair = Pair()
    pair.b.reading = False
    a, b = pair.connect()
    Writer(pair, a, bytes(5000), close=True).start()
    b.close(pair.now)
    pair.run(limit=10.0)
    assert pair.b.kinds(b) == [Incoming, Readable]
    assert pair.a.closed(a) is not None  # the other side is not held up by our reader
    pair.b.read(b, pair.now)
    pair.flush()
    assert pair.b.kinds(b) == [Incoming, Readable, Ended, Closed]
    assert pair.b.received(b) == bytes(5000)


def test_a_reader_that_never_comes_does_not_hold_a_place_for_ever() -> None:
    pair = Pair()
    pair.b.reading = False
    a, b = pair.connect()
    Writer(pair, a, b"unread", close=True).start()
    b.close(pair.now)
    pair.run(limit=pair.config.half_closed_timeout + 1)
    assert isinstance(error_of(pair.b, b), TransportClosed)
    assert pair.b.mux.statistics().connections == 0
    assert b.read(pair.now) == [b"unread"]


def test_writing_after_close_is_our_mistake() -> None:
    pair = Pair()
    a, _ = pair.connect()
    a.close(pair.now)
    a.close(pair.now)
    assert a.writable() == 0
    with pytest.raises(LocalError, match="closed for writing"):
        a.write(b"late", pair.now)


def test_a_lost_fin_is_sent_again() -> None:
    pair = Pair()
    a, b = pair.connect()
    pair.drop = lambda sent: sent.packet.type is PacketType.FIN and pair.now < 1000.3
    a.close(pair.now)
    assert pair.run(lambda: Ended in pair.b.kinds(b), limit=5.0)


def test_a_lost_last_ack_is_repeated_after_the_connection_is_gone() -> None:
    pair = Pair()
    a, b = pair.connect()
    a.close(pair.now)
    pair.run(lambda: Ended in pair.b.kinds(b))
    pair.drop = lambda sent: sent.by == A and pair.now < 1001
    b.close(pair.now)
    pair.run(lambda: pair.a.closed(a) is not None, limit=2.0)
    assert pair.b.closed(b) is None
    assert pair.run(lambda: pair.b.closed(b) is not None, limit=10.0)
    assert (error_of(pair.a, a), error_of(pair.b, b)) == (None, None)
    assert pair.a.mux.statistics().resets_sent == 0


@pytest.mark.parametrize("reset", [True, False])
def test_a_peer_that_ends_and_vanishes_is_no_error_when_only_our_fin_is_unacked(reset: bool) -> None:
    pair = Pair()
    a, b = pair.connect()
    b.close(pair.now)
    pair.run(lambda: Ended in pair.a.kinds(a))
    pair.drop = lambda sent: True
    a.close(pair.now)
    pair.flush()
    fin = pair.packets(pair.a)[-1]
    if reset:
        pair.inject(B, A, bytes(Packet(PacketType.RESET, fin.connection_id, 1, 0, 0, 5, fin.seq)))
    pair.run(lambda: pair.a.closed(a) is not None, limit=130.0)
    assert error_of(pair.a, a) is None


def test_a_peer_that_never_ends_its_side_is_given_up() -> None:
    pair = Pair()
    a, b = pair.connect()
    a.close(pair.now)
    pair.run(lambda: pair.a.closed(a) is not None, limit=1000.0)
    assert pair.now - 1000.0 == pytest.approx(pair.config.half_closed_timeout, abs=2.0)
    assert isinstance(error_of(pair.a, a), TransportClosed)
    pair.run(limit=1.0)
    assert isinstance(error_of(pair.b, b), TransportClosed)  # it was told by a RESET


def test_data_past_the_fin_is_dropped() -> None:
    pair = Pair()
    a, b = pair.connect()
    a.close(pair.now)
    pair.run(lambda: Ended in pair.b.kinds(b))
    fin = next(packet for packet in pair.packets(pair.a) if packet.type is PacketType.FIN)
    late = replace(fin, type=PacketType.DATA, seq=seq_add(fin.seq, 1), payload=b"late")
    pair.inject(A, B, bytes(late))
    assert pair.b.received(b) == b""
    assert pair.b.mux.statistics().dropped_far == 1


def test_data_that_came_early_past_a_fin_is_forgotten() -> None:
    pair = Pair()
    a, b = pair.connect()
    template = pair.packets(pair.a)[-1]
    first = template.seq

    def data(seq: int, payload: bytes, kind: PacketType = PacketType.DATA) -> bytes:
        return bytes(replace(template, type=kind, seq=seq_add(first, seq), payload=payload))

    for datagram in (data(3, b"past"), data(2, b"", PacketType.FIN), data(1, b"two"), data(0, b"one")):
        pair.inject(A, B, datagram)
    assert pair.b.received(b) == b"onetwo"
    assert b.state is State.REMOTE_ENDED
    assert a.state is State.OPEN


def test_a_fin_may_carry_the_last_bytes() -> None:
    pair = Pair()
    _, b = pair.connect()
    template = pair.packets(pair.a)[-1]
    pair.inject(A, B, bytes(replace(template, type=PacketType.FIN, payload=b"last words")))
    assert pair.b.received(b) == b"last words"
    assert pair.b.kinds(b) == [Incoming, Readable, Ended]


def test_closed_connections_are_remembered_within_a_bound() -> None:
    pair = Pair(config=UtpConfig(closed_kept=3))
    for _ in range(5):
        a, b = pair.connect()
        a.close(pair.now)
        b.close(pair.now)
        pair.run(lambda a=a, b=b: bool(pair.a.closed(a) and pair.b.closed(b)), limit=5.0)  # type: ignore[misc]
    fins = [packet for packet in pair.packets(pair.a) if packet.type is PacketType.FIN]
    for fin in fins:
        pair.inject(A, B, bytes(fin))
    assert pair.b.mux.statistics().resets_sent == 2
    assert [packet.type for packet in pair.packets(pair.b)[-3:]] == [PacketType.STATE] * 3


def test_every_state_but_closed_has_a_way_to_closed() -> None:
    assert set(TRANSITIONS) == set(State)
    for state, following in TRANSITIONS.items():
        assert (State.CLOSED in following) == (state is not State.CLOSED)


def test_a_transition_that_is_not_in_the_table_is_refused() -> None:
    pair = Pair()
    a, _ = pair.connect()
    with pytest.raises(AssertionError, match="not in the table"):
        a._enter(State.SYN_SENT)

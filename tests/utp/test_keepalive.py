"""Keepalives at half of what the worst routers keep, and the end of a peer that is not heard."""

from itertools import pairwise

import pytest

from core.errors import TransportClosed
from core.utp.config import UtpConfig
from core.utp.state import State
from core.wire.utp_marks import Marks
from core.wire.utp_packet import PacketType, seq_add
from tests.utp.pair import A, B, Pair


def test_after_15_seconds_an_ack_one_too_low() -> None:
    pair = Pair(config=UtpConfig(marks=Marks(0)))
    a, b = pair.connect()
    a.write(b"x", pair.now)
    pair.run(lambda: pair.b.received(b) == b"x")
    pair.run(limit=1.0)
    quiet, last_data = len(pair.sent), pair.sent[-1]
    pair.run(limit=100.0)
    ours = [sent for sent in pair.sent[quiet:] if sent.by == A]
    real = [packet for packet in pair.packets(pair.a) if packet.payload][-1]
    assert [sent.packet.type for sent in ours] == [PacketType.STATE] * 6
    assert {sent.packet.ack for sent in ours} == {seq_add(real.ack, -1)}
    assert [later.at - earlier.at for earlier, later in pairwise(ours)] == [pytest.approx(15.0)] * 5
    assert last_data.at < ours[0].at
    assert pair.b.received(b) == b"x"


def test_who_may_have_lost_its_mapping_speaks_sooner() -> None:
    """A peer that follows us can only do so when it hears from the new address: at 1, 2, 4, 8, 16, 31 s."""
    pair = Pair()
    a, b = pair.connect()
    pair.run(limit=100.0)
    a.write(b"x", pair.now)
    pair.run(lambda: pair.b.received(b) == b"x")
    heard, before = pair.now, len(pair.sent)
    pair.run(limit=100.0)
    spoken = [sent.at - heard for sent in pair.sent[before:] if sent.by == B and sent.at > heard + 0.5]
    assert spoken == pytest.approx([1, 2, 4, 8, 16, 31, 46, 61, 76, 91], abs=0.3)


def test_an_idle_connection_lives_and_still_works() -> None:
    pair = Pair()
    a, b = pair.connect()
    pair.run(limit=3600.0)
    assert (a.state, b.state) == (State.OPEN, State.OPEN)
    a.write(b"still here", pair.now)
    assert pair.run(lambda: pair.b.received(b) == b"still here", limit=1.0)
    assert pair.a.mux.statistics().timeouts == 0


def test_a_peer_that_is_not_heard_is_given_up() -> None:
    pair = Pair()
    a, _ = pair.connect()
    heard = pair.now
    pair.drop = lambda sent: sent.by != A
    pair.run(lambda: pair.a.closed(a) is not None, limit=1000.0)
    closed = pair.a.closed(a)
    assert closed is not None
    assert isinstance(closed.error, TransportClosed)
    assert pair.now - heard == pytest.approx(pair.config.idle_timeout, abs=0.1)


def test_nothing_is_pending_when_everything_is_closed() -> None:
    pair = Pair()
    a, b = pair.connect()
    a.close(pair.now)
    b.close(pair.now)
    pair.run(lambda: bool(pair.a.closed(a) and pair.b.closed(b)))
    sent = len(pair.sent)
    pair.run(limit=1000.0)
    assert len(pair.sent) == sent
    assert pair.next_at() is None


@pytest.mark.parametrize("early", [0.0, 0.001, 0.3])
def test_ticks_that_come_early_or_late_are_harmless(early: float) -> None:
    pair = Pair()
    a, b = pair.connect()
    for _ in range(200):
        at = pair.next_at()
        if at is not None:
            pair.a.mux.tick(max(pair.now, at - early))
            pair.b.mux.tick(pair.now)
    a.write(b"x", pair.now)
    assert pair.run(lambda: pair.b.received(b) == b"x", limit=2.0)


@pytest.mark.parametrize("marks", [Marks(0), UtpConfig().marks], ids=["plain", "ours"])
def test_a_router_that_forgets_sooner_is_spoken_through_sooner(marks: Marks) -> None:
    pair = Pair(config=UtpConfig(marks=marks))
    a, b = pair.connect()
    pair.run(limit=100.0)
    pair.a.mux.keep_alive(4.0)
    began, before = pair.now, len(pair.sent)
    pair.run(limit=30.0)
    spoken = [sent.at - began for sent in pair.sent[before:] if sent.by == A]
    assert spoken[0] <= 4.0, "a silence that has lasted long enough already ends at once"
    assert {round(later - earlier, 1) for earlier, later in pairwise(spoken)} == {4.0}
    assert (a.state, b.state) == (State.OPEN, State.OPEN)


def test_after_a_sleep_every_connection_speaks_at_once() -> None:
    pair = Pair()
    pair.connect()
    pair.run(limit=100.0)
    before = len(pair.sent)
    pair.a.mux.speak(pair.now)
    pair.run(limit=0.5)
    assert [sent.packet.type for sent in pair.sent[before:] if sent.by == A] == [PacketType.STATE]

"""A session's datagrams over a bad network: each by itself, once, whole, from nobody else, and to the right place."""

from random import Random

import pytest

from core.datagrams.config import DatagramConfig
from core.datagrams.mux import Mux
from core.datagrams.prober import BASE, STEPS
from core.datagrams.seal import Opener, Sealer
from core.values import Address
from core.wire.datagram_keys import EXPORTED_BYTES, split_keys
from core.wire.datagram_packet import Content, Data, Ping, Pong, pack_content, parse_content, parse_header
from tests.datagrams.sides import FLOW, Side, Two
from tests.sim.link import Link

BAD = Link(delay=0.03, jitter=0.04, loss=0.1, duplicate=0.2, reorder=0.2)


def test_nothing_is_taken_before_the_path_has_answered() -> None:
    two = Two()
    assert not two.a.send(b"x")  # no flow
    two.a.carry()
    assert not two.a.send(b"x")
    two.settle(0.05)
    assert two.a.send(b"x")
    two.settle()
    assert two.b.heard == [b"x"]
    assert not two.b.path.usable  # it carries nothing yet, and has asked nothing


def test_a_path_that_takes_no_datagrams_is_left_after_some_questions_and_asked_again() -> None:
    two = Two(Link(loss=1.0))
    two.a.carry()
    two.settle(8.0)
    assert (two.a.path.usable, two.a.mux.counters.sent) == (False, 4)
    two.settle(60.0)
    assert two.a.mux.counters.sent == 8, "one more series while it was in use; then nobody is asked"
    assert not two.a.send(b"x")
    two.world.public.link = Link()
    two.settle(0.5)
    assert two.a.path.usable


def test_who_is_asked_asks_at_once() -> None:
    """The caller's side is there one ACCEPT later than the sharer's, whose first question nobody heard."""
    two = Two()
    two.a.mux.close(two.a.path)
    two.b.carry()
    two.settle(0.1)
    two.a.path = two.a.again()
    two.a.carry()
    two.settle(0.09)  # two round trips of 40 ms, and a bit
    assert two.a.path.usable
    assert two.b.path.usable, "not 250 ms after its first question"


@pytest.mark.parametrize("seed", range(3))
def test_loss_reordering_and_duplicates(seed: int) -> None:
    two = Two(BAD, seed=seed).ready()
    sent = [b"%d" % number for number in range(2000)]
    for number, data in enumerate(sent):
        two.a.send_at(two.world.now + number * 0.002, data)
    two.settle(10.0)
    heard = two.b.heard
    assert len(heard) == len(set(heard)), "a duplicate passed"
    assert set(heard) <= set(sent)
    assert 0.85 < len(heard) / len(sent) < 0.95
    assert heard != sorted(heard, key=int), "the network changed the order, and nobody waited"
    assert two.b.mux.counters.replayed > 200


def test_a_datagram_that_is_lost_delays_no_other() -> None:
    two = Two(Link(delay=0.05)).ready()
    began = two.world.now
    carry, dropped = two.world.public.carry, list[bytes]()

    def lose_one(source: Address, to: Address, data: bytes, ttl: int | None = None) -> None:
        if source == two.a.socket.address and not dropped:
            dropped.append(data)
        else:
            carry(source, to, data)

    two.world.public.carry = lose_one  # type: ignore[method-assign]
    for number in range(10):
        two.a.send_at(began + 0.001 * number, b"%d" % number)
    two.settle(1.0)
    came = [(at - began, event.data) for at, event in two.b.socket.events]  # type: ignore[attr-defined]
    assert [data for _, data in came] == [b"%d" % number for number in range(1, 10)]
    assert [round(at - 0.001 * number, 6) for number, (at, _) in enumerate(came, 1)] == [0.05] * 9


def test_the_size_of_the_path_is_found_and_what_is_too_long_travels_in_pieces() -> None:
    two = Two().ready()
    assert two.a.path.size == STEPS[-1]
    whole = bytes(range(256)) * 8
    before = two.a.mux.counters.sent
    assert two.a.send(whole)
    assert two.a.send(b"")
    two.settle(0.1)
    assert two.b.heard == [whole, b""]
    assert two.a.mux.counters.sent - before == 3
    assert not two.a.send(bytes(65_507)), "that long ones go in the stream"


def test_pieces_come_in_any_order_and_what_is_not_whole_is_dropped() -> None:
    two = Two(BAD, seed=4).ready()
    sent = [b"%06d" % number + bytes(3000) for number in range(300)]
    for number, data in enumerate(sent):
        two.a.send_at(two.world.now + number * 0.01, data)
    two.settle(10.0)
    heard = two.b.heard
    assert set(heard) <= set(sent)
    assert len(heard) == len(set(heard))
    assert 0.6 < len(heard) / len(sent) < 0.85  # three of three: 0.9 ** 3
    assert two.b.mux.counters.malformed == 0


def test_a_narrow_path_is_found_and_one_that_narrows_is_noticed() -> None:
    two = Two()
    most = [1420]
    carry = two.world.public.carry

    def narrow(source: Address, to: Address, data: bytes, ttl: int | None = None) -> None:
        if len(data) <= most[0]:
            carry(source, to, data)

    two.world.public.carry = narrow  # type: ignore[method-assign]
    two.ready()
    two.settle(5.0)
    assert two.a.path.size == 1402
    most[0] = 1300
    for _ in range(50):
        two.a.send(b"x")
        two.settle(1.0)
    assert two.a.path.size in (BASE, 1252)
    assert two.a.path.usable
    assert two.a.send(b"w" * 1300)
    two.settle(1.0)
    assert two.b.heard[-1] == b"w" * 1300


def test_what_the_system_and_utp_know_of_the_size_counts() -> None:
    two = Two().ready()
    two.a.path.known_size(8972, two.world.now)
    assert two.a.path.size == 8972
    two.a.mux.too_long(two.b.socket.address, 8972, two.world.now)
    assert two.a.path.size == BASE
    two.a.path.known_size(1402, two.world.now)
    assert two.a.path.size == 1402


def test_a_full_queue_drops_the_oldest_and_counts_them() -> None:
    two = Two(config=DatagramConfig(datagrams=4)).ready()
    for number in range(10):
        assert two.a.path.send(FLOW, b"%d" % number, two.world.now)
    assert two.a.path.dropped(FLOW) == two.a.mux.counters.overflowed == 6
    two.a.mux.touch(two.a.path)
    two.a.socket.flush()
    two.settle(0.1)
    assert two.b.heard == [b"6", b"7", b"8", b"9"]


def test_streams_take_turns_and_are_bounded() -> None:
    two = Two(config=DatagramConfig(flows=2, turn=4)).ready()
    two.a.carry(3)
    assert not two.a.path.open_flow(5, two.world.now)
    for _ in range(20):
        two.a.path.send(FLOW, b"much", two.world.now)
    two.a.path.send(3, b"little", two.world.now)
    two.a.mux.touch(two.a.path)
    two.a.socket.flush()
    two.settle(0.1)
    assert two.b.heard.index(b"little") < 2
    assert len(two.b.heard) == 21
    two.a.path.close_flow(3)
    assert two.a.path.open_flow(5, two.world.now)
    assert two.a.path.queued == 0


def _capture(two: Two, side: Side, payload: bytes) -> bytes:
    """Let a side send a datagram that never arrives; return it as it left."""
    kept, carry = list[bytes](), two.world.public.carry

    def keep(source: Address, to: Address, data: bytes, ttl: int | None = None) -> None:
        kept.append(bytes(data))

    two.world.public.carry = keep  # type: ignore[method-assign]
    assert side.send(payload)
    two.world.public.carry = carry  # type: ignore[method-assign]
    return kept[-1]


def test_forged_replayed_truncated_and_reflected_ones_are_dropped_counted_and_never_answered() -> None:
    two = Two().ready()
    genuine = _capture(two, two.a, b"genuine")
    mallory = two.world.host("192.0.2.66").socket(7, two.a.mux)  # it can send from its own address only
    counters = two.b.mux.counters
    for at in range(len(genuine)):  # every byte counts; those of the id make it nobody's
        forged = bytearray(genuine)
        forged[at] ^= 1
        mallory.send(two.b.socket.address, bytes(forged))
    two.settle(0.1)
    assert (counters.malformed, counters.unknown, counters.forged) == (1, 8, len(genuine) - 9)
    for size in range(len(genuine)):
        mallory.send(two.b.socket.address, genuine[:size])
    two.settle(0.1)
    cut = counters.malformed - 1 + counters.forged - (len(genuine) - 9)
    assert cut == len(genuine)
    mallory.send(two.a.socket.address, genuine)  # back to who sent it
    two.settle(0.1)
    assert two.a.mux.counters.unknown == 1
    assert two.b.heard == []
    assert not _sent_to(two, mallory.address)
    two.a.socket.send(two.b.socket.address, genuine)
    two.a.socket.send(two.b.socket.address, genuine)
    two.settle(0.1)
    assert (two.b.heard, counters.replayed) == ([b"genuine"], 1)


def test_a_router_that_restarts_is_followed_in_a_round_trip() -> None:
    two = Two(behind=True)
    two.b.path.moved(Address("198.51.100.1", 9))
    two.a.carry()
    two.settle(1.0)
    first = two.b.path.remote
    assert first.host == "198.51.100.1"
    assert first.port != 9, "it followed where the datagrams come from"
    two.b.carry()
    two.settle(5.0)
    assert two.b.path.usable
    two.rebind()
    assert two.a.send(b"from elsewhere")
    two.settle(0.2)
    assert two.b.path.remote != first
    assert two.b.send(b"there")
    two.settle(1.0)
    assert (two.b.heard[-1], two.a.heard[-1]) == (b"from elsewhere", b"there")


def test_a_copy_from_another_address_gets_one_short_question_and_moves_nothing() -> None:
    two = Two().ready()
    home = two.b.path.remote
    mallory = two.world.host("192.0.2.66").socket(7, two.a.mux)
    mallory.closed = True  # what comes there is not answered
    for number in range(20):  # each is genuine, and arrives before the original
        mallory.send(two.b.socket.address, _capture(two, two.a, b"%d" % number))
        two.settle(0.01)
        assert two.b.path.remote == home
    two.settle(2.0)
    assert len(two.b.heard) == 20, "who reads the path can lose and delay, and that is what this is"
    assert two.b.path.remote == home
    told = _sent_to(two, mallory.address)
    assert len(told) == 1
    assert len(told[0]) < 50
    assert two.b.send(b"answer")
    two.settle(1.0)
    assert two.a.heard[-1] == b"answer"


def _sent_to(two: Two, to: Address) -> list[bytes]:
    return [each.data for each in two.world.trace.entries if each.what == "sent" and each.to == to]


def test_a_silent_path_sends_nothing_and_a_closed_one_neither() -> None:
    two = Two().ready()
    two.settle(60.0)
    before = two.a.mux.counters.sent
    two.settle(3600.0)
    assert two.a.mux.counters.sent == before
    assert two.a.mux.idle()
    two.a.mux.close(two.a.path)
    two.a.mux.close(two.a.path)
    assert not two.a.send(b"x")
    two.b.send(b"x")
    two.settle(1.0)
    assert two.a.mux.counters.unknown > 0
    assert two.a.mux.statistics().paths == 0


def test_a_path_that_breaks_is_left_and_taken_again() -> None:
    two = Two().ready()
    two.world.public.link = Link(loss=1.0)
    for _ in range(10):
        two.a.send(b"x")
        two.settle(1.0)
    assert not two.a.path.usable, "within 10 s"
    two.world.public.link = Link()
    for _ in range(11):
        two.a.send(b"x")
        two.settle(1.0)
    assert two.a.send(b"back")
    two.settle(1.0)
    assert two.b.heard[-1] == b"back"


def test_the_number_of_sessions_is_bounded() -> None:
    two = Two(config=DatagramConfig(paths=2))
    mux, there = two.a.mux, two.b.socket.address
    keys = [split_keys(bytes([number]) * EXPORTED_BYTES, initiator=True) for number in range(3)]
    assert mux.open(keys[0], there) is not None
    assert mux.open(keys[1], there) is None
    mux.close(two.a.path)
    assert mux.open(keys[0], there) is None, "an id is one session's"
    assert mux.open(keys[1], there) is not None


def test_only_the_answer_to_the_question_from_where_it_was_asked_moves_the_session() -> None:
    keys = [split_keys(bytes(EXPORTED_BYTES), initiator=first) for first in (True, False)]
    home, elsewhere, third = (Address("192.0.2.1", port) for port in (1, 2, 3))
    mux = Mux(DatagramConfig(), Random(1))
    path = mux.open(keys[0], home)
    assert path is not None
    theirs, asked = Sealer(keys[1].send), Opener(keys[1].receive)

    def tell(content: Content, source: Address, now: float) -> list[Content]:
        """Let the other side say something; return what it is told there."""
        mux.receive([theirs.seal(pack_content(content))], source, now)
        told = [(burst.to, asked.open(parse_header(each)[1], each)) for burst in mux.transmit(now)  # type: ignore[index]
                for each in burst.datagrams]  # fmt: skip
        assert all(to == elsewhere for to, _ in told)
        return [parse_content(opened) for _, opened in told if opened is not None]

    (question,) = tell(Data(1, b"x"), elsewhere, 1.0)
    assert isinstance(question, Ping)
    assert tell(Data(1, b"x"), elsewhere, 1.1) == [], "one question for a while"
    assert tell(Data(1, b"x"), third, 1.15) == [], "and no other address meanwhile"
    tell(Pong(question.nonce), third, 1.2)
    tell(Pong(question.nonce ^ 1), elsewhere, 1.22)
    assert path.remote == home
    assert tell(Data(1, b"x"), elsewhere, 1.5) == [question], "the same, since an answer may be long under way"
    tell(Pong(question.nonce), elsewhere, 1.6)
    assert path.remote == elsewhere
    older = theirs.seal(pack_content(Data(1, b"old")))
    tell(Data(1, b"new"), elsewhere, 1.7)
    mux.receive([older], home, 1.8)
    assert mux.transmit(1.8) == [], "what was overtaken says nothing of where the other side is now"

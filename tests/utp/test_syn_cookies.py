"""Floods of SYNs: nothing of them is kept, and who really connects gets in, whatever the line does."""

from dataclasses import replace
from random import Random

import pytest

from core.utp.config import UtpConfig
from core.utp.mux import Mux
from core.utp.state import State
from core.utp.syn_cookies import SynCookies
from core.values import Address
from core.wire.utp_marks import ALL_MARKS, OUR_MARKS, PLAIN, Marks, pack_marks, parse_marks
from core.wire.utp_packet import EXTENSION_BITS, Packet, PacketType, parse, seq_add
from tests.utp.pair import A, B, Link, Pair

STEP = 0.001  # seconds
SYNS = 10  # forged in each: 10,000/s
SYN = Packet(PacketType.SYN, 7, 123, 0, 1 << 20, 100, 0)


def flood(pair: Pair, random: Random, seconds: float) -> None:
    """Let time pass while forged SYNs from everywhere reach `b`."""
    for _ in range(round(seconds / STEP)):
        for _ in range(SYNS):
            source = Address(f"198.18.{random.randrange(256)}.{random.randrange(256)}", random.randrange(1, 65_536))
            fields = (random.getrandbits(32), 0, 1 << 20, random.getrandbits(16), 0)
            pair.b.mux.receive([bytes(Packet(PacketType.SYN, random.getrandbits(16), *fields))], source, pair.now)
        pair.run(limit=STEP)


def full_pair(link: Link | None = None, seed: int = 1) -> Pair:
    """Return a pair whose `b` has no half-open place left."""
    pair = Pair(seed, link=link, config=UtpConfig(half_open=4))
    flood(pair, Random(seed), STEP)
    assert pair.b.mux.statistics().half_open == 4
    return pair


def cookie(cookies: SynCookies, now: float) -> Packet:
    """Return the first packet of a peer that heard the answer to SYN 20 ms ago, at once."""
    answer = parse(cookies.answer(SYN, A, now - 0.02))
    difference = (500 - answer.timestamp) & 0xFFFFFFFF
    return Packet(PacketType.STATE, 8, 500 + 20_000, difference, 1 << 20, 101, seq_add(answer.seq, -1))


def test_under_ten_thousand_forged_syns_a_second_everybody_connects_at_once() -> None:
    pair, random = Pair(3, link=Link(delay=0.02)), Random(3)
    flood(pair, random, 0.05)
    calls = []
    for number in range(10):
        call = pair.a.mux.connect(B, pair.now)
        call.write(b"call %d" % number, pair.now)
        calls.append(call)
        flood(pair, random, 0.02)
    flood(pair, random, 0.1)
    assert [call.state for call in calls] == [State.OPEN] * 10
    assert sorted(pair.b.received(each) for each in pair.b.incoming) == [b"call %d" % number for number in range(10)]
    statistics = pair.b.mux.statistics()
    assert statistics.cookies_redeemed == statistics.accepted == 10
    assert statistics.cookies_sent > 2000
    assert statistics.half_open == pair.config.half_open
    assert statistics.connections == pair.config.half_open + 10
    assert pair.a.mux.statistics().resets_received == pair.a.mux.statistics().retransmitted == 0


@pytest.mark.parametrize("seed", range(30))
def test_data_arrives_both_ways_over_bad_lines(seed: int) -> None:
    pair = full_pair(Link(delay=0.02, jitter=0.05, loss=0.2, duplicate=0.2), seed)
    here = pair.a.mux.connect(B, pair.now)
    data = Random(seed).randbytes(5000)
    here.write(data, pair.now)
    assert pair.run(lambda: bool(pair.b.incoming) and pair.b.received(pair.b.incoming[0]) == data, limit=40.0)
    there = pair.b.incoming[0]
    assert (here.peer_marks, there.peer_marks) == (OUR_MARKS, OUR_MARKS), "a flood makes nobody look plain"
    there.write(data[::-1], pair.now)
    here.close(pair.now)
    there.close(pair.now)
    pair.run(lambda: bool(pair.a.closed(here) and pair.b.closed(there)), limit=60.0)
    assert pair.a.received(here) == data[::-1]
    assert pair.b.mux.statistics().cookies_redeemed == len(pair.b.incoming) == 1


def test_who_lost_its_only_ack_is_let_in_by_its_keepalive() -> None:
    pair = full_pair()
    pair.drop = lambda sent: sent.by == A and sent.packet.type is PacketType.STATE
    pair.a.mux.connect(B, pair.now)
    pair.run(limit=1.0)
    pair.lossless()
    assert pair.run(lambda: bool(pair.b.incoming), limit=30.0)
    assert pair.b.mux.statistics().cookies_redeemed == 1


def test_the_second_packet_first_is_no_reason_for_a_reset() -> None:
    pair = full_pair()
    here = pair.a.mux.connect(B, pair.now)
    pair.drop = lambda sent: sent.by == A and (sent.packet.type is PacketType.STATE or sent.packet.payload == b"1")
    here.write(b"1", pair.now, boundary=True)
    here.write(b"2", pair.now, boundary=True)
    pair.run(limit=0.1)
    assert pair.b.mux.statistics().dropped_unknown > 0
    pair.lossless()
    assert pair.run(lambda: bool(pair.b.incoming) and pair.b.received(pair.b.incoming[0]) == b"12", limit=5.0)
    assert pair.b.mux.statistics().resets_sent == 0


def test_strangers_get_resets_again_when_no_cookie_is_out() -> None:
    pair = full_pair()
    stray = bytes(replace(SYN, type=PacketType.DATA))
    pair.inject(A, B, stray)
    assert pair.b.mux.statistics().resets_sent == 0
    pair.run(limit=128.0)
    pair.inject(A, B, stray)
    assert pair.b.mux.statistics().resets_sent == 1


def test_a_place_that_becomes_free_changes_no_numbers() -> None:
    """The repeated SYN of one whose cookie is on its way is answered with the same number."""
    mux = Mux(UtpConfig(half_open=1), Random(1))
    mux.receive([bytes(SYN)], B, 100.0)
    mux.transmit(100.0)
    mux.receive([bytes(SYN)], A, 144.0)
    (first,) = (parse(each) for burst in mux.transmit(144.0) for each in burst.datagrams)
    mux.tick(145.5)
    assert mux.statistics().half_open == 0
    mux.receive([bytes(SYN)], A, 146.0)
    (again,) = (parse(each) for burst in mux.transmit(146.0) for each in burst.datagrams)
    assert mux.statistics().half_open == 1
    assert (again.type, again.seq, again.ack) == (PacketType.STATE, first.seq, first.ack)
    assert again.timestamp - first.timestamp == 2_000_000


@pytest.mark.parametrize(
    ("change", "passes"),
    [
        ({}, True),
        ({"seq": 102}, False),
        ({"connection_id": 9}, False),
        ({"timestamp_difference": 5}, False),
    ],
    ids=["right", "seq", "id", "time"],
)
def test_a_cookie_is_good_for_one_syn_only(change: dict[str, int], *, passes: bool) -> None:
    cookies = SynCookies(UtpConfig(), Random(1))
    packet = replace(cookie(cookies, 10.0), **change)  # type: ignore[arg-type]
    assert (cookies.redeem(packet, A, 10.0) is not None) is passes
    assert cookies.redeem(packet, B, 10.0) is None, "of another address"
    assert SynCookies(UtpConfig(), Random(2)).redeem(packet, A, 10.0) is None, "of another key"


@pytest.mark.parametrize("marks", [PLAIN, OUR_MARKS, ALL_MARKS])
def test_a_cookie_keeps_the_marks_of_its_syn(marks: Marks) -> None:
    """Otherwise 128 forged SYNs would make every peer look plain, and who must be encrypted would be refused."""
    cookies = SynCookies(UtpConfig(), Random(1))
    syn = replace(SYN, extensions=((EXTENSION_BITS, pack_marks(marks)),) if marks else ())
    datagram = cookies.answer(syn, A, 9.98)
    assert len(datagram) == len(bytes(syn)), "no more than a forger sends"
    answer = parse(datagram)
    assert bool(parse_marks(answer.extension(EXTENSION_BITS))) is bool(marks)
    difference = (500 - answer.timestamp) & 0xFFFFFFFF
    confirms = Packet(PacketType.STATE, 8, 500 + 20_000, difference, 1 << 20, 101, seq_add(answer.seq, -1))
    redeemed = cookies.redeem(confirms, A, 10.0)
    assert redeemed is not None
    assert parse_marks(redeemed[0].extension(EXTENSION_BITS)) == marks


def test_a_cookie_for_the_ids_of_another_connection_has_a_number_far_from_its_own() -> None:
    cookies = SynCookies(UtpConfig(), Random(1))
    plain = parse(cookies.answer(SYN, A, 9.98)).seq
    answer = parse(cookies.answer(SYN, A, 9.98, next_seq=plain))
    assert answer.seq == plain ^ 0x8000
    difference = (500 - answer.timestamp) & 0xFFFFFFFF
    confirms = Packet(PacketType.STATE, 8, 500 + 20_000, difference, 1 << 20, 101, seq_add(answer.seq, -1))
    assert cookies.redeem(confirms, A, 10.0) is None
    redeemed = cookies.redeem(confirms, A, 10.0, moved=True)
    assert redeemed is not None
    assert redeemed[1].first_seq == answer.seq


def test_a_cookie_of_the_last_slot_is_good_and_of_the_one_before_is_not() -> None:
    cookies = SynCookies(UtpConfig(), Random(1))
    packet = cookie(cookies, 64.01)  # made at 63.99
    made = cookies.redeem(packet, A, 64.01)
    assert made is not None
    assert (made[0].connection_id, made[0].seq) == (SYN.connection_id, SYN.seq)
    assert cookies.redeem(packet, A, 69.0) is None, "a replay tells an old time"


def test_no_cookie_no_key() -> None:
    """Seeded runs keep their numbers: nothing is drawn before the first flood."""
    random = Random(5)
    Mux(UtpConfig(), random).receive([bytes(replace(SYN, type=PacketType.DATA))], A, 1.0)
    untouched = Random(5)
    untouched.getrandbits(16)  # of the RESET
    assert random.getrandbits(32) == untouched.getrandbits(32)
